import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EventsError } from '../errors.ts';
import { type EventType, parseEvent } from '../event-types/event-schema.ts';
import { sha256 } from '../hash.ts';
import { formatTrust, parseTrust } from '../trust.ts';
import { ACCEPTED } from './accepted.builders.ts';
import { beginDraft, type Draft, written } from './draft.builders.ts';
import { examplesOf } from './examples.builders.ts';
import { EVENT_TYPES, fieldsOf, PAGE, type Row, readPage, type SchemaField } from './page.builders.ts';
import { REFUSED } from './refused.builders.ts';
import { SAMPLES, samplesOf } from './samples.builders.ts';
import { type Finding, findingOf, makeVector, storedIn, type Vector } from './vector.builders.ts';
import { createWorld, type World } from './world.builders.ts';

const VECTORS = join(import.meta.dirname, '../../vectors');
const MAKE = 'run "node packages/events/vectors/make.ts"';
const page = readPage();
const PAGE_TEXT = readFileSync(PAGE, 'utf8');
const folder = mkdtempSync(join(tmpdir(), 'certbus-vectors-'));
const read = (file: string): Vector[] =>
  readFileSync(join(VECTORS, `${file}.jsonl`), 'utf8')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Vector]));
const accepted = read('accepted');
const refused = read('refused');
let world: World;

beforeAll(async () => {
  world = await createWorld();
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Unjudged = Pick<Vector, 'name' | 'trust' | 'commits'>;

/** What the independent verifier finds, in order, and whether each is what the vector expects. */
function independently(
  vectors: readonly Unjudged[],
): (Finding & { readonly name: string; readonly agrees: boolean })[] {
  const file = join(folder, 'vectors.jsonl');
  writeFileSync(file, vectors.map((vector) => `${JSON.stringify(vector)}\n`).join(''));
  const options = { encoding: 'utf8', maxBuffer: 200_000_000 } as const;
  const { stdout, stderr } = spawnSync(process.execPath, [join(VECTORS, 'verify.mjs'), file], options);
  expect(stderr).toBe('');
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

const disagreeing = (vectors: readonly Unjudged[]) => independently(vectors).filter(({ agrees }) => !agrees);

/** Names of the fields of an object and, behind `[].`, of the objects in its arrays. */
const namesIn = (value: object): string[] =>
  Object.entries(value).flatMap(([name, inner]) => {
    const items: unknown[] = Array.isArray(inner) ? inner : [];
    const below = items.flatMap((item) => (typeof item === 'object' && item !== null ? namesIn(item) : []));
    return [name, ...below.map((each) => `${name}[].${each}`)];
  });

const payloadOf = (bytes: string) =>
  JSON.parse(Buffer.from(bytes, 'base64').toString().split('\n', 1)[0] ?? '') as { readonly events: object[] };

/** Every event of a vector, out of its envelope, with its type. */
const eventsIn = ({ commits }: Vector): (object & { readonly type: string })[] =>
  commits.flatMap(({ bytes }) =>
    payloadOf(bytes).events.map((raw) => {
      const { body, rootSequence } = raw as { readonly body?: string; readonly rootSequence?: number };
      return body === undefined ? raw : { ...JSON.parse(body), rootSequence };
    }),
  );

describe('docs/format.md', () => {
  test('has a section for every type of event, and for no other', () => {
    expect(EVENT_TYPES.filter((type) => !page.has(type))).toEqual([]);
    const known = new Set<string>(EVENT_TYPES);
    const described = [...page.keys()].filter(
      (heading) => /^(?:[A-Z][a-z]+){2,}$/.test(heading) || heading === 'Heartbeat',
    );
    expect(described.filter((heading) => !known.has(heading))).toEqual([]);
  });

  test.each(EVENT_TYPES)('has every field of %s, and whether it is optional', (type) => {
    const shown = ({ field, isOptional }: SchemaField) => `${type}.${field}${isOptional ? ' (optional)' : ''}`;
    expect((page.get(type) ?? []).map(shown).sort()).toEqual(fieldsOf(type).map(shown).sort());
  });

  test('has every kind of value that a field can have, and none that no field has', () => {
    const kinds = [...PAGE_TEXT.matchAll(/^\| `([a-z0-9 ]+)` \|/gm)].map(([, kind]) => kind);
    const used = EVENT_TYPES.flatMap((type) => (page.get(type) ?? []).map(({ kind }) => kind));
    for (const kind of used) expect(kinds).toContain(kind);
    expect(Object.keys(SAMPLES).filter((kind) => !used.includes(kind))).toEqual([]);
  });

  test('has every reason for which a vector is refused, and none without a vector', () => {
    const reasons = new Set(refused.map(({ expect: found }) => found.verdict === 'refused' && found.reason));
    expect(new Set(PAGE_TEXT.match(/\bCERTBUS_EVENTS_[A-Z_]+/g))).toEqual(reasons);
  });

  test('has every field of a commit and of an envelope', () => {
    const draft = beginDraft(world);
    const payload = payloadOf(Buffer.from(draft.stored[0]?.bytes ?? []).toString('base64'));
    expect(page.get('A commit')?.map(({ field }) => field)).toEqual(Object.keys(payload));
    expect(page.get('Root events')?.map(({ field }) => field)).toEqual(Object.keys(draft.root({ type: 'SunRisen' })));
  });
});

describe('the test vectors', () => {
  test('have every field of every type of event', () => {
    const held = new Set(
      accepted.flatMap(eventsIn).flatMap((event) => namesIn(event).map((name) => `${event.type}.${name}`)),
    );
    const wanted = EVENT_TYPES.flatMap((type) => [
      `${type}.type`,
      ...fieldsOf(type).map(({ field }) => `${type}.${field}`),
    ]);
    expect(
      wanted.filter((each) => !held.has(each)),
      MAKE,
    ).toEqual([]);
  });

  test('have every type of event without its optional fields', () => {
    const bare = accepted.find(({ name }) => name === 'optional-fields-absent');
    const events = bare ? eventsIn(bare) : [];
    const optional = (type: EventType) =>
      fieldsOf(type).flatMap(({ field, isOptional }) => (isOptional ? [field] : []));
    const without = (type: EventType) =>
      events.some((event) => event.type === type && !optional(type).some((field) => field in event));
    expect(
      EVENT_TYPES.filter((type) => !without(type)),
      MAKE,
    ).toEqual([]);
  });

  test('are all there, by name', () => {
    const namesOf = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
    expect(namesOf(accepted), MAKE).toEqual(namesOf(ACCEPTED));
    expect(namesOf(refused), MAKE).toEqual(namesOf(REFUSED));
    expect(new Set(namesOf([...accepted, ...refused])).size).toBe(accepted.length + refused.length);
    expect(accepted.every(({ expect: { verdict } }) => verdict === 'accepted')).toBe(true);
    expect(refused.every(({ expect: { verdict } }) => verdict === 'refused')).toBe(true);
  });

  test('are judged as they say by the packages, each signature and one a segment', () => {
    for (const vector of [...accepted, ...refused]) {
      const { name, trust, expect: wanted, expectBySegment } = vector;
      const found = (everySignature: boolean) =>
        findingOf({ trust: parseTrust(trust) }, storedIn(vector), everySignature);
      expect(found(true), name).toEqual(wanted);
      if (expectBySegment) expect(found(false), name).toEqual(expectBySegment);
      else expect(found(false).verdict, name).toBe(wanted.verdict);
    }
  });

  test('are judged as they say by a verifier that was written from the page alone', () => {
    expect(disagreeing([...accepted, ...refused])).toEqual([]);
    const alone = readFileSync(join(VECTORS, 'verify.mjs'), 'utf8');
    expect([...alone.matchAll(/from '([^']+)'/g)].map(([, module]) => module)).toEqual(['node:crypto', 'node:fs']);
  });

  test('fail a verifier where one bit of any commit is another one', () => {
    const [vector] = accepted;
    if (!vector) throw new Error(MAKE);
    const flipped = vector.commits.map((commit, index) => {
      const bytes = Buffer.from(commit.bytes, 'base64');
      const at = (index * 97) % bytes.length;
      bytes[at] = (bytes[at] ?? 0) ^ 1;
      const commits = vector.commits.with(index, { ...commit, bytes: bytes.toString('base64') });
      return { name: `${index}`, trust: vector.trust, commits };
    });
    expect(independently(flipped).filter(({ verdict }) => verdict !== 'refused')).toEqual([]);
  });

  test('hold no private key', () => {
    const SECRET = /CERTBUS-(?:ROOT|SIGNING)-KEY-1-|AGE-SECRET-KEY-1|PRIVATE KEY-----/;
    for (const vector of [...accepted, ...refused])
      for (const { bytes } of storedIn(vector)) expect(Buffer.from(bytes).toString('latin1')).not.toMatch(SECRET);
    for (const file of readdirSync(VECTORS).filter((name) => name.endsWith('.jsonl')))
      expect(readFileSync(join(VECTORS, file), 'utf8')).not.toMatch(SECRET);
  });
});

describe('a bus that is written now', () => {
  test('is judged alike by the packages and by the verifier of the page, in each way that it can be wrong', () => {
    const vectors = [...ACCEPTED, ...REFUSED].map((recipe) => makeVector(recipe, world));
    expect(disagreeing(vectors)).toEqual([]);
  });

  test('is read by its trust file in each form that the page allows, and in no other', () => {
    const { position, hash } = beginDraft(world).place;
    const text = formatTrust({ ...world.trust, floor: { position, hash, rootSequence: 2 } });
    const [first = '', second = ''] = text.split('\n');
    const good = [
      text,
      first,
      `${first}\\n`,
      `${text}\n`,
      `${first}\r\n${second}\r\n`,
      `${first}\\n${second}\\n\\n`,
      `\ufeff ${first}\t\n  ${second} \n\n`,
      `${first}\nsince 1 ${hash} 0`,
    ];
    const bad = [
      '',
      second,
      `${second}\n${first}`,
      `${first}\n\n${second}`,
      `${text}\n${second}`,
      first.replace(' ', '  '),
      `${first}=`,
      `${first}\nsince 0 ${hash} 0`,
      `${first}\nsince 01 ${hash} 0`,
      `${first}\nsince 1 ${hash} 00`,
      `${first}\nsince 1 ${hash}= 0`,
      `${first}\nsince 1 ${hash}`,
      `${first}\nsince ${2 ** 53} ${hash} 0`,
      `${first}\nsince 1 ${hash} ${2 ** 53}`,
    ];
    const { stored } = beginDraft(world);
    const judge = (trust: string) => ({ ...unjudged(JSON.stringify(trust), stored), trust });
    for (const trust of good) expect(findingOf({ trust: parseTrust(trust) }, stored).verdict, trust).toBe('accepted');
    for (const trust of bad) expect(() => parseTrust(trust), trust).toThrow(EventsError);
    const wrong = (texts: readonly string[], verdict: string) =>
      independently(texts.map(judge)).filter((found) => found.verdict !== verdict);
    expect(wrong(good, 'accepted')).toEqual([]);
    expect(wrong(bad, 'refused')).toEqual([]);
  });

  test('is refused with a commit of more than 400,000 bytes, and accepted with one of as many', () => {
    const sized = (size: number) => {
      const length = { empty: 0 };
      const forge = (fill: number) =>
        beginDraft(world).forge([{ type: 'Heartbeat' }], {
          payload: { fill: 'a'.repeat(fill) },
          bytes: (commit) => {
            length.empty = commit.length - fill;
            return commit;
          },
        });
      forge(0);
      return forge(size - length.empty).stored;
    };
    const judge = (name: string, size: number) => {
      const stored = sized(size);
      expect(stored[1]?.bytes).toHaveLength(size);
      return { ...unjudged(name, stored), expect: findingOf(world, stored) };
    };
    const vectors = [judge('as many', 400_000), judge('one more', 400_001)];
    expect(vectors.map(({ expect: { verdict } }) => verdict)).toEqual(['accepted', 'refused']);
    expect(disagreeing(vectors)).toEqual([]);
  });

  const unjudged = (name: string, stored: Draft['stored']): Unjudged => ({
    name,
    trust: formatTrust(world.trust),
    commits: stored.map(({ position, bytes }) => ({ position, bytes: Buffer.from(bytes).toString('base64') })),
  });

  /** An example of a type with another value in one field, or without it. */
  function changed(event: object, path: string, value: unknown): object {
    const [field = '', inner] = path.split('[].');
    const found = (event as Readonly<Record<string, unknown>>)[field];
    const next =
      inner === undefined
        ? value
        : (found as object[]).map((item, at) => (at === 0 ? { ...item, [inner]: value } : item));
    return { ...event, [field]: next };
  }

  /** Pieces that change what JSON means, or whether it is JSON. */
  const PIECES = [
    '',
    '"',
    '\\',
    '{',
    '}',
    '[]',
    ',',
    ':',
    '0',
    '-',
    '.5',
    'e1',
    'null',
    ' ',
    '\f',
    '\u0000',
    '\ud800',
    '\u2028',
  ];
  const WHOLE = ['"type":"Heartbeat",', '"rootSignature":null,', '"rootSequence":3,', '"by":"bob",', '{},', '1.0', '2'];

  test('is judged alike after any change to the text of its payload, which its manager signed', () => {
    const change = fc.record({ at: fc.nat(3_000), cut: fc.nat(3), piece: fc.constantFrom(...PIECES, ...WHOLE) });
    const changes = fc.record({
      type: fc.constantFrom(...EVENT_TYPES),
      list: fc.array(change, { minLength: 1, maxLength: 2 }),
    });
    const judged = fc.sample(changes, 400).map(({ type, list }) => {
      const draft = beginDraft(world);
      const event = written(draft, examplesOf(world, draft.place)[type]);
      const text = (json: string) =>
        list.reduce((found, { at, cut, piece }) => {
          const start = at % found.length;
          return found.slice(0, start) + piece + found.slice(start + cut);
        }, json);
      const { stored } = draft.forge([event], { text });
      return { ...unjudged(JSON.stringify({ type, list }), stored), found: findingOf(world, stored) };
    });
    // A change can break several rules, of which each names the one that it met first.
    const withoutReason = ({ name: _, agrees: __, ...found }: Finding & { name?: string; agrees?: boolean }) => ({
      ...found,
      reason: '',
    });
    const others = independently(judged).map(withoutReason);
    const isAlike = judged.map(({ found }, index) => isDeepStrictEqual(withoutReason(found), others[index]));
    expect(judged.filter((_, index) => !isAlike[index]).map(({ name }) => name)).toEqual([]);
  });

  /** Buses with each value that fits a field, or does not, and what the packages find. */
  function triesOf(type: EventType, row: Row) {
    const { good, bad } = samplesOf(row);
    const tries = [
      ...good.map((value) => ({ value, fits: true })),
      ...bad.map((value) => ({ value, fits: false })),
      { value: undefined, fits: row.isOptional },
    ];
    return tries.map(({ value, fits }) => {
      const draft = beginDraft(world);
      const event = changed(examplesOf(world, draft.place)[type], row.field, value);
      const isRight = (parseEvent(type, JSON.parse(JSON.stringify(event))).event !== undefined) === fits;
      const { stored } = draft.forge([written(draft, event)]);
      const name = `${type}.${row.field} ${JSON.stringify(value)?.slice(0, 80)}`;
      return { ...unjudged(name, stored), expect: findingOf(world, stored), isRight };
    });
  }

  test('has in each field of each event what the page says, and nothing else', () => {
    const judged = EVENT_TYPES.flatMap((type) => (page.get(type) ?? []).flatMap((row) => triesOf(type, row)));
    expect(judged.filter(({ isRight }) => !isRight).map(({ name }) => name)).toEqual([]);
    expect(disagreeing(judged)).toEqual([]);
  });

  test('has keys that its recipients open, with the cryptography of the page alone, and nobody else', async () => {
    const { identity: stranger } = await createWorld();
    const open = (identity: string, sealed: string) => {
      const file = join(folder, 'loadbalancer.key');
      writeFileSync(file, identity, { mode: 0o600 });
      return execFileSync(process.execPath, [join(VECTORS, 'open.mjs'), file], { input: sealed, stdio: 'pipe' });
    };
    expect(open(world.identity, world.sealedKey).toString()).toBe(world.privateKey);
    expect(() => open(stranger, world.sealedKey)).toThrow(/does not open/);
    const changed = Buffer.from(world.sealedKey, 'base64');
    changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
    expect(() => open(world.identity, changed.toString('base64'))).toThrow();
    expect(sha256(Buffer.from(world.leaf, 'base64'))).toBe(world.leafHash);
  });
});
