/** Tests of the floor of a trust file, against a log that its store's holder cut off, overwrote or put back. */
import { join } from 'node:path';
import type { Floor } from '@certbus/events';
import { BEGINNING, type Checkpoint, floorAt, type RootBody, signRootEvent } from '@certbus/events/history';
import { requirePart, temporaryFolder } from 'certbus-services';
import { drawCredentials, sharedDynamoDbLocal } from 'certbus-services/vitest';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openDynamoDbLog } from './adapters/dynamodb/dynamodb.ts';
import { createMemoryLog } from './adapters/memory.ts';
import { openExportFile } from './adapters/places/export-file.ts';
import { openSqliteLog } from './adapters/sqlite/sqlite.ts';
import { beginBus, createView, type Keys, readPositions, removed } from './bus.builders.ts';
import { openBus } from './bus.ts';
import type { Bus } from './bus-port.ts';
import { follow } from './follow.ts';
import type { Log } from './log.ts';
import { exportBus, importBus } from './recovery/backup.ts';
import { repair } from './recovery/repair.ts';
import { verifyBus } from './recovery/verify.ts';
import { transact } from './transact.ts';

const folder = temporaryFolder();
const dynamoDb = requirePart('dynamodb-local');
const BELOW = { name: 'HistoryError', code: 'CERTBUS_EVENTS_BELOW_FLOOR' };
const MALLORY = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
let files = 0;

const STORES: readonly (readonly [string, () => Promise<Log>])[] = [
  ['memory', async () => createMemoryLog()],
  ['SQLite', () => openSqliteLog(join(folder.path, `${files}.db`), { create: true })],
  ...(dynamoDb.skip
    ? []
    : [
        [
          'DynamoDB',
          async () => {
            const { endpoint } = await sharedDynamoDbLocal();
            const options = { region: 'eu-central-1', credentials: drawCredentials(), endpoint };
            return openDynamoDbLog({ ...options, table: `floor-${files}`, create: true });
          },
        ] as const,
      ]),
];

afterAll(() => folder.remove());

/** Position of the commit that the root removed a recipient with. */
const FLOOR = 8;

describe.each(STORES)('a bus in %s', (_, openStore) => {
  let log: Log;
  let keys: Keys;
  let floor: Floor;
  /** Behind each commit, from position 1 on. */
  let checkpoints: Checkpoint[];

  beforeEach(async () => {
    files += 1;
    log = await openStore();
    ({ keys } = await beginBus(log));
    checkpoints = [];
    await say(removed(1));
    await sayAsRoot(3, { type: 'RecipientsUpdated', recipients: [{ name: 'mallory', recipient: MALLORY }] });
    for (const n of [4, 5, 6, 7]) await say(removed(n));
    await sayAsRoot(4, { type: 'RecipientsUpdated', recipients: [{ name: 'edge', recipient: MALLORY }] });
    floor = floorAt(last());
    expect(floor).toMatchObject({ position: FLOOR, rootSequence: 4 });
    for (const n of [9, 10]) await say(removed(n));
  });
  afterEach(() => log.close());

  const last = () => checkpoints.at(-1) as Checkpoint;
  /** The bus as somebody opens it whose `bus.pub` has the floor. */
  const bounded = (changed: Partial<Floor> = {}): Bus =>
    openBus(log, 'test', { ...keys, trust: { ...keys.trust, floor: { ...floor, ...changed } } });

  async function append(bus: Bus, events: Parameters<Bus['append']>[1]): Promise<void> {
    const from = checkpoints.at(-1) ?? (await bus.read(BEGINNING)).checkpoint;
    checkpoints.push((await bus.append(from, events, { at: new Date() })).checkpoint);
  }
  const say = (...events: Parameters<Bus['append']>[1]) => append(openBus(log, 'test', keys), events);
  const sayAsRoot = (sequence: number, body: RootBody) =>
    append(openBus(log, 'test', { trust: keys.trust, signer: keys.root }), [
      signRootEvent(keys.root, keys.trust.busId, sequence, body),
    ]);

  /** What the store's holder can do: only the first `length` commits are left. */
  async function cutOff(length: number): Promise<void> {
    const { commits } = await log.read('test', length, { limit: 100, consistent: true });
    for (const { position, bytes } of commits.toReversed())
      await log.maintenance?.replace('test', position, { found: bytes, bytes: undefined });
    checkpoints = checkpoints.slice(0, length - 1);
  }

  test('is read, followed, verified, written to and exported where it reaches the floor', async () => {
    expect(await readPositions(bounded())).toHaveLength(10);
    await bounded().confirm(last());
    expect((await verifyBus(bounded())).checkpoint).toEqual(last());
    await transact(bounded(), createView(), () => ({ events: [removed('new')], result: 1 }));
    await cutOff(FLOOR);
    expect(await readPositions(bounded())).toHaveLength(FLOOR);
  });

  test.each([1, 3, FLOOR - 1])('cut off behind position %i is begun by nobody', async (length) => {
    await cutOff(length);
    const bus = bounded();
    await expect(readPositions(bus)).rejects.toMatchObject({ ...BELOW, position: length });
    await expect(readPositions(bus)).rejects.toThrow(/position 8 at least[\s\S]*bus repair[\s\S]*bus restored/);
    await expect(verifyBus(bus)).rejects.toMatchObject(BELOW);
    const decided = transact(bus, createView(), () => ({ events: [removed('new')], result: 1 }));
    await expect(decided).rejects.toMatchObject(BELOW);
    await expect(bus.append(last() ?? BEGINNING, [removed('new')], { at: new Date() })).rejects.toMatchObject(BELOW);
    const errors: unknown[] = [];
    const stop = new AbortController();
    const batches = follow(bus, BEGINNING, {
      signal: stop.signal,
      onError(error) {
        errors.push(error);
        stop.abort(new Error('enough'));
      },
    });
    await expect(
      (async () => {
        for await (const { live } of batches) expect(live).toBe(false);
      })(),
    ).rejects.toThrow('enough');
    expect(errors).toMatchObject([BELOW]);
    const file = await openExportFile(join(folder.path, `${files}.export`), { create: true });
    await expect(exportBus(bus, file)).rejects.toMatchObject(BELOW);
    await file.close();
  });

  test('cut off and written on by a manager that the floor does not know is refused whole', async () => {
    await cutOff(5);
    for (const n of [6, 7, 8, 9, 10, 11]) await say(removed(`other-${n}`));
    const page = await bounded().read(BEGINNING, { consistent: true });
    expect(page).toMatchObject({ commits: [], stored: [], checkpoint: BEGINNING, refused: { ...BELOW, position: 8 } });
    await expect(bounded().confirm(last())).rejects.toMatchObject({ ...BELOW, position: 8 });
    await expect(bounded().read(last(), { consistent: true, confirm: true })).rejects.toMatchObject(BELOW);
  });

  test('with fewer changes of keys than the floor has is refused, from wherever it is read', async () => {
    const bus = bounded({ rootSequence: 5 });
    await expect(readPositions(bus)).rejects.toThrow(
      'end with sequence 4, but the trust file (bus.pub) or the checkpoint has 5',
    );
    expect((await bus.read(last(), { consistent: true })).refused).toMatchObject(BELOW);
  });

  test.each([
    ['shorter than the floor', 4, 0],
    ['beyond the floor, said before it', 4, 9],
    ['beyond the floor, said behind it', 6, 3],
  ])('restored by the root, %s, is begun by an old bus.pub too', async (_name, length, more) => {
    await cutOff(length);
    // Managers went on before anybody recorded the restore.
    const before = more === 3 ? 4 : 0;
    for (let n = 0; n < before; n += 1) await say(removed(`before-${n}`));
    const { position, hash } = last();
    await sayAsRoot(104, { type: 'BusRestored', position, hash: hash ?? '' });
    for (let n = 0; n < more; n += 1) await say(removed(`after-${n}`));
    expect(await readPositions(bounded())).toHaveLength(length + before + 1 + more);
    for (const limit of [1, 2]) {
      let checkpoint = BEGINNING;
      for (let end = false; !end; ) {
        const page = await bounded().read(checkpoint, { consistent: true, limit });
        expect(page.refused).toBeUndefined();
        ({ checkpoint, end } = page);
      }
      expect(checkpoint).toEqual(last());
    }
    await bounded().confirm(last());
    await transact(bounded(), createView(), () => ({ events: [removed('new')], result: 1 }));
  });

  test('cut off behind a restore that the floor knows is refused', async () => {
    await cutOff(4);
    const { position, hash } = last();
    await sayAsRoot(104, { type: 'BusRestored', position, hash: hash ?? '' });
    await sayAsRoot(105, { type: 'RecipientsUpdated', recipients: [{ name: 'edge', recipient: MALLORY }] });
    floor = floorAt(last());
    expect(await readPositions(bounded())).toHaveLength(6);
    await cutOff(5);
    await expect(readPositions(bounded())).rejects.toMatchObject(BELOW);
  });

  test('whose export ends below the floor is imported only where that is accepted, and begun by nobody before it is restored', async () => {
    await cutOff(6);
    const path = join(folder.path, `${files}.old`);
    const writing = await openExportFile(path, { create: true });
    await exportBus(openBus(log, 'test', keys), writing);
    await writing.close();
    const { trust } = bounded();
    const file = await openExportFile(path);
    const target = createMemoryLog();
    let opened = 0;
    const open = async () => {
      opened += 1;
      return target;
    };
    await expect(importBus(file, open, { stream: 'new', trust })).rejects.toMatchObject({
      code: 'CERTBUS_STORE_EXPORT_REFUSED',
      cause: BELOW,
    });
    expect(opened).toBe(0);
    await importBus(file, open, { stream: 'new', trust, acceptStale: true });
    await expect(readPositions(openBus(target, 'new', { trust }))).rejects.toMatchObject(BELOW);
    // A repair leaves nothing worse than it was.
    expect((await repair(file, log, { stream: 'test', trust })).checkpoint.position).toBe(6);
    await file.close();
  });

  test('is not repaired or imported from an export of another line', async () => {
    await cutOff(6);
    for (const n of [7, 8, 9]) await say(removed(`other-${n}`));
    const path = join(folder.path, `${files}.other`);
    const writing = await openExportFile(path, { create: true });
    await exportBus(openBus(log, 'test', keys), writing);
    await writing.close();
    const { trust } = bounded();
    const file = await openExportFile(path);
    const refused = { code: 'CERTBUS_STORE_EXPORT_REFUSED', cause: { ...BELOW, position: 8 } };
    await expect(repair(file, log, { stream: 'test', trust })).rejects.toMatchObject(refused);
    const imported = importBus(file, async () => createMemoryLog(), { stream: 'new', trust, acceptStale: true });
    await expect(imported).rejects.toMatchObject(refused);
    await file.close();
  });
});

test('an eventual read that lags behind the floor is read again strongly, and refused by nobody', async () => {
  const log = createMemoryLog();
  const { keys } = await beginBus(log);
  const bus = openBus(log, 'test', keys);
  let { checkpoint } = await bus.read(BEGINNING);
  for (const n of [1, 2]) ({ checkpoint } = await bus.append(checkpoint, [removed(n)], { at: new Date() }));
  const lagging: Log = {
    ...log,
    async read(stream, after, options) {
      const page = await log.read(stream, after, options);
      return options?.consistent ? page : { ...page, commits: page.commits.slice(0, 1) };
    },
  };
  const trust = { ...keys.trust, floor: floorAt(checkpoint) };
  expect(await openBus(lagging, 'test', { trust }).read(BEGINNING)).toMatchObject({ checkpoint, end: true });
});
