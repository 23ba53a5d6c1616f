/** Tests that what is wrong with a text is said by its place, exactly where `JSON.parse` refuses it, and without any of it. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { jsonFaultOf } from './json-fault.ts';

test.each([
  ['', 'line 1, column 1: it ends too early'],
  [
    '{\n  "bus": "sqlite:./bus.db",\n}',
    'line 3, column 1: a name in double quotes is expected here: remove the comma before it',
  ],
  ['{\r\n  "a": 1\r\n  "b": 2\r\n}', 'line 3, column 3: "," or "}" is expected here'],
  ['[1, 2,]', 'line 1, column 7: a value is expected here: remove the comma before it'],
  ['[1 2]', 'line 1, column 4: "," or "]" is expected here'],
  ["{'a': 1}", 'line 1, column 2: a name in double quotes or "}" is expected here'],
  ['{"a" 1}', 'line 1, column 6: ":" is expected here'],
  ['{"a": yes}', 'line 1, column 7: a value is expected here'],
  ['[yes]', 'line 1, column 2: a value or "]" is expected here'],
  ['{"a": 1} // done', 'line 1, column 10: nothing more is expected here'],
  ['{"a": [1', 'line 1, column 9: it ends too early'],
  ['{"a": "b\n"}', 'line 1, column 7: this string has no end on its line, or a backslash that means nothing'],
  [
    String.raw`{"a": "C:\certs"}`,
    'line 1, column 7: this string has no end on its line, or a backslash that means nothing',
  ],
  ['{"a": 1,\n "b": {"a": 2}, "\\u0061": 3}', 'line 2, column 17: this name is in its object twice'],
])('%j: %s', (text, fault) => {
  expect(jsonFaultOf(text)).toBe(fault);
});

const SECRET = 'hunter2-and-more-of-it';

test.each([
  `{"dns": [{"token": ${SECRET}, "zones": []}]}`,
  `${SECRET}`,
  `{"a": '${SECRET}'}`,
  `{"a": ${SECRET}`,
  `{"a": "${SECRET}\n"}`,
  `{"a": "${SECRET}" "b": 1}`,
  `{"${SECRET}": 1, "${SECRET}": 2}`,
  `"${SECRET}" is not valid JSON`,
])('what is wrong with %s is said without any of it', (text) => {
  expect(jsonFaultOf(text)).toMatch(/^line 1, column \d+: /);
  expect(jsonFaultOf(text)).not.toMatch(/hunt|unter|and-more/);
});

const parses = (text: string): boolean => {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
};

test('a text has a fault exactly where the engine refuses it', () => {
  const piece = fc.constantFrom(
    ...[
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"',
      '"a"',
      '"b"',
      '\\',
      '\\u00e9',
      '\\n',
      ' ',
      '\n',
      '\t',
      '\u00a0',
      '\u0000',
      '\ufeff',
    ],
    ...['0', '1', '-', '.5', 'e+', 'true', 'nul', 'null', '/', 'é', '\ud800'],
  );
  const soup = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  const changed = fc
    .tuple(fc.json(), fc.nat(), fc.nat({ max: 2 }), soup)
    .map(
      ([json, at, left, more]) =>
        json.slice(0, at % (json.length + 1)) + more + json.slice((at % (json.length + 1)) + left),
    );
  const isNamedTwice = (text: string) => jsonFaultOf(text)?.endsWith('is in its object twice');
  fc.assert(
    fc.property(fc.oneof(fc.json(), soup, changed), (text) => {
      fc.pre(!isNamedTwice(text));
      expect(jsonFaultOf(text) === undefined).toBe(parses(text));
    }),
    { numRuns: 500 },
  );
});

test('a text of megabytes is read in one go', () => {
  const text = JSON.stringify({ a: 'x"\\\n'.repeat(250_000), b: Array.from({ length: 20_000 }, (_, n) => n) });
  expect(jsonFaultOf(text)).toBeUndefined();
  expect(jsonFaultOf(`${text}}`)).toMatch(/: nothing more is expected here$/);
});
