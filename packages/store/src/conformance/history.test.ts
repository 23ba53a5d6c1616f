import { describe, expect, test } from 'vitest';
import { createMemoryLog } from '../adapters/memory.ts';
import {
  type AppendOperation,
  type AppendOutcome,
  checkHistory,
  type Operation,
  type ReadOperation,
  type ViolationKind,
} from './history.ts';
import { createRecorder } from './recorder.ts';

const at = (position: number): AppendOutcome => ({ kind: 'acknowledged', position });
const conflict: AppendOutcome = { kind: 'conflict' };
const refused: AppendOutcome = { kind: 'refused' };
const unknown: AppendOutcome = { kind: 'unknown' };

/** An append that took the time from `began` to `ended`. */
function append(
  text: string,
  after: number,
  outcome: AppendOutcome,
  [began, ended]: [number, number],
): AppendOperation {
  return { kind: 'append', text, after, outcome, began, ended };
}

/** A read that saw `texts` from `first` on. */
function read(
  first: number,
  texts: readonly string[],
  [began, ended]: [number, number],
  changes: Partial<ReadOperation> = {},
): ReadOperation {
  const seen = texts.map((text, index) => ({ position: first + index, text }));
  return { kind: 'read', consistent: true, after: first - 1, seen, end: true, began, ended, ...changes };
}

/** Three appends, one after the other. */
const log = ['a', 'b', 'c'];
const three = log.map((text, after) => append(text, after, at(after + 1), [10 * after + 1, 10 * after + 5]));
const kindsOf = (operations: readonly Operation[], found: readonly string[] = log): ViolationKind[] =>
  checkHistory(operations, found).map(({ kind }) => kind);

describe('a sound history', () => {
  test.each<[string, readonly Operation[], (readonly string[])?]>([
    ['of nothing', [], []],
    ['of three appends', three],
    ['of a conflict with what is there', [...three, append('x', 1, conflict, [12, 30])]],
    ['of a conflict beyond the head', [...three, append('x', 7, conflict, [12, 30])]],
    ['of a conflict that may have been beyond the head then', [...three, append('x', 2, conflict, [12, 14])]],
    ['of an append refused unseen, whose bytes are there', [...three, append('b', 1, refused, [40, 41])]],
    ['of an unknown outcome that was written', [append('a', 0, unknown, [1, 2])], ['a']],
    ['of an unknown outcome that was not', [append('a', 0, unknown, [1, 2])], []],
    ['of the same bytes twice at a position', [...three, append('b', 1, at(2), [40, 45])]],
    ['of an unknown try and its repetition', [append('a', 0, unknown, [1, 2]), append('a', 0, at(1), [8, 9])], ['a']],
    ['of one text at two positions, for it was refused first', [...three, append('c', 1, conflict, [11, 19])]],
    ['of a racing read that saw less', [...three, read(1, ['a'], [12, 30])]],
    ['of a racing read that saw more', [...three, read(1, ['a', 'b'], [12, 13])]],
    ['of an eventual read that missed everything', [...three, read(1, [], [40, 41], { consistent: false })]],
    [
      'of an eventual read that showed 3 and not 2',
      [...three, read(3, ['c'], [40, 41], { after: 1, consistent: false })],
    ],
    ['of a page that was not the end', [...three, read(1, ['a'], [40, 41], { end: false })]],
    ['of a read beyond the head', [...three, read(100, [], [40, 41])]],
    ['of a late answer', [append('a', 0, at(1), [1, 90]), append('b', 1, at(2), [5, 6])], ['a', 'b']],
  ])('%s is passed', (_, operations, found = log) => {
    expect(checkHistory(operations, found)).toEqual([]);
  });
});

describe('a history', () => {
  test.each<[string, ViolationKind[], readonly Operation[], (readonly string[])?]>([
    [
      'with two acknowledged at one position',
      ['two-acknowledged', 'acknowledged-but-lost'],
      [...three, append('x', 1, at(2), [11, 19])],
    ],
    ['that lost the last acknowledged', ['acknowledged-but-lost'], three, ['a', 'b']],
    [
      'whose acknowledged commit was overwritten',
      ['acknowledged-but-lost', 'unexplained'],
      three,
      ['a', 'somebody else', 'c'],
    ],
    [
      'that acknowledged elsewhere than asked',
      ['acknowledged-elsewhere'],
      [append('a', 0, at(1), [1, 2]), append('b', 7, at(2), [3, 4])],
      ['a', 'b'],
    ],
    ['whose conflict is in the log', ['failed-but-present'], [append('a', 0, conflict, [1, 2])], ['a']],
    ['whose refused append is in the log', ['failed-but-present'], [append('a', 0, refused, [1, 2])], ['a']],
    [
      'that told of a conflict of an append with itself',
      ['failed-but-present'],
      [append('a', 0, unknown, [1, 2]), append('a', 0, conflict, [3, 4])],
      ['a'],
    ],
    ['that refused what it had acknowledged', ['failed-but-present'], [...three, append('b', 1, conflict, [40, 41])]],
    [
      'that told of a conflict where the next position was free',
      ['groundless-conflict'],
      [...three, append('x', 3, conflict, [40, 41])],
    ],
    [
      'that told of a conflict with what began only later',
      ['groundless-conflict'],
      [...three, append('x', 1, conflict, [7, 9])],
    ],
    ['that told of a conflict on an empty stream', ['groundless-conflict'], [append('x', 0, conflict, [1, 2])], []],
    ['with a commit that was written twice', ['unexplained'], three, [...log, 'c']],
    [
      'whose append began after a later position was acknowledged',
      ['out-of-order'],
      [append('b', 1, at(2), [1, 2]), append('a', 0, at(1), [3, 4])],
      ['a', 'b'],
    ],
    [
      'whose append began after a later position was seen',
      ['out-of-order'],
      [append('b', 1, unknown, [1, 2]), read(2, ['b'], [2, 3], { consistent: false }), append('a', 0, at(1), [4, 5])],
      ['a', 'b'],
    ],
    ['whose consistent read missed the newest', ['stale-read'], [...three, read(1, ['a', 'b'], [40, 41])]],
    ['whose consistent read was empty', ['stale-read'], [...three, read(1, [], [40, 41])]],
    [
      'whose consistent read missed what another read had shown',
      ['stale-read'],
      [append('a', 0, unknown, [1, 90]), read(1, ['a'], [2, 3]), read(1, [], [4, 5])],
      ['a'],
    ],
    ['whose read showed other bytes', ['foreign-read'], [...three, read(1, ['a', 'B', 'c'], [40, 41])]],
    ['whose read showed what is not there', ['foreign-read'], [...three, read(1, [...log, 'd'], [40, 41])]],
    ['whose consistent read began too late', ['page-gap'], [...three, read(3, ['c'], [40, 41], { after: 1 })]],
    [
      'whose consistent read has a hole',
      ['page-gap'],
      [
        ...three,
        read(1, [], [40, 41], { seen: [1, 3].map((position) => ({ position, text: log[position - 1] ?? '' })) }),
      ],
    ],
    [
      'whose read has a commit twice',
      ['page-disorder'],
      [
        ...three,
        read(1, [], [40, 41], { seen: [1, 2, 2, 3].map((position) => ({ position, text: log[position - 1] ?? '' })) }),
      ],
    ],
    [
      'whose eventual read is in the wrong order',
      ['page-disorder'],
      [
        ...three,
        read(1, [], [40, 41], {
          consistent: false,
          seen: [2, 1].map((position) => ({ position, text: log[position - 1] ?? '' })),
        }),
      ],
    ],
    [
      'whose read repeats what the reader had',
      ['page-disorder'],
      [...three, read(2, ['b', 'c'], [40, 41], { after: 2 })],
    ],
    [
      'whose page is empty and not the end',
      ['page-without-progress'],
      [...three, read(1, [], [40, 41], { end: false })],
    ],
  ])('%s is refused', (_, kinds, operations, found = log) => {
    expect(kindsOf(operations, found)).toEqual(kinds);
  });

  test('with several faults is told of all of them', () => {
    const operations = [...three, append('x', 3, conflict, [40, 41]), read(1, ['a'], [42, 43])];
    expect(kindsOf(operations)).toEqual(['groundless-conflict', 'stale-read']);
  });
});

/** A long sound history: each commit is followed by a read of the last three. */
function longHistory(commits: number): { operations: Operation[]; log: string[] } {
  const texts = Array.from({ length: commits }, (_, index) => `commit ${index + 1}`);
  const operations = texts.flatMap((text, after): Operation[] => {
    const first = Math.max(1, after - 1);
    const began = 10 * after;
    return [
      append(text, after, at(after + 1), [began, began + 1]),
      read(first, texts.slice(first - 1, after + 1), [began + 2, began + 3]),
    ];
  });
  return { operations, log: texts };
}

test('100,000 operations are judged, and one fault among them is found', () => {
  const { operations, log: texts } = longHistory(50_000);
  expect(operations).toHaveLength(100_000);
  expect(checkHistory(operations, texts)).toEqual([]);
  const late = append('never', 41_000, conflict, [0, 1]);
  const early = append('never', 41_000, refused, [0, 1]);
  const stale = read(49_999, ['commit 49999'], [900_000, 900_001]);
  expect(kindsOf([late, early, stale, ...operations], texts)).toEqual(['stale-read']);
});

test('what a recorder wrote of a log is what happened to it', async () => {
  const recorder = createRecorder('s');
  const own = createMemoryLog();
  const watched = recorder.watch(own);
  await watched.append('s', 0, Buffer.from('a'));
  await expect(watched.append('s', 0, Buffer.from('b'))).rejects.toMatchObject({
    code: 'CERTBUS_STORE_VERSION_CONFLICT',
  });
  await expect(watched.append('s', 1, Buffer.from('c'), { signal: AbortSignal.abort() })).rejects.toThrow();
  await watched.append('another stream', 0, Buffer.from('d'));
  await watched.read('s', 0, { consistent: true });
  expect(recorder.operations).toEqual([
    append('a', 0, at(1), [1, 2]),
    append('b', 0, conflict, [3, 4]),
    append('c', 1, refused, [5, 6]),
    read(1, ['a'], [7, 8]),
  ]);
  expect(checkHistory(recorder.operations, ['a'])).toEqual([]);
});

test('an append that never settles may have been written', () => {
  const recorder = createRecorder('s');
  const silent = { ...createMemoryLog(), append: () => new Promise<never>(() => {}) };
  void recorder.watch(silent).append('s', 0, Buffer.from('a'));
  expect(checkHistory(recorder.operations, ['a'])).toEqual([]);
  expect(checkHistory(recorder.operations, [])).toEqual([]);
});
