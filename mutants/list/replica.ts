/** Mutants of the replica: each commit is taken once and as a whole. */
import type { Mutant } from '../mutant.ts';

const TABLES = 'packages/replica/src/writer/tables.ts';
const WRITER = 'packages/replica/src/writer/writer.ts';
const REPLICA_TEST = 'packages/replica/src/replica.test.ts';

export const replica: readonly Mutant[] = [
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
];
