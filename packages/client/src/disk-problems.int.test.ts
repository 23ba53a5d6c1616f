import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { parseTrust } from '@certbus/events';
import { openReplica, ownFolder, type Replica } from '@certbus/replica';
import { lockFile } from '@certbus/store/sqlite-files';
import { asUser, type Disk, mountDisk, requirePart, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { connect } from './connect.ts';
import type { CertBus } from './index.ts';
import { createTestBus, type TestBus } from './testing.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const PROCESS = fileURLToPath(new URL('./health-process.builders.ts', import.meta.url));
const STRANGER = 65_533;

/** A bus with a certificate, and a disk on which a client has kept a good replica of it. */
async function withReplica(name: string): Promise<{ bus: TestBus; disk: Disk; serialNumber: string }> {
  const bus = await createTestBus();
  onTestFinished(() => bus.close());
  const disk = mountDisk(join(folder.path, name), { megabytes: 4 });
  onTestFinished(() => disk.remove());
  const { serialNumber } = await bus.issue(['a.test']);
  await (await start(bus, disk)).close();
  return { bus, disk, serialNumber };
}

async function start({ bus, identity, trust }: TestBus, disk: Disk): Promise<CertBus> {
  const client = await connect({ bus, identity, trust, stateDirectory: disk.path, intervalMs: 100 });
  onTestFinished(() => client.close());
  return client;
}

/** The replica that a client has left on a disk, without its bus. */
function openReplicaOf(disk: Disk, { trust }: TestBus): Promise<Replica> {
  return openReplica({ path: fileOn(disk), busId: parseTrust(trust).busId, role: 'client' });
}

/** The file of the replica on a disk. */
function fileOn(disk: Disk): string {
  const folder = ownFolder(disk.path);
  const [name = ''] = readdirSync(folder).filter((each) => each.endsWith('.db'));
  return join(folder, name);
}

const alarmOf = (client: CertBus): Promise<Error> => new Promise((resolve) => client.on('alarm', resolve));
const liveOf = (client: CertBus): Promise<void> => new Promise((resolve) => client.on('live', () => resolve()));

function fill({ path }: Disk): void {
  try {
    writeFileSync(join(path, 'filler'), Buffer.alloc(8 * 2 ** 20));
  } catch (error) {
    expect(error).toMatchObject({ code: 'ENOSPC' });
  }
}

const part = requirePart('disks');
describe.skipIf(part.skip)(part.title('on a disk with a problem'), () => {
  /** What is listed for `a.test`. */
  const serialsOf = (client: CertBus) => [...client.certificates()].map(({ serialNumber }) => serialNumber);

  /** Waits until everything is on the disk, and looks whether it is there without the bus. */
  async function expectWritten({ bus, disk }: { bus: TestBus; disk: Disk }, client: CertBus, serials: string[]) {
    await expect.poll(() => client.health().trouble).toBeUndefined();
    await client.close();
    const again = await openReplicaOf(disk, bus);
    expect([...again.certificates()].map(({ current }) => current?.serialNumber).toSorted()).toEqual(
      serials.toSorted(),
    );
    await again.close();
  }

  test('a client that restarts on a full disk serves, also what is new, and raises an alarm with the reason', async () => {
    const { bus, disk, serialNumber } = await withReplica('full');
    execFileSync('rm', [
      '-f',
      ...readdirSync(ownFolder(disk.path))
        .filter((name) => name.endsWith('.lock'))
        .map((name) => join(ownFolder(disk.path), name)),
    ]);
    fill(disk);
    const client = await start(bus, disk);
    expect(await alarmOf(client)).toMatchObject({
      code: 'CERTBUS_REPLICA_FAILED',
      message: expect.stringMatching(/disk is full/),
    });
    expect(serialsOf(client)).toEqual([serialNumber]);
    const renewed = await bus.issue(['a.test']);
    await expect.poll(() => serialsOf(client)).toEqual([renewed.serialNumber]);
    expect(await client.secureContextFor('a.test')).toBeDefined();
    expect(client.health()).toMatchObject({ live: true, following: true, trouble: { code: 'CERTBUS_REPLICA_FAILED' } });
    execFileSync('rm', [join(disk.path, 'filler')]);
    await expectWritten({ bus, disk }, client, [renewed.serialNumber]);
  });

  test('a client with a damaged replica on a full disk serves what can be read of it, and what is new, and replaces it once it can', async () => {
    const { bus, disk, serialNumber } = await withReplica('damaged');
    const [name = ''] = readdirSync(ownFolder(disk.path)).filter((each) => each.endsWith('.db'));
    const path = join(ownFolder(disk.path), name);
    const bytes = readFileSync(path);
    bytes.writeUInt8(bytes.readUInt8(3) ^ 1, 3);
    writeFileSync(path, bytes);
    fill(disk);
    const client = await start(bus, disk);
    const alarms: Error[] = [];
    client.on('alarm', (error) => alarms.push(error));
    expect(serialsOf(client)).toEqual([serialNumber]);
    const renewed = await bus.issue(['a.test']);
    await expect.poll(() => serialsOf(client)).toEqual([renewed.serialNumber]);
    expect(alarms.map((alarm) => 'code' in alarm && alarm.code)).toContain('CERTBUS_REPLICA_FAILED');
    execFileSync('rm', [join(disk.path, 'filler')]);
    await expectWritten({ bus, disk }, client, [renewed.serialNumber]);
    expect(alarms.map((alarm) => 'code' in alarm && alarm.code)).toContain('CERTBUS_REPLICA_DAMAGED');
  });

  test('a client in a state folder that is read-only serves what is new from memory, and writes it once it can', async () => {
    const { bus, disk, serialNumber } = await withReplica('read-only');
    const names = () => readdirSync(ownFolder(disk.path)).toSorted();
    const before = names();
    disk.remount('ro');
    const client = await start(bus, disk);
    expect(await alarmOf(client)).toMatchObject({
      code: 'CERTBUS_REPLICA_FAILED',
      message: expect.stringMatching(/mounted read-only/),
    });
    expect(serialsOf(client)).toEqual([serialNumber]);
    const renewed = await bus.issue(['a.test']);
    await expect.poll(() => serialsOf(client)).toEqual([renewed.serialNumber]);
    expect(await client.secureContextFor('a.test')).toBeDefined();
    expect(names()).toEqual(before);
    disk.remount('rw');
    await expectWritten({ bus, disk }, client, [renewed.serialNumber]);
  });

  test('what comes as soon as a read-only disk can be written again is served, and written', async () => {
    const { bus, disk } = await withReplica('written-again');
    disk.remount('ro');
    const client = await start(bus, disk);
    const first = await bus.issue(['a.test']);
    await expect.poll(() => serialsOf(client)).toEqual([first.serialNumber]);
    disk.remount('rw');
    // It is written before anybody looks whether it can be.
    const second = await bus.issue(['a.test']);
    await expect.poll(() => serialsOf(client)).toEqual([second.serialNumber]);
    await expectWritten({ bus, disk }, client, [second.serialNumber]);
  });

  test('a disk that fills while a client follows is one alarm; what comes is served, and written once there is room', async () => {
    const { bus, disk } = await withReplica('filling');
    const client = await start(bus, disk);
    if (!client.health().live) await liveOf(client);
    fill(disk);
    const alarms: Error[] = [];
    client.on('alarm', (error) => alarms.push(error));
    for (let i = 0; i < 40; i += 1) await bus.issue([`${i}.test`]);
    const renewed = await bus.issue(['a.test']);
    await expect.poll(() => serialsOf(client)).toContain(renewed.serialNumber);
    expect(client.health()).toMatchObject({ live: true, certificates: { served: 41 } });
    expect(await client.secureContextFor('39.test')).toBeDefined();
    expect(alarms).toMatchObject([{ code: 'CERTBUS_REPLICA_FAILED', message: expect.stringMatching(/full/) }]);
    execFileSync('rm', [join(disk.path, 'filler')]);
    await expectWritten({ bus, disk }, client, serialsOf(client));
  });

  test('on a full disk every process on the folder serves what is new, and one of them writes it once there is room', async () => {
    const { bus, disk } = await withReplica('shared');
    const [first, second] = [await start(bus, disk), await start(bus, disk)];
    await expect.poll(() => [first.health().live, second.health().live]).toEqual([true, true]);
    expect(second.health()).toMatchObject({ following: false, trouble: undefined });
    const alarms: Error[] = [];
    second.on('alarm', (error) => alarms.push(error));
    fill(disk);
    for (let i = 0; i < 40; i += 1) await bus.issue([`${i}.test`]);
    const renewed = await bus.issue(['a.test']);
    for (const client of [first, second]) {
      await expect.poll(() => serialsOf(client)).toContain(renewed.serialNumber);
      expect(client.health()).toMatchObject({ live: true, certificates: { served: 41 } });
      expect(client.health().trouble).toMatchObject({ code: 'CERTBUS_REPLICA_FAILED' });
      expect(await client.secureContextFor('39.test')).toBeDefined();
    }
    expect(alarms).toMatchObject([{ code: 'CERTBUS_REPLICA_FAILED', message: expect.stringMatching(/no room/) }]);
    // Nobody reads the file all the time: its log may be what takes the room.
    const file = new DatabaseSync(fileOn(disk));
    expect(file.prepare('PRAGMA wal_checkpoint(RESTART)').get()).toMatchObject({ busy: 0 });
    file.close();
    const all = serialsOf(second).toSorted();
    const older: unknown[] = [];
    const shown = await second.secureContextFor('39.test');
    let rebuilds = 0;
    second.on('rebuilt', () => {
      rebuilds += 1;
    });
    second.on('changed', () => older.push(...all.filter((serial) => !serialsOf(second).includes(serial))));
    execFileSync('rm', [join(disk.path, 'filler')]);
    await expect.poll(() => first.health().trouble).toBeUndefined();
    await expect.poll(() => second.health()).toMatchObject({ following: false, live: true, trouble: undefined });
    expect(serialsOf(second).toSorted()).toEqual(all);
    const { serialNumber } = await bus.issue(['last.test']);
    for (const client of [first, second]) await expect.poll(() => serialsOf(client)).toContain(serialNumber);
    expect(older).toEqual([]);
    // What was served from memory is that which is on the disk now: neither contexts nor sessions are given up, and nobody is alarmed.
    expect([rebuilds, alarms.length]).toEqual([0, 1]);
    expect(await second.secureContextFor('39.test')).toBe(shown);
    await second.close();
    await expectWritten({ bus, disk }, first, [...all, serialNumber]);
  });

  test('a process on a full disk goes on where the one that wrote has ended, and writes once there is room', async () => {
    const { bus, disk } = await withReplica('left');
    const [first, second] = [await start(bus, disk), await start(bus, disk)];
    await expect.poll(() => [first.health().live, second.health().live]).toEqual([true, true]);
    fill(disk);
    for (let i = 0; i < 40; i += 1) await bus.issue([`${i}.test`]);
    await expect.poll(() => serialsOf(second)).toHaveLength(41);
    const all = serialsOf(second).toSorted();
    await first.close();
    const { serialNumber } = await bus.issue(['last.test']);
    await expect.poll(() => serialsOf(second).toSorted()).toEqual([...all, serialNumber].toSorted());
    execFileSync('rm', [join(disk.path, 'filler')]);
    await expect.poll(() => second.health()).toMatchObject({ following: true, live: true });
    await expectWritten({ bus, disk }, second, [...all, serialNumber]);
  });

  test('what is in memory alone is served on while another process has the role, and then read from the bus', async () => {
    const { bus, disk } = await withReplica('overtaken');
    const client = await start(bus, disk);
    if (!client.health().live) await liveOf(client);
    const state = ownFolder(disk.path);
    const [lock = ''] = readdirSync(state).filter((name) => name.endsWith('.lock'));
    const other = lockFile(join(state, 'other'));
    fill(disk);
    for (let i = 0; i < 40; i += 1) await bus.issue([`${i}.test`]);
    await expect.poll(() => serialsOf(client)).toHaveLength(41);
    const all = serialsOf(client).toSorted();
    renameSync(join(state, 'other'), join(state, lock));
    await expect.poll(() => client.health().following).toBe(false);
    expect(serialsOf(client).toSorted()).toEqual(all);
    execFileSync('rm', [join(disk.path, 'filler')]);
    other?.[Symbol.dispose]();
    await expect.poll(() => client.health().following).toBe(true);
    expect(serialsOf(client)).toEqual(expect.arrayContaining(all));
    const { serialNumber } = await bus.issue(['last.test']);
    await expect.poll(() => serialsOf(client)).toContain(serialNumber);
    await expectWritten({ bus, disk }, client, [...all, serialNumber]);
  });
});

/** What a client in a process of its own says of itself, as a user without rights and with few open files. */
function healthAs(user: { readonly uid: number; readonly files: number }, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const script = `ulimit -n ${user.files}; exec "$0" --conditions=certbus:source "$@"`;
    const [command, ...own] = asUser(user.uid, ['sh', '-c', script, process.execPath, PROCESS, ...args]);
    const env = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' };
    const child = spawn(command, own, { stdio: ['ignore', 'pipe', 'pipe'], env });
    const read: string[] = [];
    child.stdout.on('data', (data) => read.push(String(data)));
    child.stderr.on('data', (data) => read.push(String(data)));
    child.on('error', reject).on('close', () => resolve(read.join('')));
  });
}

describe.skipIf(part.skip)(part.title('as a user without rights'), () => {
  test('a state folder of somebody else is served from, with an alarm that names what to check', async () => {
    const place = join(folder.path, 'denied');
    mkdirSync(place);
    const address = `sqlite:${place}/bus.db#test`;
    const bus = await createTestBus({ address });
    onTestFinished(() => bus.close());
    await bus.issue(['a.test']);
    const state = join(place, 'state');
    const options = { bus: address, identity: bus.identity, trust: bus.trust, stateDirectory: state };
    await (await connect(options)).close();
    for (const path of [folder.path, place, state]) chmodSync(path, 0o755);
    for (const name of readdirSync(state)) chmodSync(join(state, name), 0o644);
    const said = await healthAs({ uid: STRANGER, files: 1024 }, [JSON.stringify(options)]);
    expect(said).toMatch(/"served":1/);
    expect(said).toMatch(/"live":false/);
    expect(said).toMatch(/no access/);
    chownSync(state, STRANGER, STRANGER);
    for (const name of readdirSync(state)) chownSync(join(state, name), STRANGER, STRANGER);
    expect(await healthAs({ uid: STRANGER, files: 1024 }, [JSON.stringify(options)])).toMatch(/"served":1/);
  });
});
