/** Values that fit a kind of docs/format.md, and values that do not. */

/** Values of one kind. */
export interface Samples {
  readonly good: readonly unknown[];
  readonly bad: readonly unknown[];
}

const hash = 'A'.repeat(43);
const instant = '2026-11-24T03:00:00Z';
/** What is not a string. */
const NO_STRING = [null, 7, true, [], {}];
/** What is not a number. */
const NO_NUMBER = [null, '1', true, [1], {}];
const text = (least: number, most: number): Samples => ({
  good: ['a'.repeat(least), 'a'.repeat(most), '\u{1f512}'.repeat(Math.floor(most / 2)), '\u0000\u202e'],
  bad: [...NO_STRING, 'a'.repeat(most + 1), `\u{1f512}${'a'.repeat(most - 1)}`, ...(least > 0 ? [''] : [])],
});

/** The kinds of the page's first table. One that is new there needs its samples here. */
export const SAMPLES: Readonly<Record<string, Samples>> = {
  hash: {
    good: [hash, `${'-_'.repeat(21)}A`],
    bad: [
      ...NO_STRING,
      '',
      hash.slice(1),
      `${hash}A`,
      `${hash}=`,
      `${hash}\n`,
      `${hash.slice(1)}B`,
      `${hash.slice(1)}+`,
    ],
  },
  base64: {
    good: ['', 'AAAA', 'AAA=', 'AA==', '+/+/'],
    bad: [...NO_STRING, 'A', 'AA', 'AAA', 'AA=', 'AB==', 'AAB=', 'AA==AAAA', '====', '-_-_', 'AAAA\n', ' AAAA', 'AA A'],
  },
  count: { good: [1, 2 ** 53 - 1], bad: [...NO_NUMBER, 0, -1, 1.5, 2 ** 53, 1e300] },
  flag: { good: [true], bad: [null, false, 'true', 1, {}] },
  reason: { good: [0, 10], bad: [...NO_NUMBER, -1, 11, 1.5] },
  instant: {
    good: [
      instant,
      '2026-11-24T03:00:00.1Z',
      '2026-11-24T03:00:00.123456789Z',
      '2028-02-29T23:59:59Z',
      '2000-02-29T00:00:00Z',
      '0000-02-29T00:00:00Z',
      '9999-12-31T23:59:59.999999999Z',
    ],
    bad: [
      ...NO_STRING,
      '',
      `${instant}\n`,
      ` ${instant}`,
      '2026-11-24',
      '2026-11-24T03:00Z',
      '2026-11-24T03:00:00',
      '2026-11-24t03:00:00z',
      '2026-11-24 03:00:00Z',
      '2026-11-24T03:00:00.Z',
      '2026-11-24T03:00:00.1234567890Z',
      '2026-11-24T03:00:00+00:00',
      '2026-11-24T03:00:00+05',
      '+002026-11-24T03:00:00Z',
      '2026-11-24T24:00:00Z',
      '2026-11-24T03:60:00Z',
      '2026-12-31T23:59:60Z',
      '2026-13-01T03:00:00Z',
      '2026-00-01T03:00:00Z',
      '2026-11-00T03:00:00Z',
      '2026-11-31T03:00:00Z',
      '2027-02-29T03:00:00Z',
      '1900-02-29T03:00:00Z',
    ],
  },
  id: {
    good: ['abcdefgh', '_bcdefg-', '0'.repeat(32)],
    bad: [...NO_STRING, '', 'abcdefg', '-bcdefgh', 'a'.repeat(33), 'abcdefg\u00e9', 'abcdefgh\n', 'abcd.fgh'],
  },
  text: text(0, 4_096),
  name: text(1, 4_096),
  identifier: text(1, 255),
  names: {
    good: [['a'], Array(100).fill('a'), ['a'.repeat(255)], ['b', 'a', 'a']],
    bad: [...NO_STRING, 'a', [''], ['a'.repeat(256)], [7], [null], Array(101).fill('a')],
  },
  token: { good: ['a', '-_'.repeat(128)], bad: [...NO_STRING, '', 'a'.repeat(257), 'a.b', 'a=', 'a\n', '\u00e9'] },
  recipient: {
    good: [`age1${'q'.repeat(20)}`, `age1${'0'.repeat(4_000)}`],
    bad: [
      ...NO_STRING,
      '',
      `age1${'q'.repeat(19)}`,
      `age1${'q'.repeat(4_001)}`,
      `AGE1${'Q'.repeat(20)}`,
      `age1${'q'.repeat(20)}\n`,
    ],
  },
  serial: { good: ['0', 'F'.repeat(64)], bad: [...NO_STRING, '', '0a', '0G', '0x01', '0'.repeat(65), '01\n'] },
  hashes: {
    good: [[], Array(10).fill(hash)],
    bad: [null, 7, {}, hash, [''], [hash.slice(1)], [null], Array(11).fill(hash)],
  },
  objects: { good: [], bad: [...NO_STRING, 'a', [null], [7], [[]], ['a'], [{}]] },
};

/** Values of one kind, and of "one of" these. */
export function samplesOf({ kind, values }: { readonly kind: string; readonly values: readonly string[] }): Samples {
  if (kind === 'one of') {
    const [first = ''] = values;
    const foreign = [
      '',
      `${first} `,
      `${first}\n`,
      first === first.toUpperCase() ? first.toLowerCase() : first.toUpperCase(),
    ];
    return { good: values, bad: [...NO_STRING, ...foreign] };
  }
  const samples = SAMPLES[kind];
  if (!samples)
    throw new Error(`docs/format.md has a value of the kind "${kind}": give it samples in samples.builders.ts`);
  return samples;
}
