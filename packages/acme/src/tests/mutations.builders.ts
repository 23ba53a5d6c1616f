/** Hostile variations of JSON and text, the same for the same seed. */

/** Numbers that look random and are the same for the same seed. */
export interface Dice {
  /** A whole number below `limit`. */
  below(limit: number): number;
  pick<T>(values: readonly T[]): T;
}

/** Creates dice (mulberry32). */
export function createDice(seed: number): Dice {
  let state = seed >>> 0;
  const below = (limit: number) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), bits | 61)) ^ bits;
    return Math.floor((((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296) * limit);
  };
  return { below, pick: (values) => values[below(values.length)] as (typeof values)[number] };
}

const LONG = 'x'.repeat(5000);
const DEEP = JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`);
const WIDE = Array.from({ length: 2000 }, (_, index) => `https://ca.test/${index}`);

/** Values that a careless reader stumbles over. */
const NASTY: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  2 ** 53,
  '',
  ' ',
  '\u0000',
  '\u202e\u001b[31m',
  LONG,
  `${'a-'.repeat(2000)}.`,
  [],
  {},
  [[]],
  DEEP,
  WIDE,
  'pending',
  'valid',
  'https://evil.test/x',
  'https://ca.test.evil.test/x',
  'https://ca.test@evil.test/x',
  'https://ca.test:8443/x',
  'http://ca.test/x',
  '//evil.test/x',
  '\\\\evil.test\\x',
  '/relative',
  'javascript:alert(1)',
  'file:///etc/passwd',
  'data:,x',
  'http://127.0.0.1:1/x',
  'http://[::1]:1/x',
  '../../etc/passwd',
  '2026-13-45T99:99:99Z',
  '0000-01-01T00:00:00Z',
  '+275760-09-13T00:00:00.000Z',
  { __proto__: null, toString: 1 },
  JSON.parse('{"__proto__":{"polluted":true},"constructor":1,"length":1e9}'),
  { type: 'urn:ietf:params:acme:error:badNonce' },
];

function isContainer(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

/** The value with one thing in it changed: replaced, removed, doubled, or put where it does not belong. */
function changed(value: unknown, dice: Dice, depth = 0): unknown {
  if (!isContainer(value) || depth > 6 || dice.below(6) === 0) return dice.pick(NASTY);
  const keys = Object.keys(value);
  if (keys.length === 0) return dice.pick(NASTY);
  const key = dice.pick(keys);
  const copy: Record<string, unknown> = (Array.isArray(value) ? [...value] : { ...value }) as Record<string, unknown>;
  const how = dice.below(10);
  if (how === 0) delete copy[key];
  else if (how === 1) copy[dice.pick([...keys, 'extra'])] = value[key];
  else copy[key] = changed(value[key], dice, depth + 1);
  return copy;
}

/** A JSON value with up to four changes. */
export function mutateValue(value: unknown, dice: Dice): unknown {
  let result = value;
  for (let count = 1 + dice.below(4); count > 0; count -= 1) result = changed(result, dice);
  return result;
}

const FRAGMENTS = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ',',
  ':',
  '\n',
  '\r\n',
  '\u0000',
  'é',
  '<',
  '>',
  ';',
  '=',
  '%',
  '-',
  '9'.repeat(400),
];

/** A text with up to four places cut, overwritten, doubled or filled. */
export function mutateText(text: string, dice: Dice): string {
  let result = text;
  for (let count = 1 + dice.below(4); count > 0; count -= 1) {
    const at = dice.below(result.length + 1);
    const length = dice.below(20);
    const fill = dice.pick([dice.pick(FRAGMENTS), '', result.slice(at, at + length), result.slice(0, length)]);
    result = (result.slice(0, at) + fill + result.slice(at + dice.below(length + 1))).slice(0, 100_000);
  }
  return result;
}
