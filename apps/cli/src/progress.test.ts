/** Tests of the lines that a command prints while it works. */
import type { Progress } from '@certbus/manager';
import { expect, test } from 'vitest';
import { progressPrinter } from './progress.ts';

test('what is waited for is one line when it changes, with its end', () => {
  const lines: string[] = [];
  const print = progressPrinter((line) => lines.push(line));
  const until = new Date('2026-11-29T02:00:00Z');
  const step = (message: string): Progress => ({
    step: 'pending',
    certificateId: 'c1',
    names: ['a.test'],
    message,
    until,
  });
  for (const message of [
    'a.test has no address in DNS',
    'a.test has no address in DNS',
    'a.test answers with HTTP 404',
  ])
    print(step(message));
  expect(lines).toEqual([
    'still waiting: a.test has no address in DNS; until 2026-11-29T02:00:00.000Z at most',
    'still waiting: a.test answers with HTTP 404; until 2026-11-29T02:00:00.000Z at most',
  ]);
});
