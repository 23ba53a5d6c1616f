import { type Checkpoint, signRootEvent } from '@certbus/events/history';
import { beforeEach, expect, test } from 'vitest';
import { createMemoryLog } from '../adapters/memory.ts';
import { beginBus, type Keys, readPositions, removed, writeCommits } from '../bus.builders.ts';
import { openBus } from '../bus.ts';
import type { Bus } from '../bus-port.ts';
import type { Log } from '../log.ts';
import { isRestored } from './restoration.ts';

let log: Log;
let keys: Keys;
let checkpoints: Checkpoint[];

beforeEach(async () => {
  log = createMemoryLog();
  ({ keys } = await beginBus(log));
  checkpoints = await writeCommits(log, { keys, count: 19 });
});

const known = () => checkpoints.at(-1) as Checkpoint;

/** The same bus, put back to a position. */
async function putBack(position: number): Promise<{ bus: Bus; other: Log; head: Checkpoint }> {
  const other = createMemoryLog();
  const { commits } = await log.read('test', 0, { limit: position });
  for (const commit of commits) await other.append('test', commit.position - 1, commit.bytes);
  return { bus: openBus(other, 'test', keys), other, head: checkpoints[position - 1] as Checkpoint };
}

/** Says that the line goes on behind `from`. */
async function sayRestored(other: Log, from: Checkpoint, sequence: number): Promise<Checkpoint> {
  const event = signRootEvent(keys.root, keys.trust.busId, sequence, {
    type: 'BusRestored',
    position: from.position,
    hash: from.hash ?? '',
  });
  const bus = openBus(other, 'test', { trust: keys.trust, signer: keys.root });
  return (await bus.append(from, [event], { at: new Date() })).checkpoint;
}

test('a bus that was put back is refused by everyone who read further, and is not a restored bus before the root says so', async () => {
  const { bus } = await putBack(12);
  await expect(bus.confirm(known())).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_HISTORY_FORKED', position: 20 });
  expect(await isRestored(bus, known())).toBe(false);
});

test('it is one once the root has said so, however far it went on since', async () => {
  const { bus, other, head } = await putBack(12);
  let last = await sayRestored(other, head, 102);
  expect(await isRestored(bus, known())).toBe(true);
  for (let n = 0; n < 12; n += 1)
    ({ checkpoint: last } = await bus.append(last, [removed(`new${n}`)], { at: new Date() }));
  expect(await isRestored(bus, known())).toBe(true);
  expect(await readPositions(bus)).toHaveLength(25);
});

test('a bus cut off behind an older restore is no restored bus', async () => {
  const { bus, other, head } = await putBack(12);
  const restored = await sayRestored(other, head, 102);
  const { checkpoint } = await bus.append(restored, [removed('later')], { at: new Date() });
  await other.maintenance?.replace('test', 14, {
    found: (await other.read('test', 13)).commits[0]?.bytes,
    bytes: undefined,
  });
  await expect(bus.confirm(checkpoint)).rejects.toMatchObject({ position: 14 });
  expect(await isRestored(bus, checkpoint)).toBe(false);
});

test('a restore that a manager signed in the place of the root is refused', async () => {
  const { bus, head } = await putBack(12);
  const event = signRootEvent(keys.signer, keys.trust.busId, 102, {
    type: 'BusRestored',
    position: 12,
    hash: head.hash ?? '',
  });
  await expect(bus.append(head, [event], { at: new Date() })).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID',
  });
});

test('a restore belongs behind the commit that it names, and its sequence never goes back', async () => {
  const { other, head } = await putBack(12);
  const elsewhere = { ...head, position: 11, hash: checkpoints[10]?.hash ?? '' };
  const bus = openBus(other, 'test', { trust: keys.trust, signer: keys.root });
  const event = signRootEvent(keys.root, keys.trust.busId, 102, { type: 'BusRestored', ...elsewhere });
  await expect(bus.append(head, [event], { at: new Date() })).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_POSITION_WRONG',
  });
  await expect(sayRestored(other, head, 2)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_ROOT_SEQUENCE_WRONG' });
});
