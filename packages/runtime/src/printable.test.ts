/** Holds the two cleanings of text to one set of characters: `@certbus/acme` imports no other package of CertBus. */
import { textOf } from '@certbus/acme/solver-kit';
import { clean, cleanLine } from '@certbus/events';
import { expect, test } from 'vitest';

const ALL = Array.from({ length: 0x11_0000 }, (_, code) => String.fromCodePoint(code));

test("texts of a CA and texts of the bus lose the same characters, of all of Unicode's", () => {
  const differ = ALL.filter(
    (character) => (textOf(character, 10) === character) !== (cleanLine(character) === character),
  );
  expect(differ.map((character) => character.codePointAt(0)?.toString(16))).toEqual([]);
});

test('what was cleaned has nothing left to clean, and a cut leaves no half of a character', () => {
  expect(ALL.filter((character) => clean(clean(character)) !== clean(character))).toEqual([]);
  expect(textOf('ab\u{1f512}', 3)).toBe('ab');
});
