import {
  BEGINNING,
  type Checkpoint,
  createBusId,
  encodeCommit,
  type HistoryError,
  type Signer,
  sha256,
  signRootEvent,
  type WrittenEvent,
} from '@certbus/events';
import { beforeAll, describe, expect, test } from 'vitest';
import { createMemoryLog } from './adapters/memory.ts';
import { beginBus, createKeys, type Keys, removed, writeCommits } from './bus.builders.ts';
import { openBus } from './bus.ts';
import { follow } from './follow.ts';
import type { Log, LogMaintenance, StoredCommit } from './log.ts';

/** A follower reads pages of 150: the second one is that of positions 151 to 300. */
const PLACES = [
  ['the first', 151],
  ['a middle', 220],
  ['the last', 300],
] as const;
const HEAD = 450;

let keys: Keys;
let stranger: Signer;
let checkpoints: Checkpoint[];
let whole: readonly StoredCommit[];

beforeAll(async () => {
  const log = createMemoryLog();
  ({ keys } = await beginBus(log));
  stranger = (await createKeys()).signer;
  checkpoints = await writeCommits(log, { keys, count: HEAD - 1 });
  whole = (await log.read('test', 0, { limit: HEAD })).commits;
});

/** The log with other commits from a position on; those behind them stay as they were. */
async function logWith(changes: readonly StoredCommit[]): Promise<Log & { maintenance: LogMaintenance }> {
  const log = createMemoryLog();
  const changed = new Map(changes.map(({ position, bytes }) => [position, bytes]));
  for (const { position, bytes } of whole) await log.append('test', position - 1, changed.get(position) ?? bytes);
  return log as Log & { maintenance: LogMaintenance };
}

/** Follows until the bus is refused, and says what was delivered before. */
async function followUntilRefused(log: Log, from = BEGINNING): Promise<{ positions: number[]; refused: HistoryError }> {
  const positions: number[] = [];
  const stop = new AbortController();
  let refused: HistoryError | undefined;
  const onTrouble = (error: Error) => {
    refused = error as HistoryError;
    stop.abort();
  };
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(10_000)]);
  try {
    for await (const { commits } of follow(openBus(log, 'test', keys), from, { onTrouble, signal }))
      positions.push(...commits.map(({ position }) => position));
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  }
  return { positions, refused: refused as HistoryError };
}

const upTo = (position: number): number[] => Array.from({ length: position - 1 }, (_, n) => n + 1);

function write(position: number, options: Partial<Parameters<typeof encodeCommit>[0]> = {}, signer = keys.signer) {
  const { hash: previous = null } = checkpoints[position - 2] ?? {};
  const content = { format: 1, bus: keys.trust.busId, position, previous, at: new Date(), by: 'alice' };
  return { position, bytes: encodeCommit({ ...content, events: [removed('forged')], ...options }, signer) };
}

const bytesAt = (position: number): Uint8Array => whole[position - 1]?.bytes ?? new Uint8Array();

describe.each(PLACES)('at %s commit of a page, position %s', (_, position) => {
  async function expectRefused(changes: readonly StoredCommit[], code: RegExp): Promise<void> {
    const { positions, refused } = await followUntilRefused(await logWith(changes));
    expect(positions).toEqual(upTo(position));
    expect(refused).toMatchObject({ name: 'HistoryError', position, code: expect.stringMatching(code) });
    expect(refused.message).toContain(`Commit ${position} refused`);
  }

  test('a forged commit is refused', () =>
    expectRefused([write(position, {}, stranger)], /SIGNER_NOT_IN_FORCE|HISTORY_FORKED/));

  test('a forged run up to the end of the log is refused from its beginning', async () => {
    const forged: StoredCommit[] = [];
    let previous = checkpoints[position - 2]?.hash ?? null;
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

  test('another bus under the same stream name is refused', () =>
    expectRefused([write(position, { bus: createBusId() })], /OTHER_BUS/));

  test('a key added by nobody, and a commit of the added key, are refused', async () => {
    const manager = { name: 'mallory', signingKey: stranger.publicKey, recipient: 'age1'.padEnd(62, 'q') };
    const event: WrittenEvent = signRootEvent(stranger, keys.trust.busId, 3, {
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
    const drop = signRootEvent(keys.root, keys.trust.busId, 3, { type: 'ManagersUpdated', managers });
    const dropped = write(position - 1, { events: [drop], by: 'root' }, keys.root);
    const late = write(position, { previous: sha256(dropped.bytes) });
    await expectRefused([dropped, late], /SIGNER_NOT_IN_FORCE/);
  });

  test.each([
    [
      'cut off there',
      async ({ maintenance }: { maintenance: LogMaintenance }) => {
        for (let at = HEAD; at >= position; at -= 1)
          await maintenance.replace('test', at, { found: bytesAt(at), bytes: undefined });
      },
    ],
    [
      'overwritten there',
      async ({ maintenance }: { maintenance: LogMaintenance }) =>
        maintenance.replace('test', position, { found: bytesAt(position), bytes: write(position, {}, stranger).bytes }),
    ],
    [
      'overwritten there by a manager',
      async ({ maintenance }: { maintenance: LogMaintenance }) =>
        maintenance.replace('test', position, { found: bytesAt(position), bytes: write(position).bytes }),
    ],
  ] as const)(
    'a log that was %s is refused by whoever has read so far, and taken again once it is right',
    async (_how, attack) => {
      const log = await logWith([]);
      const before = checkpoints[position - 1] as Checkpoint;
      await attack(log);
      const { positions, refused } = await followUntilRefused(log, before);
      expect(positions).toEqual([]);
      expect(refused).toMatchObject({ code: 'CERTBUS_EVENTS_HISTORY_FORKED', position });
      for (let at = position; at <= HEAD; at += 1) {
        const [there] = (await log.read('test', at - 1, { limit: 1 })).commits;
        const found = there?.position === at ? there.bytes : undefined;
        await log.maintenance.replace('test', at, { found, bytes: bytesAt(at) });
      }
      const { value } = await follow(openBus(log, 'test', keys), before, { signal: AbortSignal.timeout(5_000) }).next();
      expect(value?.commits[0]?.position).toBe(position + 1);
    },
  );
});
