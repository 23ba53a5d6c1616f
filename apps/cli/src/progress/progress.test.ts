/** Tests of what is shown of issuances while they are under way: lines for pipes, rows for terminals. */
import type { Progress } from '@certbus/manager';
import { describe, expect, test } from 'vitest';
import { createDisplay } from './display.ts';
import { describeElapsed, rowsOf, type Tracked } from './steps.ts';

const BEGUN = Date.parse('2026-11-29T02:00:00Z');
const at = (seconds: number) => new Date(BEGUN + seconds * 1_000);
const until = at(60);

/** Steps of an issuance that waits, each a second after the one before. */
const STEPS: readonly Omit<Progress, 'certificateId' | 'names'>[] = [
  { step: 'waiting', holder: 'm1 process 7', until, takeOverAt: at(180) },
  { step: 'claimed' },
  { step: 'order', orderUrl: 'https://ca.test/order/1' },
  { step: 'answered', challengeType: 'dns-01' },
  { step: 'pending', message: 'a.test has no TXT record', until },
  { step: 'pending', message: 'a.test has no TXT record', until },
  { step: 'warning', message: 'the log says it' },
  { step: 'pending', message: 'a.test has another TXT record', until },
  { step: 'issued' },
  { step: 'recorded' },
];

function show(hasBoard: boolean) {
  let seconds = 0;
  const seen: unknown[] = [];
  const board = {
    show: (tracked: Tracked) => seen.push(rowsOf(tracked, at(seconds))),
    headline: (text: string) => seen.push(text),
    end: (certificateId: string, ending: string) => seen.push([certificateId, ending]),
    async close() {},
  };
  const display = createDisplay({
    board: hasBoard ? board : undefined,
    isShared: true,
    progress: (line) => seen.push(line),
    data: (line) => seen.push(`data: ${line}`),
    now: () => at(seconds),
  });
  return {
    display,
    seen,
    run() {
      for (const step of STEPS) {
        display.onProgress({ certificateId: 'c1', names: ['a.test', 'b.test'], ...step });
        seconds += 1;
      }
    },
  };
}

describe('progress', () => {
  test('is one line a step in a pipe, with what is waited for, its end and the elapsed time', async () => {
    const { display, seen, run } = show(false);
    run();
    display.data('c1');
    await display.close();
    const end = '2026-11-29T02:01:00.000Z';
    expect(seen).toEqual(
      [
        `m1 process 7 claims it until ${end}; taken over at 2026-11-29T02:03:00.000Z, or at once with --take-over (0 s)`,
        'claimed (1 s)',
        'the CA has the order https://ca.test/order/1 (2 s)',
        'waits until its answers can be seen (dns-01) (3 s)',
        `still waiting: a.test has no TXT record; until ${end} at most (4 s)`,
        `still waiting: a.test has another TXT record; until ${end} at most (7 s)`,
        'the CA issued the certificate (8 s)',
        'the certificate is on the bus (9 s)',
      ]
        .map((line) => `a.test, b.test: ${line}`)
        .concat('data: c1'),
    );
  });

  test('is rows on a terminal, where data waits until they are gone', async () => {
    const { display, seen, run } = show(true);
    display.data('c1');
    run();
    await display.close();
    expect(seen).toContainEqual([
      'a.test, b.test: waits until its answers can be seen (dns-01) (4 s)',
      'last look: a.test has no TXT record',
      'given up at 02:01:00 UTC, in 56 s',
    ]);
    expect(seen.slice(-2)).toEqual([['c1', 'done'], 'data: c1']);
  });

  test('what fails makes room, and its reason is left to the command', () => {
    const { display, seen } = show(true);
    const issuance = { certificateId: 'c1', names: ['a.test'] };
    for (const step of ['claimed', 'ended'] as const) display.onProgress({ ...issuance, step });
    expect(seen).toEqual([['a.test: claimed (0 s)'], ['c1', 'failed']]);
  });

  test.each([
    [0, '0 s'],
    [59_999, '59 s'],
    [125_000, '2 min 05 s'],
    [3_720_000, '1 h 02 min'],
    [-5, '0 s'],
  ])('%i ms are read as %s', (ms, text) => {
    expect(describeElapsed(ms)).toBe(text);
  });
});
