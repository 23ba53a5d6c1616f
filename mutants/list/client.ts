/** Mutants of the client: the vault of opened keys, and what is shown for a name. */
import type { Mutant } from '../mutant.ts';

const VAULT = 'packages/client/src/serving/key-vault.test.ts';

export const client: readonly Mutant[] = [
  {
    fault: 'all keys of a vault are sealed with one nonce',
    file: 'packages/client/src/serving/key-vault.ts',
    find: 'crypto.getRandomValues(new Uint8Array(NONCE_BYTES))',
    replace: 'new Uint8Array(NONCE_BYTES)',
    noticedBy: [{ file: VAULT }],
  },
  {
    fault: 'the key of a removed certificate is kept in the vault',
    file: 'packages/client/src/serving/change-watcher.ts',
    find: 'if (removed) vault.forget(certificateId);',
    replace: '',
    noticedBy: [{ file: 'packages/client/src/material.test.ts' }],
  },
  {
    fault: 'a vault forgets nothing',
    file: 'packages/client/src/serving/key-vault.ts',
    find: 'later(() => remove.run(certificateId))',
    replace: 'later(() => {})',
    noticedBy: [{ file: VAULT }],
  },
  {
    fault: 'a predecessor that outlives its successor is shown',
    file: 'packages/client/src/serving/ranking.ts',
    find: '    isPredecessor ? 1 : 0,\n',
    replace: '',
    noticedBy: [{ file: 'packages/client/src/serving/ranking.test.ts' }],
  },
];
