import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createBusId, createManagerKey, parseManagerKey, type Signer, sha256 } from '@certbus/events';
import {
  type Checkpoint,
  encodeCommit,
  type HistoryError,
  signRootEvent,
  type WrittenEvent,
} from '@certbus/events/history';
import { follow, type Log, type LogMaintenance, openBus, type StoredCommit } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { beginStory, obtained, type Story } from './replica.builders.ts';
import { openReplica, type Replica } from './replica.ts';

/** A follower reads pages of 150: the second one is that of positions 151 to 300. */
const PLACES = [
  ['the first', 151],
  ['a middle', 220],
  ['the last', 300],
] as const;
const HEAD = 450;

/** A load balancer's follower: a replica in a file, and the alarm that it raised last. */
interface Follower {
  readonly replica: Replica;
  readonly path: string;
  /** Follows a log as the client does, until it is refused. */
  followUntilRefused(log: Log): Promise<HistoryError>;
}

const folder = temporaryFolder();
const opened: Replica[] = [];
let files = 0;
let story: Story;
let stranger: Signer;
let whole: readonly StoredCommit[];
/** All of another bus, with a root and a manager of its own: every commit of it is good there. */
let other: readonly StoredCommit[];
/** What is in a replica that an honest log has taken to right before each place. */
const honest = new Map<number, string>();

async function sayAll({ say, log }: Story): Promise<readonly StoredCommit[]> {
  for (let n = 2; n <= HEAD; n += 1) await say(obtained(`certificate-${n}`, [`n${n}.test`]));
  return (await log.read('test', 0, { limit: HEAD })).commits;
}

beforeAll(async () => {
  story = await beginStory();
  stranger = parseManagerKey(await createManagerKey()).signer;
  whole = await sayAll(story);
  other = await sayAll(await beginStory());
  for (const [, position] of PLACES) {
    const { replica, path } = await startFollower();
    await replica.apply(story.commits.slice(0, position - 1), checkpointBefore(position));
    honest.set(position, contentOf(path));
  }
});
afterEach(async () => {
  for (const replica of opened.splice(0)) await replica.close();
});
afterAll(() => folder.remove());

/** The checkpoint behind the commit before a position. */
const checkpointBefore = (position: number): Checkpoint => story.checkpoints[position - 2] as Checkpoint;
const bytesAt = (position: number): Uint8Array => whole[position - 1]?.bytes ?? new Uint8Array();

async function startFollower(): Promise<Follower> {
  files += 1;
  const path = join(folder.path, `replica${files}`, 'client.db');
  const replica = await openReplica({ path, busId: story.busId });
  opened.push(replica);
  return { replica, path, followUntilRefused: (log) => followUntilRefused(replica, log) };
}

async function followUntilRefused(replica: Replica, log: Log): Promise<HistoryError> {
  const stop = new AbortController();
  let refused: HistoryError | undefined;
  const onError = (error: Error) => {
    refused = error as HistoryError;
    stop.abort();
  };
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(300_000)]);
  try {
    const bus = openBus(log, 'test', { trust: story.trust });
    for await (const { commits, checkpoint } of follow(bus, replica.checkpoint(), { onError, signal }))
      if (commits.length > 0) await replica.apply(commits, checkpoint);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
  return refused as HistoryError;
}

/** Everything that a replica's file says, but for the process that holds it, and how often it was written. */
function contentOf(path: string): string {
  const database = new DatabaseSync(path, { readOnly: true });
  const tables = database.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").all();
  const rows = tables.map(({ name }) => database.prepare(`SELECT * FROM ${String(name)}`).all());
  database.close();
  return JSON.stringify(rows, (key, value: unknown) => (key === 'holder' || key === 'changes' ? undefined : value));
}

/** The bytes of a replica's file and of the journal beside it. */
function fileOf(path: string): string {
  return [path, `${path}-wal`].map((file) => (existsSync(file) ? sha256(readFileSync(file)) : '')).join();
}

async function logOf(commits: readonly StoredCommit[]): Promise<Log & { maintenance: LogMaintenance }> {
  const log = createMemoryLog();
  for (const { position, bytes } of commits) await log.append('test', position - 1, bytes);
  return log as Log & { maintenance: LogMaintenance };
}

/** The log with other commits from a position on; those behind them stay as they were. */
function logWith(changes: readonly StoredCommit[]): Promise<Log & { maintenance: LogMaintenance }> {
  const changed = new Map(changes.map(({ position, bytes }) => [position, bytes]));
  return logOf(whole.map(({ position, bytes }) => ({ position, bytes: changed.get(position) ?? bytes })));
}

function write(position: number, options: Partial<Parameters<typeof encodeCommit>[0]> = {}, signer = story.signer) {
  const { hash: previous } = checkpointBefore(position);
  const content = { format: 1, bus: story.busId, position, previous, at: new Date(), by: 'alice' };
  const events: WrittenEvent[] = [{ type: 'CertificateRemoved', certificateId: 'certificate-2' }];
  return { position, bytes: encodeCommit({ ...content, events, ...options }, signer) };
}

describe.each(PLACES)('at %s commit of a page, position %s', (_, position) => {
  /** A newcomer takes what comes before and not a byte more, however often it looks. */
  async function expectRefused(changes: readonly StoredCommit[], code: RegExp): Promise<void> {
    const log = await logWith(changes);
    const { path, followUntilRefused } = await startFollower();
    const alarm = await followUntilRefused(log);
    expect(alarm).toMatchObject({ name: 'HistoryError', position, code: expect.stringMatching(code) });
    expect(alarm.message).toContain(`Commit ${position} refused`);
    expect(contentOf(path)).toBe(honest.get(position));
    const before = fileOf(path);
    expect(await followUntilRefused(log)).toMatchObject({ position });
    expect(fileOf(path)).toBe(before);
  }

  test('a forged commit is refused', () =>
    expectRefused([write(position, {}, stranger)], /SIGNER_NOT_IN_FORCE|HISTORY_FORKED/));

  test('a forged run up to the end of the log is refused from its beginning', async () => {
    const forged: StoredCommit[] = [];
    let previous = checkpointBefore(position).hash;
    for (let at = position; at <= HEAD; at += 1) {
      forged.push(write(at, { previous }, stranger));
      previous = sha256(forged.at(-1)?.bytes ?? new Uint8Array());
    }
    await expectRefused(forged, /SIGNER_NOT_IN_FORCE/);
  });

  test('a forked history is refused', () =>
    expectRefused([write(position, { previous: 'A'.repeat(43) })], /HISTORY_FORKED/));

  test('a flipped bit is refused', async () => {
    const bytes = Uint8Array.from(bytesAt(position));
    const at = Buffer.from(bytes).indexOf('certificate-') + 2;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    await expectRefused([{ position, bytes }], /SIGNATURE_INVALID|HISTORY_FORKED/);
  });

  test('a commit that was written for another bus is refused', () =>
    expectRefused([write(position, { bus: createBusId() })], /OTHER_BUS/));

  test('the history of another bus under the same stream name is refused from where it begins', () =>
    expectRefused(other.slice(position - 1), /OTHER_BUS/));

  test('a key added by nobody, and a commit of the added key, are refused', async () => {
    const manager = { name: 'mallory', signingKey: stranger.publicKey, recipient: 'age1'.padEnd(62, 'q') };
    const event: WrittenEvent = signRootEvent(stranger, story.busId, 3, {
      type: 'ManagersUpdated',
      managers: [manager],
    });
    const added = write(position, { events: [event] });
    const next = write(position + 1, { by: 'mallory', previous: sha256(added.bytes) }, stranger);
    await expectRefused([added, next], /ROOT_SIGNATURE_INVALID/);
  });

  test('a commit that the root did not raise the format for is refused', () =>
    expectRefused([write(position, { format: 2 })], /FORMAT_WRONG/));

  test('a commit signed again by a manager that the root has dropped is refused', async () => {
    // The root drops alice right before; she still has her key, and writes to the store.
    const managers = [{ name: 'bob', signingKey: stranger.publicKey, recipient: 'age1'.padEnd(62, 'q') }];
    const drop = signRootEvent(story.root, story.busId, 3, { type: 'ManagersUpdated', managers });
    const dropped = write(position - 1, { events: [drop], by: 'root' }, story.root);
    const late = write(position, { previous: sha256(dropped.bytes) });
    const log = await logWith([dropped, late]);
    const { replica, path, followUntilRefused } = await startFollower();
    expect(await followUntilRefused(log)).toMatchObject({
      position,
      code: expect.stringContaining('SIGNER_NOT_IN_FORCE'),
    });
    expect(replica.checkpoint()).toMatchObject({ position: position - 1, hash: sha256(dropped.bytes) });
    const before = fileOf(path);
    await followUntilRefused(log);
    expect(fileOf(path)).toBe(before);
  });

  /** Anyone who has read so far keeps what it has, byte for byte, and takes the log again once it is right. */
  async function expectHeld(attack: (log: Log & { maintenance: LogMaintenance }) => Promise<Log>): Promise<void> {
    const good = await logWith([]);
    const { replica, path, followUntilRefused } = await startFollower();
    await replica.apply(story.commits.slice(0, position), story.checkpoints[position - 1] as Checkpoint);
    const before = fileOf(path);
    const alarm = await followUntilRefused(await attack(await logWith([])));
    expect(alarm).toMatchObject({ code: 'CERTBUS_EVENTS_HISTORY_FORKED', position });
    expect(alarm.message).toContain(`Commit ${position} refused`);
    expect(fileOf(path)).toBe(before);
    const bus = openBus(good, 'test', { trust: story.trust });
    const { value } = await follow(bus, replica.checkpoint(), { signal: AbortSignal.timeout(300_000) }).next();
    expect(value?.commits[0]?.position).toBe(position + 1);
  }

  test('a log that was cut off there is refused by anyone who has read so far, and taken again once it is right', () =>
    expectHeld(async (log) => {
      for (let at = HEAD; at >= position; at -= 1)
        await log.maintenance.replace('test', at, { found: bytesAt(at), bytes: undefined });
      return log;
    }));

  test.each([
    ['somebody without a key', () => stranger],
    ['a manager', () => story.signer],
  ])('a commit that %s overwrote is refused by anyone who has read it, until it is right again', (_who, signer) =>
    expectHeld(async (log) => {
      const { bytes } = write(position, {}, signer());
      await log.maintenance.replace('test', position, { found: bytesAt(position), bytes });
      return log;
    }),
  );

  test('another bus, whole and valid in itself, in the place of the one that was read is refused', () =>
    expectHeld(() => logOf(other)));
});

test('a newcomer refuses another bus, whole and valid in itself, at its first commit, and takes nothing of it', async () => {
  const { path, followUntilRefused } = await startFollower();
  const before = fileOf(path);
  expect(await followUntilRefused(await logOf(other))).toMatchObject({ code: 'CERTBUS_EVENTS_OTHER_BUS', position: 1 });
  expect(fileOf(path)).toBe(before);
});
