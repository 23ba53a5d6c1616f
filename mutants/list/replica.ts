/** Mutants of the replica: each commit is taken once and as a whole, and the vault of opened keys next to it. */
import type { Mutant } from '../mutant.ts';

const TABLES = 'packages/replica/src/writer/tables.ts';
const VAULT_TEST = 'packages/replica/src/vault/vault.test.ts';
const WRITER = 'packages/replica/src/writer/writer.ts';
const DIGEST = 'packages/replica/src/checking/digest.ts';
const SALVAGE = 'packages/replica/src/checking/salvage.ts';
const FLIPS_TEST = 'packages/replica/src/checking/bit-flips.test.ts';
const REPLICA_TEST = 'packages/replica/src/replica.test.ts';

export const replica: readonly Mutant[] = [
  {
    fault: 'tables that were built take the place of the others one after another',
    file: TABLES,
    find: 'database.exec(SWAP);',
    replace: "for (const each of SWAP.split(';')) database.exec(each.concat('; COMMIT; BEGIN'));",
    noticedBy: [{ file: 'packages/replica/src/killed-start.test.ts' }],
  },
  {
    fault: 'a certificate that changes is counted as due twice',
    file: 'packages/replica/src/writer/tables.ts',
    find: 'if (duty) hours.count(duty, -1);',
    replace: '',
    noticedBy: [{ file: 'packages/replica/src/writer/ends.test.ts' }],
  },
  {
    fault: 'a client keeps the keys of removed certificates',
    file: 'packages/replica/src/writer/role.ts',
    find: 'retired: undefined, ',
    replace: '',
    noticedBy: [{ file: REPLICA_TEST, only: 'so that they can be revoked, and by no client' }],
  },
  {
    fault: 'all keys of a vault are sealed with one nonce',
    file: 'packages/replica/src/vault/sealing.ts',
    find: 'crypto.getRandomValues(new Uint8Array(NONCE_BYTES))',
    replace: 'new Uint8Array(NONCE_BYTES)',
    noticedBy: [{ file: VAULT_TEST }],
  },
  {
    fault: 'a vault forgets nothing',
    file: 'packages/replica/src/vault/file.ts',
    find: 'return Number(remove.run(note.certificateId, JSON.stringify(note.leafHashes)).changes);',
    replace: 'return 0;',
    noticedBy: [{ file: VAULT_TEST }],
  },
  {
    fault: 'a removed key stays in the write-ahead log',
    file: 'packages/replica/src/vault/file.ts',
    find: "if (removed > 0) database.exec('PRAGMA wal_checkpoint(TRUNCATE)');",
    replace: '',
    noticedBy: [{ file: VAULT_TEST, only: 'out of every byte of the files' }],
  },
  {
    fault: 'a key that was being opened when its certificate was removed is kept in memory',
    file: 'packages/replica/src/vault/vault.ts',
    find: 'openings.restrict(certificateId, leafHashes);',
    replace: '',
    noticedBy: [{ file: VAULT_TEST, only: 'in memory a key is not kept' }],
  },
  {
    fault: 'a handshake waits for a vault that is locked',
    file: 'packages/replica/src/vault/file.ts',
    find: 'readOnly: true, timeout: 0',
    replace: 'readOnly: true, timeout: 60_000',
    noticedBy: [{ file: VAULT_TEST, only: 'opened again instead of waited for' }],
  },
  {
    fault: 'any number of keys is opened at once',
    file: 'packages/replica/src/vault/vault.ts',
    find: 'const MAX_OPENINGS = 8;',
    replace: 'const MAX_OPENINGS = 1_000;',
    noticedBy: [{ file: VAULT_TEST, only: 'eight keys are opened at once' }],
  },
  {
    fault: 'a replica takes commits without a transaction',
    file: WRITER,
    find: 'return inTransaction(database, () => served.take(commits, checkpoint));',
    replace: 'return served.take(commits, checkpoint);',
    noticedBy: [{ file: REPLICA_TEST, only: 'nothing of them is taken' }],
  },
  {
    fault: 'a replica takes commits behind any position',
    file: TABLES,
    find: '.changes === 1) return',
    replace: '.changes <= 1) return',
    noticedBy: [{ file: REPLICA_TEST, only: 'nothing of them is taken' }],
  },
  {
    fault: 'a replica takes a position twice',
    file: TABLES,
    find: ' WHERE position = ?`',
    replace: ' WHERE position >= ?`',
    noticedBy: [{ file: REPLICA_TEST, only: 'one position is never taken twice' }],
  },
  {
    fault: 'a row of a replica is served whatever its digest is',
    file: DIGEST,
    find: "if (digestOf(origin, state) === row['digest']) return JSON.parse(state);",
    replace: 'if (digestOf(origin, state) > 0) return JSON.parse(state);',
    noticedBy: [{ file: FLIPS_TEST, only: 'in the state of a certificate' }],
  },
  {
    fault: 'a damaged log is read as far as SQLite reads it',
    file: 'packages/replica/src/writer/file.ts',
    find: '!isLogWhole(path) || !isOfKnownFormat(path)',
    replace: '!isOfKnownFormat(path)',
    noticedBy: [{ file: FLIPS_TEST, only: 'in the log' }],
  },
  {
    fault: 'a certificate is salvaged in an older state than the file had',
    file: SALVAGE,
    find: 'coalesce(certificates.position, 0) < expected.position',
    replace: 'certificates.position IS NULL',
    noticedBy: [{ file: FLIPS_TEST, only: 'in the state of a certificate' }],
  },
  {
    fault: 'what could not be reported once is not reported',
    file: 'packages/replica/src/follower.ts',
    find: 'void reports.catchUp();',
    replace: '',
    noticedBy: [{ file: 'packages/replica/src/follower.test.ts' }],
  },
  {
    fault: 'a process that was overtaken for a moment goes on with what it has looked up',
    file: 'packages/replica/src/follower.ts',
    find: 'if (isBehind && mayAdvance) await changes.report(listener);',
    replace: '',
    noticedBy: [{ file: 'packages/replica/src/overtaken.test.ts' }],
  },
  {
    fault: 'what another process wrote before a look that failed is lost where this one takes over',
    file: 'packages/replica/src/follower.ts',
    find: 'isBehind = !mayAdvance;',
    replace: 'isBehind = false;',
    noticedBy: [{ file: 'packages/replica/src/follower.test.ts', only: 'follows itself by then' }],
  },
  {
    fault: 'a process that reads along after it was overtaken goes on with what it has looked up',
    file: 'packages/replica/src/follower.ts',
    find: 'let version: number | undefined;',
    replace: 'let version: number | undefined = replica.version();',
    noticedBy: [{ file: 'packages/replica/src/overtaken.test.ts' }],
  },
  {
    fault: 'a replica that can be written again is read as if its file never changed',
    file: 'packages/replica/src/replica.ts',
    find: 'is one no longer.\n        file.reopen();',
    replace: 'is one no longer.',
    noticedBy: [{ file: 'packages/client/src/disk-problems.int.test.ts', only: 'as soon as a read-only disk' }],
    tries: 3,
  },
];
