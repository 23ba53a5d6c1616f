import { expect, test } from 'vitest';
import { createMissingLog } from './missing-log.ts';

test('a scanner gets ten lines and a count of what was left out, and later names are logged again', () => {
  const lines: string[] = [];
  const missing = createMissingLog((line) => lines.push(line));
  for (let handshake = 0; handshake < 100_000; handshake += 1) missing.note(`${handshake}.test`);
  expect(lines).toHaveLength(10);
  missing.flush();
  expect(lines.at(-1)).toBe('no certificate for 99990 more handshakes, which are not logged one by one');
  missing.note('a.test');
  missing.flush();
  expect(lines.slice(11)).toEqual(['no certificate for "a.test"']);
});
