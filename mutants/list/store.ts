/** Mutants of the store: what is verified, how a bus is followed, and what is durable. */
import type { Mutant } from '../mutant.ts';

const FOLLOW = 'packages/store/src/follow.ts';
const FOLLOW_TEST = 'packages/store/src/follow.test.ts';
const TRANSACT = 'packages/store/src/transact.ts';
const TRANSACT_TEST = 'packages/store/src/transact.test.ts';
const CONNECTION = 'packages/store/src/adapters/sqlite/connection.ts';
const DURABILITY = 'packages/store/src/adapters/sqlite/durability.int.test.ts';
const BACKUP = 'packages/store/src/recovery/backup.test.ts';

export const store: readonly Mutant[] = [
  {
    fault: '"bus verify" looks at one signature a page',
    file: 'packages/store/src/recovery/verify.ts',
    find: 'everySignature: true',
    replace: 'everySignature: false',
    noticedBy: [{ file: 'packages/store/src/recovery/verify.test.ts' }],
  },
  {
    fault: 'an export looks at one signature a page of the bus',
    file: 'packages/store/src/recovery/backup.ts',
    find: 'consistent: true, everySignature: true',
    replace: 'consistent: true',
    noticedBy: [{ file: BACKUP }],
  },
  {
    fault: 'an import looks at one signature a block',
    file: 'packages/store/src/recovery/backup.ts',
    find: 'block, { everySignature: true }',
    replace: 'block',
    noticedBy: [{ file: BACKUP }],
  },
  {
    fault: 'a repair looks at one signature a page behind the export',
    file: 'packages/store/src/recovery/repair.ts',
    find: 'everySignature: true',
    replace: 'everySignature: false',
    noticedBy: [{ file: 'packages/store/src/recovery/repair.test.ts' }],
  },
  {
    fault: 'followers never compare what they read before',
    file: FOLLOW,
    find: 'let confirmAt = 0;',
    replace: 'let confirmAt = Number.POSITIVE_INFINITY;',
    noticedBy: [{ file: FOLLOW_TEST }],
  },
  {
    fault: 'followers compare what they read once, and not hourly',
    file: FOLLOW,
    find: '+ confirmEveryMs;',
    replace: '+ Number.POSITIVE_INFINITY;',
    noticedBy: [{ file: FOLLOW_TEST }],
  },
  {
    fault: 'followers do not compare after an outage what they read before it',
    file: FOLLOW,
    find: '      confirmAt = 0;\n',
    replace: '',
    noticedBy: [{ file: FOLLOW_TEST }],
  },
  {
    fault: "followers' pauses do not grow in an outage",
    file: FOLLOW,
    find: ' * 2 ** failures',
    replace: '',
    noticedBy: [{ file: FOLLOW_TEST }],
  },
  {
    fault: "followers' pauses do not begin again after an outage",
    file: FOLLOW,
    find: '      failures = 0;\n',
    replace: '',
    noticedBy: [{ file: FOLLOW_TEST }],
  },
  {
    fault: "followers' pauses have no jitter",
    file: FOLLOW,
    find: 'ms * (0.9 + Math.random() / 5)',
    replace: 'ms',
    noticedBy: [{ file: FOLLOW_TEST }],
  },
  {
    fault: "followers' pauses have no floor",
    file: FOLLOW,
    find: 'Math.max(intervalMs, floorMs)',
    replace: 'intervalMs',
    noticedBy: [{ file: FOLLOW_TEST }],
  },
  {
    fault: "followers' pauses have no ceiling",
    file: FOLLOW,
    find: 'Math.min(Math.max(intervalMs, floorMs), ceilingMs)',
    replace: 'Math.max(intervalMs, floorMs)',
    noticedBy: [{ file: FOLLOW_TEST }],
  },
  {
    fault: 'followers do not see that the store was written',
    file: FOLLOW,
    find: 'bus.whenWritten(version, { withinMs: jittered(interval), signal })',
    replace: 'sleep(jittered(interval), signal)',
    noticedBy: [{ file: FOLLOW_TEST }],
  },
  {
    fault: 'a SQLite bus does not show that another connection wrote',
    file: 'packages/store/src/adapters/sqlite/sqlite.ts',
    find: 'isClosed ? 0 : file.version()',
    replace: 'isClosed ? 0 : 1',
    noticedBy: [
      { file: 'packages/store/src/adapters/sqlite/sqlite.test.ts', only: "another connection's write is seen" },
    ],
  },
  {
    fault: 'what another process wrote last is taken for the newest without a read',
    file: TRANSACT,
    find: 'written.get(view) === view.checkpoint.position',
    replace: 'written.has(view)',
    noticedBy: [{ file: TRANSACT_TEST }],
  },
  {
    fault: 'decisions share a commit only where they are made at the same instant',
    file: TRANSACT,
    find: 'await setImmediate();',
    replace: 'await Promise.resolve();',
    noticedBy: [{ file: TRANSACT_TEST }],
  },
  {
    fault: 'a manager does not compare what it read before at its first look',
    file: TRANSACT,
    find: '!confirmed.has(view);',
    replace: 'false;',
    noticedBy: [{ file: TRANSACT_TEST }],
  },
  {
    fault: 'a manager does not compare what it read before after a conflict with nothing',
    file: TRANSACT,
    find: 'if (!error.found) confirmed.delete(view);',
    replace: '',
    noticedBy: [{ file: TRANSACT_TEST }],
  },
  {
    fault: 'a commit in SQLite is acknowledged before it is flushed',
    file: CONNECTION,
    find: 'synchronous = FULL',
    replace: 'synchronous = OFF',
    noticedBy: [{ file: DURABILITY }],
  },
  {
    fault: 'a commit in SQLite is flushed with the next checkpoint',
    file: CONNECTION,
    find: "'PRAGMA synchronous = FULL'",
    replace: "'PRAGMA synchronous = NORMAL'",
    noticedBy: [{ file: DURABILITY }],
  },
  {
    fault: 'an append that was only throttled is said to be written, perhaps',
    file: 'packages/store/src/adapters/dynamodb/append.ts',
    find: '!isFinal(outcome) && !isRefusedForNow(outcome)',
    replace: '!isFinal(outcome)',
    noticedBy: [{ file: 'packages/store/src/adapters/dynamodb/outages.int.test.ts', only: 'until it is given up' }],
  },
];
