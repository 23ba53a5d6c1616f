/** Tests of the trust file: its two lines, in their one form. */
import { expect, test } from 'vitest';
import { createRootKey, parseRootKey } from './keys.ts';
import { createBusId, formatTrust, parseTrust } from './trust.ts';

const busId = createBusId();
const { publicKey: rootKey } = parseRootKey(createRootKey());
const hash = createBusId();
const floor = { position: 41_200, hash, rootSequence: 7 };
const FIRST = `certbus1 ${busId} ${rootKey}`;
const SECOND = `since 41200 ${hash} 7`;

test('the floor comes back, and is left out where there is none', () => {
  expect(formatTrust({ busId, rootKey, floor })).toBe(`${FIRST}\n${SECOND}`);
  expect(parseTrust(`${FIRST}\n${SECOND}\n`)).toEqual({ busId, rootKey, floor });
  expect(parseTrust(FIRST)).toEqual({ busId, rootKey });
});

test.each([
  ['line ends of Windows', `${FIRST}\r\n${SECOND}\r\n`],
  ['a byte order mark', `\ufeff${FIRST}\n${SECOND}\n`],
  ['both', `\ufeff${FIRST}\r\n${SECOND}\r\n`],
  ['\\n in two characters, as an environment file has it', `${FIRST}\\n${SECOND}\\n`],
  ['spaces around', ` ${FIRST} \n ${SECOND} \n\n`],
])('%s are accepted', (_, text) => {
  expect(parseTrust(text)).toEqual({ busId, rootKey, floor });
});

test.each([
  ['a position with a zero in front', SECOND.replace('41200', '041200')],
  ['a position with a sign', SECOND.replace('41200', '+41200')],
  ['position 0', SECOND.replace('41200', '0')],
  ['a position that is not a whole number', SECOND.replace('41200', '4.12e4')],
  ['a position beyond what a number holds', SECOND.replace('41200', '9007199254740993')],
  ['a hash in another encoding', SECOND.replace(hash, `${hash.slice(0, -1)}${hash.endsWith('A') ? 'B' : 'z'}`)],
  ['a short hash', SECOND.replace(hash, hash.slice(1))],
  ['no sequence', `since 41200 ${hash}`],
  ['a sequence with a zero in front', `since 41200 ${hash} 07`],
  ['a negative sequence', `since 41200 ${hash} -7`],
  ['something behind', `${SECOND} more`],
  ['two spaces', SECOND.replace('since ', 'since  ')],
  ['another word', SECOND.replace('since', 'Since')],
  ['a blank line between', `\n${SECOND}`],
])('a second line with %s is refused, and named', (_, line) => {
  expect(() => parseTrust(`${FIRST}\n${line}\n`)).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_EVENTS_TRUST_MALFORMED',
      message: expect.stringMatching(/since POSITION HASH ROOTSEQUENCE|has 3/),
    }),
  );
});

test('a floor alone, two of them, and the lines in another order are refused', () => {
  for (const text of [SECOND, `${SECOND}\n${FIRST}`]) expect(() => parseTrust(text)).toThrow(/Line 1 .*BUSID ROOTKEY/);
  expect(() => parseTrust(`${FIRST}\n${SECOND}\n${SECOND}`)).toThrow('two lines at most; this one has 3');
});
