import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Disk, mountDisk, requirePart, temporaryFolder } from 'certbus-services';
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
  test('a client that restarts on a full disk serves, is not live, and raises an alarm with the reason', async () => {
    const { bus, disk, serialNumber } = await withReplica('full');
    execFileSync('rm', [
      '-f',
      ...readdirSync(disk.path)
        .filter((name) => name.endsWith('.lock'))
        .map((name) => join(disk.path, name)),
    ]);
    fill(disk);
    const client = await start(bus, disk);
    expect(await alarmOf(client)).toMatchObject({
      code: 'CERTBUS_REPLICA_FAILED',
      message: expect.stringMatching(/disk is full/),
    });
    expect(client.health()).toMatchObject({ live: false, following: false });
    expect([...client.certificates()]).toMatchObject([{ serialNumber }]);
    expect(await client.secureContextFor('a.test')).toBeDefined();
    const live = liveOf(client);
    execFileSync('rm', [join(disk.path, 'filler')]);
    await live;
    expect(client.health()).toMatchObject({ live: true, following: true, trouble: undefined });
  });

  test('a client in a state folder that is read-only serves what its replica has, and takes news once it can write', async () => {
    const { bus, disk, serialNumber } = await withReplica('read-only');
    const names = () => readdirSync(disk.path).toSorted();
    const before = names();
    disk.remount('ro');
    const client = await start(bus, disk);
    expect(await alarmOf(client)).toMatchObject({
      code: 'CERTBUS_REPLICA_FAILED',
      message: expect.stringMatching(/mounted read-only/),
    });
    expect(client.health()).toMatchObject({ live: false });
    expect([...client.certificates()]).toMatchObject([{ serialNumber }]);
    expect(await client.secureContextFor('a.test')).toBeDefined();
    expect(names()).toEqual(before);
    const renewed = await bus.issue(['a.test']);
    const live = liveOf(client);
    disk.remount('rw');
    await live;
    await expect.poll(() => [...client.certificates()]).toMatchObject([{ serialNumber: renewed.serialNumber }]);
  });

  test('a disk that fills while a client follows is an alarm; it goes on from where it was once there is room', async () => {
    const { bus, disk } = await withReplica('filling');
    const client = await start(bus, disk);
    if (!client.health().live) await liveOf(client);
    fill(disk);
    const alarm = alarmOf(client);
    for (let i = 0; i < 40; i += 1) await bus.issue([`${i}.test`]);
    expect(await alarm).toMatchObject({ code: 'CERTBUS_REPLICA_FAILED', message: expect.stringMatching(/full/) });
    expect(client.health().live).toBe(false);
    const live = liveOf(client);
    execFileSync('rm', [join(disk.path, 'filler')]);
    await live;
    await expect.poll(() => [...client.certificates()].length).toBe(41);
  });
});

/** What a client in a process of its own says of itself, as a user without rights and with few open files. */
function healthAs(user: { readonly uid: number; readonly files: number }, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const command = `ulimit -n ${user.files}; exec "$0" --conditions=certbus:source "$@"`;
    const child = spawn('/bin/sh', ['-c', command, process.execPath, PROCESS, ...args], {
      stdio: ['ignore', 'pipe', 'pipe'],
      uid: user.uid,
      gid: user.uid,
      env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' },
    });
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
