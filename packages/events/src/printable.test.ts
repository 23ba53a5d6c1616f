import { expect, test } from 'vitest';
import { EventsError } from './errors.ts';
import { clean, cleanLine, printableJson } from './printable.ts';

/** Every code point, halves of surrogate pairs included. */
const ALL = Array.from({ length: 0x11_0000 }, (_, code) => String.fromCodePoint(code));
/** Bidi_Control of Unicode (PropList.txt), written out: the code under test asks for the property. */
const BIDI = [0x061c, 0x200e, 0x200f, 0x202a, 0x202b, 0x202c, 0x202d, 0x202e, 0x2066, 0x2067, 0x2068, 0x2069];

function isUnsafe(code: number): boolean {
  const isControl = code < 0x20 || (code >= 0x7f && code < 0xa0);
  const isSeparator = code === 0x2028 || code === 0x2029;
  const isHalf = code >= 0xd800 && code <= 0xdfff;
  return isControl || isSeparator || isHalf || BIDI.includes(code);
}

test('of all of Unicode, controls, separators, bidirectional controls and lone surrogates are replaced, and nothing else', () => {
  const wrong = ALL.filter((character, code) => cleanLine(character) !== (isUnsafe(code) ? '\ufffd' : character));
  expect(wrong.map((character) => character.codePointAt(0)?.toString(16))).toEqual([]);
});

test('text of several lines keeps its line breaks and tabs, and no carriage return', () => {
  const wrong = ALL.filter(
    (character) => character !== '\n' && character !== '\t' && clean(character) !== cleanLine(character),
  );
  expect(wrong).toEqual([]);
  expect(clean('one\n\ttwo\r\u2028three')).toBe('one\n\ttwo\ufffd\ufffdthree');
});

test('a pair of surrogates stays, and its halves do not', () => {
  expect(cleanLine('\u{1f512}')).toBe('\u{1f512}');
  expect(cleanLine('\udd12\ud83d')).toBe('\ufffd\ufffd');
});

test('the message of a refused commit is cleaned in the same way', () => {
  const { message } = new EventsError('CERTBUS_EVENTS_NAME_INVALID', 'a\u2028b\u2029c\u061cd\ud800\u0007e');
  expect(message).toBe('a\ufffdb\ufffdc\ufffdd\ufffd\ufffde');
});

test('JSON of any text has nothing that steers a terminal, and is read back as it was', () => {
  // A lone half is written as an escape by JSON itself.
  const texts = ALL.map((character) => `a${character}b`);
  const json = printableJson(texts, 2);
  expect(clean(json)).toBe(json);
  expect(JSON.parse(json)).toEqual(texts);
});
