/** Flips single bits of a replica and looks what is served of it: no other name's certificate, no older one, and nearly all. */
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sha256 } from '@certbus/events';
import { sized } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createReader, type ReplicaReader } from '../reader.ts';
import { beginStory, obtained, type Story } from '../replica.builders.ts';
import { openToRead, openToWrite, replaceFile } from '../writer/file.ts';
import { createWriter } from '../writer/writer.ts';
import { checkFile } from './check.ts';
import { isDamage } from './digest.ts';
import { PAGE_BYTES } from './raw-file.ts';
import { createTolerantReader, nothingRead } from './tolerant-reader.ts';

const folder = mkdtempSync(join(tmpdir(), 'certbus-flips-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const CERTIFICATES = 100;
const nameOf = (n: number) => `host${n}.flips.test`;
/** As long as a real leaf, and of every certificate and renewal another. */
const leafOf = (n: number, renewal: number) => `${`leaf ${n} ${renewal} `.padEnd(1_100, 'x')}`;
const ISSUER = Buffer.alloc(1_000, 'i');

let story: Story;
const replicaAt = (path: string) => ({ path, busId: story.busId, role: 'client' }) as const;
let checkpointed: string;
let withLog: string;

/** A replica that was closed, and one whose process was killed with renewals in the log. */
beforeAll(async () => {
  story = await beginStory();
  await story.say({ type: 'IssuerAdded', hash: sha256(ISSUER), certificate: ISSUER.toString('base64') });
  for (const renewal of [0, 1])
    for (let n = 0; n < CERTIFICATES; n += 50)
      await story.say(
        ...Array.from({ length: 50 }, (_, k) =>
          obtained(`certificate${n + k}`, [nameOf(n + k)], leafOf(n + k, renewal), `2027-0${renewal + 2}-20T00:00:00Z`),
        ),
      );
  [checkpointed, withLog] = [join(folder, 'checkpointed.db'), join(folder, 'log.db')];
  const path = join(folder, 'made.db');
  const { database } = openToWrite(replicaAt(path), 'test');
  const write = createWriter(database, replicaAt(path));
  write({ kind: 'complete' });
  const half = story.commits.length / 2;
  for (const [n, commit] of story.commits.entries()) {
    const checkpoint = story.checkpoints[n];
    if (checkpoint) write({ kind: 'apply', commits: [commit], checkpoint });
    if (n < half) database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  }
  for (const companion of ['', '-wal']) copyFileSync(path + companion, withLog + companion);
  database.close();
  copyFileSync(path, checkpointed);
});

/** How a replica with damage was served. */
interface Outcome {
  readonly served: number;
  /** Certificates that are not the newest of their name. */
  readonly wrong: readonly string[];
  readonly isNoticed: boolean;
}

function outcomeOf(reader: ReplicaReader): Omit<Outcome, 'isNoticed'> {
  const found = Array.from({ length: CERTIFICATES }, (_, n) => ({ n, certificates: reader.lookup(nameOf(n)) }));
  const isRight = ({ n, certificates }: (typeof found)[number]) =>
    certificates.every(
      ({ certificateId, current }) =>
        certificateId === `certificate${n}` && current?.leaf === Buffer.from(leafOf(n, 1)).toString('base64'),
    );
  return {
    served: found.filter(({ certificates }) => certificates.length > 0).length,
    wrong: found.filter((each) => !isRight(each)).map(({ n }) => nameOf(n)),
  };
}

function openTolerantly(path: string, onDamage: (error: unknown) => void) {
  const database = openToRead(path, story.busId);
  const reader = createTolerantReader(createReader(database, 'served', { onDamage }), {
    last: nothingRead(),
    onDamage,
  });
  return { reader, close: () => database.close() };
}

/** Opens a replica as a client does, reads all of it, lets the background check look, and replaces the file where one of them met damage. */
function serve(path: string): { readonly first: Outcome; readonly mended: Outcome } {
  let noticed = 0;
  const { database, replaced } = openToWrite(replicaAt(path), 'test');
  const note = () => {
    noticed += 1;
  };
  const opened = openTolerantly(path, note);
  const first = outcomeOf(opened.reader);
  expect(Buffer.from(opened.reader.issuer(sha256(ISSUER)) ?? [])).toEqual(ISSUER);
  try {
    for (const _ of checkFile(path));
  } catch (error) {
    if (!isDamage(error)) throw error;
    note();
  }
  opened.close();
  database.close();
  const isNoticed = replaced !== undefined || noticed > 0;
  if (noticed > 0) replaceFile(replicaAt(path));
  const again = openTolerantly(path, () => expect.unreachable('a mended file is damaged'));
  const mended = outcomeOf(again.reader);
  if (isNoticed) {
    // A row of which only the id or the position is damaged counts as well.
    const more = (again.reader.countLost() ?? 0) - (CERTIFICATES - mended.served);
    expect([0, 1]).toContain(more);
  }
  again.close();
  return { first: { ...first, isNoticed }, mended: { ...mended, isNoticed } };
}

function flipped(original: string, companion: '' | '-wal', bit: number): string {
  const path = join(folder, 'flipped.db');
  for (const name of ['', '-wal', '-shm']) rmSync(path + name, { force: true });
  for (const name of ['', '-wal']) if (existsSync(original + name)) copyFileSync(original + name, path + name);
  const bytes = readFileSync(path + companion);
  const at = bit >> 3;
  bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (bit & 7)), at);
  writeFileSync(path + companion, bytes, { mode: 0o600 });
  return path;
}

/** Repeatable, so that what fails is found again. */
function* random(seed: number, below: number): Iterable<number> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    yield Math.floor((state / 2 ** 32) * below);
  }
}

function take(values: Iterable<number>, count: number): number[] {
  const taken: number[] = [];
  for (const value of values) {
    if (taken.length >= count) break;
    taken.push(value);
  }
  return taken;
}

/** What may be lost with one page. */
const MAX_LOST = 16;

function expectServed(original: string, companion: '' | '-wal', bits: readonly number[]): void {
  for (const bit of bits) {
    const { first, mended } = serve(flipped(original, companion, bit));
    const where = `bit ${bit & 7} of byte ${bit >> 3} of the file${companion}`;
    expect([...first.wrong, ...mended.wrong], where).toEqual([]);
    expect(mended.served, where).toBeGreaterThanOrEqual(CERTIFICATES - MAX_LOST);
    if (first.served < CERTIFICATES) expect(first.isNoticed, where).toBe(true);
  }
}

const flips = (): number => sized({ small: 8, full: 400 });
const pageBits = (page: number, bytes: number) => ({ from: page * PAGE_BYTES * 8, bits: bytes * 8 });

describe('a replica of which one bit was flipped', () => {
  test('in the header of the file is served as it was', { tags: 'full' }, () => {
    expectServed(checkpointed, '', take(random(1, 100 * 8), flips()));
  });

  test('in the page of the schema is served as it was', { tags: 'full' }, () => {
    expectServed(checkpointed, '', take(random(2, PAGE_BYTES * 8), flips()));
  });

  test('in the first bytes of any page is served but for what was in that page', { tags: 'full' }, () => {
    const pages = readFileSync(checkpointed).length / PAGE_BYTES;
    const bits = take(random(3, 16 * 8), flips()).map((bit, n) => pageBits((n * 7) % pages, 16).from + bit);
    expectServed(checkpointed, '', bits);
  });

  test('anywhere is served but for what was there', { tags: 'full' }, () => {
    expectServed(checkpointed, '', take(random(4, readFileSync(checkpointed).length * 8), flips()));
  });

  test('in the state of a certificate is served without it, and not as it was before its renewal', () => {
    // The newest states are in the log, the ones before them in the file.
    const log = readFileSync(`${withLog}-wal`);
    const at = log.indexOf(Buffer.from(leafOf(7, 1)).toString('base64').slice(0, 20));
    for (const [original, companion, place] of [
      [withLog, '-wal', at],
      [checkpointed, '', readFileSync(checkpointed).indexOf(Buffer.from(leafOf(7, 1)).toString('base64').slice(0, 20))],
    ] as const) {
      expect(place).toBeGreaterThan(0);
      expectServed(original, companion, [place * 8]);
      const { mended } = serve(flipped(original, companion, place * 8));
      expect(mended.served).toBe(CERTIFICATES - 1);
    }
  });

  test.each([
    ['a table', 'DROP TABLE ledger', CERTIFICATES],
    ['the number of a certificate', 'UPDATE states SET number = 8303000743588212340 WHERE number = 7', CERTIFICATES],
    [
      'the end of a certificate',
      'UPDATE certificates SET not_after = 8303000743588212340 WHERE number = 7',
      CERTIFICATES,
    ],
    [
      'the position of a certificate',
      'UPDATE states SET of_position = 8303000743588212340 WHERE number = 7',
      CERTIFICATES - 1,
    ],
  ])('so that %s is another, or gone, is served but for what was there', (_, change, served) => {
    const path = flipped(checkpointed, '', 0);
    copyFileSync(checkpointed, path);
    const database = new DatabaseSync(path);
    database.exec(change);
    database.close();
    const { first, mended } = serve(path);
    expect([first.wrong, mended.wrong, mended.served]).toEqual([[], [], served]);
  });

  test('in the log is served as it is in the log', { tags: 'full' }, () => {
    const length = readFileSync(`${withLog}-wal`).length;
    const inFrameHeaders = take(random(5, 24 * 8), flips()).map(
      (bit, n) => (32 + (n % 20) * (24 + PAGE_BYTES)) * 8 + bit,
    );
    const inHeader = take(random(6, 32 * 8), flips() / 4);
    expectServed(withLog, '-wal', [...inHeader, ...inFrameHeaders, ...take(random(7, length * 8), flips())]);
  });
});
