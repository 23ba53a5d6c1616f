/** Tests of new machines on a bus that was cut off or was silent for long, by commands as processes. */
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatTrust, parseTrust } from '@certbus/events';
import { BEGINNING, floorAt } from '@certbus/events/history';
import { openBus } from '@certbus/store';
import { openSqliteLog } from '@certbus/store/sqlite';
import { startExampleServer } from 'certbus-example-server';
import { temporaryFolder } from 'certbus-services';
import { usePacked } from 'certbus-services/vitest';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { beginSite } from './begin-site.builders.ts';
import { certbus } from './cli.builders.ts';
import { putCertificate } from './site.builders.ts';

const DAY_MS = 86_400_000;
const BELOW = 'CERTBUS_EVENTS_BELOW_FLOOR';
const STALE = 'CERTBUS_MANAGER_BUS_STALE';
const temporary = temporaryFolder();
let sites = 0;
let site: string;
afterAll(() => temporary.remove());

const CONFIGURATION = JSON.stringify({
  version: 1,
  authorities: { ca: { directory: 'https://127.0.0.1:1/dir', termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
  dns: [],
});

/** A folder with a bus that was begun so many days ago. */
async function begin(days: number): Promise<void> {
  sites += 1;
  site = join(temporary.path, `site${sites}`);
  await beginSite(site, { begunAt: new Date(Date.now() - days * DAY_MS) });
}

/** Runs a command on a machine of a name, which has read what its commands have read before. */
const on = (machine: string, args: readonly string[], more: Parameters<typeof certbus>[2] = {}) =>
  certbus(site, args, { ...more, env: { CERTBUS_STATE_DIR: join(site, machine), ...more.env } });
const codeIn = (stdout: string): unknown => JSON.parse(stdout).error?.code;
const trustText = () => readFileSync(join(site, 'bus.pub'), 'utf8');

/** Writes the head of the bus into bus.pub, as a change of keys does. */
async function raiseFloor(): Promise<void> {
  const log = await openSqliteLog(join(site, 'bus.db'));
  const trust = parseTrust(trustText());
  const { checkpoint } = await openBus(log, 'certbus', { trust }).read(BEGINNING, { consistent: true });
  await log.close();
  writeFileSync(join(site, 'bus.pub'), `${formatTrust({ ...trust, floor: floorAt(checkpoint) })}\n`);
}

/** What the store's holder can do: only the first `length` commits are left. */
async function cutOff(length: number): Promise<void> {
  const log = await openSqliteLog(join(site, 'bus.db'));
  const { commits } = await log.read('certbus', length, { limit: 100 });
  for (const { position, bytes } of commits.toReversed())
    await log.maintenance?.replace('certbus', position, { found: bytes, bytes: undefined });
  await log.close();
}

const exampleServer = (trust: string) =>
  startExampleServer({
    bus: `sqlite:${join(site, 'bus.db')}#certbus`,
    identity: join(site, 'loadbalancer.key'),
    trust,
    stateDirectory: join(site, 'server'),
    intervalMs: 100,
    port: 0,
    httpPort: 0,
  });

test('init writes the floor below the trust line, and leaves it there', async () => {
  site = join(temporary.path, 'init');
  mkdirSync(site);
  const flags = [
    '--directory',
    'https://127.0.0.1:1/dir',
    '--dns-provider',
    'challtestsrv',
    '--dns-url',
    'http://127.0.0.1:1',
  ];
  expect((await certbus(site, ['init', '--agree-tos', ...flags])).status).toBe(0);
  const text = trustText();
  expect(text).toMatch(/^certbus1 [\w-]{43} [\w-]{43}\nsince 1 [\w-]{43} 2\n$/);
  expect(statSync(join(site, 'bus.pub')).mode & 0o777).toBe(0o644);
  expect((await certbus(site, ['init', '--agree-tos', ...flags])).status).toBe(0);
  expect(trustText()).toBe(text);
});

describe('a bus that was cut off below the floor', () => {
  beforeEach(async () => {
    await begin(0);
    await putCertificate(site, 'certificate1');
    expect((await on('old', ['cert', 'ls'])).status).toBe(0);
    expect((await on('old', ['bus', 'export', 'backup'])).status).toBe(0);
    await putCertificate(site, 'certificate2');
    await raiseFloor();
    await cutOff(2);
  });

  test('is begun on by no command of a new machine, nor by a load balancer', async () => {
    for (const args of [
      ['cert', 'ls'],
      ['cert', 'rm', 'certificate1', '--yes'],
      ['conf', 'display'],
      ['bus', 'verify'],
      ['bus', 'log'],
      ['bus', 'export', 'another-backup'],
      ['bus', 'import', 'backup', '--bus', 'sqlite:./imported.db#certbus'],
    ]) {
      const { status, stdout } = await on('new', [...args, '--json']);
      const code = codeIn(stdout);
      expect({ args, status, code }).toEqual({
        args,
        status: 9,
        code: args[1] === 'import' ? 'CERTBUS_STORE_EXPORT_REFUSED' : BELOW,
      });
    }
    const doctor = await on('new', ['doctor']);
    expect(doctor).toMatchObject({
      status: 10,
      stdout: expect.stringMatching(/failed +bus .*was cut off or put back/),
    });
    // Not one that has read it either: it sees as well that what it read is no longer there, or that it is too little.
    expect((await on('old', ['cert', 'ls'])).status).toBe(9);
    await expect(exampleServer(join(site, 'bus.pub'))).rejects.toMatchObject({ code: BELOW });
    await expect(exampleServer(trustText())).rejects.toMatchObject({ code: BELOW });
    const given = await on('new', ['bus', 'verify'], { env: { CERTBUS_TRUST: trustText().trim() } });
    expect(given).toMatchObject({ status: 9, stderr: expect.stringContaining('position 3 at least') });
  });

  test('is begun on again once the root has recorded a restore, also with the old bus.pub', async () => {
    copyFileSync(join(site, 'bus.pub'), join(site, 'old.pub'));
    const restored = JSON.parse((await on('new', ['bus', 'restored', '--json'])).stdout).result;
    expect(restored.position).toBe(3);
    expect(`${restored.trust}\n`).toBe(trustText());
    expect(trustText()).toMatch(/\nsince 3 [\w-]{43} 10\d\n$/);
    for (const trust of ['bus.pub', 'old.pub']) {
      const env = { CERTBUS_TRUST: trust };
      expect((await on(`with ${trust}`, ['cert', 'ls'], { env })).stdout).toContain('certificate1');
      expect((await on(`with ${trust}`, ['bus', 'verify'], { env })).status).toBe(0);
      await (await exampleServer(join(site, trust))).close();
    }
    await cutOff(2);
    expect((await on('newer', ['bus', 'verify'])).status).toBe(9);
  });

  test('says which lines to copy where bus.pub is given as text', async () => {
    const { stdout, stderr } = await on('new', ['bus', 'restored'], { env: { CERTBUS_TRUST: trustText().trim() } });
    expect(stderr).toContain('CERTBUS_TRUST');
    expect(stdout).toMatch(/^certbus1 .*\nsince 3 /m);
  });
});

describe('a bus that was silent for three days', () => {
  const update = (machine: string, more: readonly string[] = [], env: Readonly<Record<string, string>> = {}) =>
    on(machine, ['conf', 'update', '--json', ...more], { input: CONFIGURATION, env });

  /** Without the floor, which is the head here. */
  beforeEach(async () => {
    await begin(3);
    writeFileSync(join(site, 'bus.pub'), `${trustText().split('\n')[0]}\n`);
  });

  test('is read by a new machine, and signed on once it is told to', async () => {
    const listed = await on('new', ['cert', 'ls', '--json']);
    expect(listed).toMatchObject({ status: 0, stderr: expect.stringContaining('nothing is signed') });
    expect(JSON.parse(listed.stdout)).toMatchObject({
      status: 'ok',
      warnings: [expect.stringMatching(/^the bus was silent .*nothing is signed \(position: \d+; newestAt: /)],
    });
    const refused = await update('new');
    expect({ status: refused.status, code: codeIn(refused.stdout) }).toEqual({ status: 9, code: STALE });
    expect(codeIn((await on('new', ['cert', 'mk', 'a.test', '--json'])).stdout)).toBe(STALE);
    expect((await update('new', ['--accept-stale'])).status).toBe(0);
    expect((await update('new')).status).toBe(0);
  });

  test('is signed on by a container that is told to by its environment', async () => {
    expect((await update('container', [], { CERTBUS_ACCEPT_STALE: '0' })).status).toBe(9);
    expect((await update('container', [], { CERTBUS_ACCEPT_STALE: '1' })).status).toBe(0);
  });
});

describe('a container that cron starts with an empty folder', () => {
  const checkpoint = () => join(site, 'checkpoint');
  const kept = () => parseTrust(readFileSync(checkpoint(), 'utf8')).floor?.position;
  /** A command in a container of its own, which has the file of the checkpoint and nothing else. */
  const contained = (args: readonly string[], more: Parameters<typeof certbus>[2] = {}) =>
    on(crypto.randomUUID(), args, { ...more, env: { CERTBUS_CHECKPOINT: checkpoint(), ...more.env } });
  const renew = () => contained(['cert', 'renewable', '--renew-all']);

  /** Without the floor, which is the head here. */
  beforeEach(async () => {
    await begin(0);
    writeFileSync(join(site, 'bus.pub'), `${trustText().split('\n')[0]}\n`);
    expect((await on('old', ['conf', 'update'], { input: CONFIGURATION })).status).toBe(0);
  });

  test('keeps how far it read in a file, by which no command of the next one takes a log that was cut off', async () => {
    expect((await renew()).status).toBe(0);
    expect(kept()).toBe(2);
    await putCertificate(site, 'certificate1');
    expect((await on('old', ['cert', 'rm', 'certificate1', '--yes'])).status).toBe(0);
    expect((await renew()).status).toBe(0);
    expect(kept()).toBe(4);
    await cutOff(3);
    for (const args of [
      ['cert', 'renewable', '--renew-all'],
      ['cert', 'ls'],
      ['cert', 'history', 'certificate1'],
      ['manager', 'ls'],
      ['recipient', 'ls'],
      ['bus', 'verify'],
      ['bus', 'log'],
      ['bus', 'export', 'backup'],
    ]) {
      const { status, stdout } = await contained([...args, '--json']);
      expect({ args, status, code: codeIn(stdout) }).toEqual({ args, status: 9, code: BELOW });
    }
    expect((await contained(['doctor', '--load-balancer'])).stdout).toMatch(/failed +bus .*was cut off or put back/);
    expect(kept()).toBe(4);
    // Nothing else tells: without the checkpoint what is left is a good bus.
    expect((await on('new', ['bus', 'verify'])).status).toBe(0);
  });

  test('does not look at a bus whose checkpoint it cannot read, and says of what it read before that it is old', async () => {
    const env = {
      CERTBUS_CHECKPOINT: 'ssm:/certbus/checkpoint?region=eu-central-1&endpoint=http://127.0.0.1:1',
      AWS_ACCESS_KEY_ID: 'AKIATEST',
      AWS_SECRET_ACCESS_KEY: 'test',
    };
    const code = 'CERTBUS_CLI_SECRET_UNREACHABLE';
    for (const args of [
      ['bus', 'verify'],
      ['cert', 'ls'],
    ]) {
      const { status, stdout } = await contained([...args, '--json'], { env });
      expect({ args, status, code: codeIn(stdout) }).toEqual({ args, status: 7, code });
    }
    expect((await on('old', ['cert', 'ls'])).status).toBe(0);
    expect(await on('old', ['cert', 'ls'], { env })).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/as of position 2, .*The checkpoint cannot be read from ssm:\/certbus\/checkpoint/),
    });
  });
});

test('the packed command line refuses both, and says what to do', async () => {
  const project = join(temporary.path, 'project');
  await usePacked('certbus', project);
  const bin = join(project, 'node_modules', 'certbus', 'bin', 'run.js');
  await begin(3);
  const withFloor = trustText();
  writeFileSync(join(site, 'bus.pub'), `${withFloor.split('\n')[0]}\n`);
  const stale = await on('new', ['conf', 'update'], { bin, input: CONFIGURATION });
  expect(stale).toMatchObject({ status: 9, stderr: expect.stringContaining('--accept-stale') });
  expect((await on('new', ['conf', 'update', '--accept-stale'], { bin, input: CONFIGURATION })).status).toBe(0);
  await raiseFloor();
  await cutOff(1);
  const below = await on('newer', ['bus', 'verify'], { bin });
  expect(below.status).toBe(9);
  expect(below.stderr.replace(/\s+/g, ' ')).toContain('bus restored');
});
