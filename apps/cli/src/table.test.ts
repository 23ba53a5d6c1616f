/** Tables for people and for programs. */
import { expect, test } from 'vitest';
import { formatTable } from './table.ts';

const HEADER = ['id', 'status', 'names'];
const ROWS = [
  ['c1', 'failing: no TXT record was found at the name servers', 'shop.example.com, www.shop.example.com'],
  ['c2', 'valid', '日本語.test'],
];

test('a table is cut to the window, the widest columns first, and wide letters count twice', async () => {
  const table = await formatTable(HEADER, ROWS, { isTerminal: true, window: 60 });
  expect(table.split('\n')).toEqual([
    'id  status                       names',
    'c1  failing: no TXT record was…  shop.example.com, www.shop…',
    'c2  valid                        日本語.test',
  ]);
});

test('without a window it is whole; piped it is tab-separated, whole, and without a header', async () => {
  expect(await formatTable(HEADER, ROWS, { isTerminal: true })).toContain('at the name servers  shop');
  const text = await formatTable(HEADER, [['a\tb', 'c\nd', 'e']], { isTerminal: false, window: 10 });
  expect(text).toBe('a b\tc d\te');
});

test('as many rows as a bus has certificates are laid out, under one header', async () => {
  const rows = Array.from({ length: 130_000 }, (_, n) => [n === 129_999 ? 'the widest' : 'any', 'x']);
  const lines = (await formatTable(['NAME', 'LAST'], rows, { isTerminal: true, window: 80 })).split('\n');
  expect(lines).toHaveLength(1 + rows.length);
  expect(lines[0]).toMatch(/^NAME {8}LAST$/);
  expect(new Set(lines.slice(1, -1))).toEqual(new Set(['any         x']));
  expect(lines.at(-1)).toBe('the widest  x');
});
