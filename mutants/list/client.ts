/** Mutants of the client: what is shown for a name, and for how long its key is kept. */
import type { Mutant } from '../mutant.ts';

const DAMAGED_TEST = 'packages/client/src/damaged-replica.test.ts';

export const client: readonly Mutant[] = [
  {
    fault: 'the key of a removed certificate is kept in the vault',
    file: 'packages/client/src/serving/change-watcher.ts',
    find: 'vault.update(certificateId, certificate);',
    replace: '',
    noticedBy: [{ file: 'packages/client/src/material.test.ts' }],
  },
  {
    fault: 'the key of a certificate that was removed while nothing ran is kept in the vault',
    file: 'packages/client/src/serving/material-source.ts',
    find: 'if (notes.live) vault.sweep();',
    replace: '',
    noticedBy: [{ file: 'packages/client/src/material.test.ts', only: 'removed while nothing ran' }],
  },
  {
    fault: 'an older certificate is shown again where the clock was set back',
    file: 'packages/client/src/serving/ranking.ts',
    find: 'Math.max(now, begun)',
    replace: 'now',
    noticedBy: [{ file: 'packages/client/src/serving/ranking.test.ts' }],
  },
  {
    fault: 'what was renewed goes on being shown as it was',
    file: 'packages/client/src/connect.ts',
    find: "source.on('changed', (change) => {",
    replace: "source.on('changed', (change) => {\n    return;",
    noticedBy: [{ file: 'packages/client/src/tests/renewals-under-load.test.ts' }],
  },
  {
    fault: 'certificates that are asked for once evict those in use',
    file: 'packages/client/src/tls/name-map.ts',
    find: 'latest?.isCurrent && changes === before',
    replace: 'latest?.isCurrent && changes === before && contexts.get(missing)',
    noticedBy: [{ file: 'packages/client/src/tls/contexts.test.ts', only: 'evict none' }],
  },
  {
    fault: 'a worker of a cluster begins with the ticket keys of before a removal',
    file: 'packages/client/src/tls/ticket-keys.ts',
    find: 'if (!data.madeAt || isRemovedSince(data.madeAt)) return;',
    replace: 'if (!data.madeAt) return;',
    noticedBy: [{ file: 'packages/client/src/tls/ticket-keys.test.ts', only: 'after a removal' }],
  },
  {
    fault: 'a server that asks for certificates lets in the clients of every public authority',
    file: 'packages/client/src/connect.ts',
    find: 'createSecureContext({ ...trust, cert, key })',
    replace: 'createSecureContext({ cert, key })',
    noticedBy: [{ file: 'packages/client/src/tls/client-certificates.test.ts' }],
  },
  {
    fault: 'a restart without the bus does not know when the bus last answered',
    file: 'packages/client/src/serving/material-source.ts',
    find: 'createNotes(replica.following(), {',
    replace: 'createNotes(undefined, {',
    noticedBy: [{ file: 'packages/client/src/tests/offline-month.test.ts' }],
  },
  {
    fault: 'certificates that have ended are shown where they are to be refused',
    file: 'packages/client/src/serving/material-source.ts',
    find: "return options.expired === 'refuse' ? withoutExpired(ranking, at) : ranking;",
    replace: 'return ranking;',
    noticedBy: [{ file: 'packages/client/src/tests/offline-month.test.ts', only: 'refuse' }],
  },
  {
    fault: 'a part of a bus is served where a first replay was interrupted',
    file: 'packages/client/src/serving/material-source.ts',
    find: 'if (notes.live || replica.isComplete()) return;',
    replace: 'if (notes.live || replica.checkpoint().position > 0) return;',
    noticedBy: [{ file: 'packages/client/src/first-start.test.ts' }],
  },
  {
    fault: 'a report is ahead of what is shown',
    file: 'packages/client/src/health.ts',
    find: 'position: Math.min(shown.position, notes.reached),',
    replace: '',
    noticedBy: [{ file: 'packages/client/src/health.test.ts', only: 'not ahead of what is shown' }],
  },
  {
    fault: 'a predecessor that outlives its successor is shown',
    file: 'packages/client/src/serving/ranking.ts',
    find: '    isPredecessor ? 1 : 0,\n',
    replace: '',
    noticedBy: [{ file: 'packages/client/src/serving/ranking.test.ts' }],
  },
  {
    fault: 'a change of a certificate that does not read is a removal',
    file: 'packages/client/src/serving/change-watcher.ts',
    find: 'if (!certificate) continue;',
    replace: '',
    noticedBy: [{ file: 'packages/client/src/serving/change-watcher.test.ts', only: 'whose row does not read' }],
  },
  {
    fault: 'a name whose certificate does not read any more is refused',
    file: 'packages/client/src/tls/name-map.ts',
    find: 'return found.shown ?? unread(there);',
    replace: 'return found.shown;',
    noticedBy: [{ file: DAMAGED_TEST, only: 'while a client runs' }],
  },
  {
    fault: 'a default certificate that does not read any more is taken away',
    file: 'packages/client/src/tls/defaults.ts',
    find: 'if (isFound && !source.isWhole())',
    replace: 'if (!isFound)',
    noticedBy: [{ file: DAMAGED_TEST, only: 'while a client runs' }],
  },
];
