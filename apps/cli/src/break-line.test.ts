/** How lines are broken on a terminal: between words, below their label, and so that a command line can be copied. */
import { spawnSync } from 'node:child_process';
import stringWidth from 'string-width';
import { expect, test } from 'vitest';
import { breakLines, columnsOf } from './break-line.ts';

const broken = (text: string, window: number, indent?: number) => breakLines(text, { window, indent }).split('\n');

test.each([
  ['what fits stays', 'status  valid', 40, ['status  valid']],
  [
    'what follows a label is below it',
    'status         due: it was never issued',
    30,
    ['status         due: it was', '               never issued'],
  ],
  [
    'a sentence begins at the margin',
    'this list is in force since position 12',
    20,
    ['this list is in', 'force since position', '12'],
  ],
  [
    'spaces at the beginning are kept',
    '  pub   copy it to every machine',
    20,
    ['  pub   copy it to', '        every', '        machine'],
  ],
  [
    'a word that is longer than a line stays whole',
    'see https://ca.test/a/long/address now',
    12,
    ['see', 'https://ca.test/a/long/address', 'now'],
  ],
  ['several lines are each broken', 'one two\nthree four', 5, ['one', 'two', 'three', 'four']],
] as const)('%s', (_, text, window, expected) => {
  expect(broken(text, window)).toEqual(expected);
});

test('a fingerprint is broken in its middle, and not where it fits', () => {
  const half = Array.from({ length: 16 }, () => 'AB').join(':');
  const line = `SHA-256        ${half}:${half}`;
  expect(broken(line, 80)).toEqual([`SHA-256        ${half}:`, `               ${half}`]);
  expect(broken(line, 160)).toEqual([line]);
});

test('lines go on where it is said, but at half of the window at most', () => {
  expect(broken('failed  bus  it does not exist', 20, 13)).toEqual(['failed  bus  it does', '          not exist']);
});

test('without a window text is as it is', () => {
  expect(breakLines('one two', { window: undefined })).toBe('one two');
});

test('a command line is the same to a shell where it is broken', () => {
  const line =
    "  certbus init --yes --bus 'dynamodb://t/s?region=eu-west-1' --name 'it'\\''s one' --zone '*' --agree-tos";
  const lines = broken(line, 40);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(40);
  const wordsOf = (text: string) =>
    spawnSync('sh', ['-c', `certbus() { printf '%s\n' "$@"; }; ${text}`], { encoding: 'utf8' }).stdout;
  expect(wordsOf(lines.join('\n'))).toBe(wordsOf(line));
  expect(wordsOf(line).split('\n')).toContain("it's one");
});

test.each([undefined, 0])('without a width (%s) lines stay as they are', (window) => {
  const text = 'status         due: it was never issued\na second line';
  expect(breakLines(text, { window })).toBe(text);
});

test('a line of wide characters is broken where its columns end', () => {
  const text = '証明書 は 有効 です 次回 は 来月';
  for (const line of broken(text, 12)) expect(stringWidth(line)).toBeLessThanOrEqual(12);
  expect(broken(text, 12).join(' ')).toBe(text);
});

test.each([
  'shop.example.com',
  '日本語.example, 中国.example',
  '한국.example',
  'ひらがなカタカナ',
  'bücher.example, b\u0075\u0308cher.example',
  'भारत.example',
  'مثال.example',
  '（全角）！，。「」',
  'rocket 🚀 and ✅',
  'soft\u00ADhyphen\u200B and Ⅷ – “quoted” … →',
])('%s has as many columns as the tables of Unicode say', (text) => {
  expect(columnsOf(text)).toBe(stringWidth(text));
});
