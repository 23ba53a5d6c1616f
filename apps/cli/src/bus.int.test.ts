/** Tests of a bus that was overwritten, cut off, restored or exported, by the bus commands as processes. */
import { copyFileSync, cpSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createPolicies } from '@certbus/lambda/policies';
import { openExportFile } from '@certbus/store/export-file';
import { openSqliteLog } from '@certbus/store/sqlite';
import { type ExampleServer, startExampleServer } from 'certbus-example-server';
import { findAwsCli, requirePart, run as runProgram, startMoto, temporaryFolder } from 'certbus-services';
import { drawCredentials, sharedDynamoDbLocal } from 'certbus-services/vitest';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';
import { putCertificate, serialAt } from './site.builders.ts';

const dynamoDb = requirePart('dynamodb-local');
const temporary = temporaryFolder();
const servers: ExampleServer[] = [];
/** What `certbus init` makes; each test has a copy. */
const untouched = join(temporary.path, 'untouched');
let sites = 0;
let site: string;

const run = (...args: string[]) => certbus(site, args);

beforeAll(async () => {
  mkdirSync(untouched);
  const ca = [
    '--directory',
    'https://127.0.0.1:1/dir',
    '--dns-provider',
    'challtestsrv',
    '--dns-url',
    'http://127.0.0.1:1',
  ];
  expect((await certbus(untouched, ['init', '--agree-tos', ...ca])).status).toBe(0);
});
beforeEach(() => {
  sites += 1;
  site = join(temporary.path, `site${sites}`);
  cpSync(untouched, site, { recursive: true });
});
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close();
});
afterAll(() => temporary.remove());

/** A load balancer of the site, and the alarms that it raised. */
async function startServer(options: Partial<Parameters<typeof startExampleServer>[0]> = {}) {
  const alarms: string[] = [];
  const server = await startExampleServer({
    bus: `sqlite:${join(site, 'bus.db')}#certbus`,
    identity: join(site, 'loadbalancer.key'),
    trust: join(site, 'bus.pub'),
    stateDirectory: join(site, 'server'),
    intervalMs: 100,
    port: 0,
    httpPort: 0,
    log: (line) => alarms.push(line),
    ...options,
  });
  servers.push(server);
  return { ...server, alarms };
}

const eventually = (check: () => unknown) => expect.poll(check, { interval: 50 });

/** What somebody can do who may write to the store but has no key. */
async function vandalise(change: (log: Awaited<ReturnType<typeof openSqliteLog>>) => Promise<unknown>): Promise<void> {
  const log = await openSqliteLog(join(site, 'bus.db'));
  await change(log);
  await log.close();
}

describe('a bus that was written to without a key', () => {
  test('stops, is served from, and is repaired from an export', async () => {
    const serial = await putCertificate(site);
    const { port, client, alarms } = await startServer();
    expect(await serialAt(port)).toBe(serial);
    expect(await run('bus', 'export', 'backup')).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('holds all'),
    });
    await vandalise((log) => log.append('certbus', client.health().position, Buffer.from('forged')));
    await eventually(() => alarms.join()).toContain('refused');
    expect(await serialAt(port)).toBe(serial);
    expect(await run('bus', 'verify')).toMatchObject({ status: 9, stderr: expect.stringContaining('refused') });
    expect((await run('cert', 'ls')).status).toBe(9);

    const position = client.health().position + 1;
    expect(await run('bus', 'repair', '--from', 'backup')).toMatchObject({
      status: 9,
      stderr: expect.stringContaining('--drop-tail'),
    });
    const dry = await run('bus', 'repair', '--from', 'backup', '--dry-run', '--json');
    expect(resultOf(dry)).toMatchObject({ replaced: [], dropped: [position] });
    expect(await run('bus', 'repair', '--from', 'backup', '--drop-tail')).toMatchObject({ status: 2 });
    const missing = await run('bus', 'repair', '--from', 'no-backup', '--drop-tail');
    expect(missing).toMatchObject({ stderr: expect.stringContaining('no-backup') });
    expect(missing.stderr).not.toContain('--yes');
    expect(await run('bus', 'repair', '--from', 'backup', '--drop-tail', '--yes')).toMatchObject({ status: 0 });
    expect((await run('bus', 'verify')).status).toBe(0);
    const renewed = await putCertificate(site);
    await eventually(() => serialAt(port)).toBe(renewed);
    expect(client.health().trouble).toBeUndefined();
  });

  test('overwritten, is put back to what was there', async () => {
    await putCertificate(site);
    await run('bus', 'export', 'backup');
    await vandalise(async (log) => {
      const { commits } = await log.read('certbus', 1, { limit: 1 });
      await log.maintenance?.replace('certbus', 2, { found: commits[0]?.bytes, bytes: Buffer.from('forged') });
    });
    expect((await run('bus', 'verify')).stderr).toContain('Commit 2 refused');
    const listed = await run('bus', 'log');
    expect(listed).toMatchObject({ status: 9, stderr: expect.stringContaining('bus repair --from EXPORT --dry-run') });
    expect(listed.stdout).toContain('BusCreated');
    const repaired = await run('bus', 'repair', '--from', 'backup', '--json');
    expect(resultOf(repaired)).toMatchObject({ replaced: [2], dropped: [] });
    expect((await run('bus', 'verify')).status).toBe(0);
  });
});

describe('a bus that something was taken from', () => {
  const removeAt = async (position: number) =>
    vandalise(async (log) => {
      const { commits } = await log.read('certbus', position - 1, { limit: 1 });
      await log.maintenance?.replace('certbus', position, { found: commits[0]?.bytes, bytes: undefined });
    });

  test('does not verify with a gap, nor where this machine has read further, nor when it is empty', async () => {
    await putCertificate(site);
    expect((await run('cert', 'ls')).status).toBe(0);
    await removeAt(2);
    expect(await run('bus', 'verify')).toMatchObject({ status: 9, stderr: expect.stringContaining('not 2') });
    for (const position of [3, 4]) await removeAt(position);
    const cut = await run('bus', 'verify');
    expect(cut).toMatchObject({ status: 9, stdout: '', stderr: expect.stringContaining('no longer in the log') });
    await removeAt(1);
    expect((await run('bus', 'verify')).status).toBe(9);
  });

  test('a stream with nothing in it is not a bus to any command', async () => {
    const env = { CERTBUS_BUS: 'sqlite:./bus.db#another' };
    for (const args of [
      ['bus', 'verify'],
      ['bus', 'log'],
      ['bus', 'export', 'backup'],
      ['cert', 'ls'],
    ]) {
      const ended = await certbus(site, args, { env });
      expect(ended).toMatchObject({
        status: 7,
        stdout: '',
        stderr: expect.stringContaining('#another does not exist: its stream is empty'),
      });
    }
  });
});

test("a bus on which an id stands twice, as after a manager's machine was cloned, does not verify, and is used on", async () => {
  const random = vi.spyOn(crypto, 'getRandomValues').mockImplementation((array) => {
    (array as unknown as Uint8Array).fill(7);
    return array;
  });
  await putCertificate(site, 'certificate1');
  await putCertificate(site, 'certificate2');
  random.mockRestore();
  const verified = await run('bus', 'verify');
  expect(verified).toMatchObject({ status: 9, stdout: '' });
  expect(verified.stderr).toMatch(
    /all 5 commits are signed and linked[\s\S]*Commit 5 refused: its id was used at position 4/,
  );
  expect(verified.stderr).not.toContain('repair');
  expect((await run('cert', 'ls')).stdout).toContain('certificate2');
});

test('a log that is followed as JSON is a line for each commit, and exits 0 at Ctrl-C', async () => {
  const followed = await certbus(site, ['bus', 'log', '--follow', '--json'], { interruptAt: 'ConfigUpdated' });
  expect(followed.status).toBe(0);
  const lines = followed.stdout.trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).position)).toEqual(lines.map((_, index) => index + 1));
});

describe('a restore', () => {
  test('is served through, and followed once the root has said so', async () => {
    const kept = await putCertificate(site, 'certificate1');
    copyFileSync(join(site, 'bus.db'), join(site, 'saved.db'));
    const lost = await putCertificate(site, 'certificate1');
    await run('bus', 'export', 'old');
    const { port, client, alarms } = await startServer();
    expect(await serialAt(port)).toBe(lost);
    expect((await run('cert', 'ls')).status).toBe(0);

    for (const file of ['bus.db', 'bus.db-wal', 'bus.db-shm']) rmSync(join(site, file), { force: true });
    copyFileSync(join(site, 'saved.db'), join(site, 'bus.db'));
    await eventually(() => alarms.join()).toContain('no longer in the log');
    expect(await serialAt(port)).toBe(lost);
    expect(await run('cert', 'ls')).toMatchObject({
      status: 9,
      stderr: expect.stringContaining('no longer in the log'),
    });

    expect((await run('bus', 'verify')).stderr).toMatch(/commits that are there are good .*no longer in the log/);
    const said = await run('bus', 'restored', '--json');
    expect(said.status).toBe(0);
    await eventually(() => client.health().position).toBe(resultOf(said).position);
    await eventually(() => serialAt(port)).toBe(kept);
    expect((await run('cert', 'ls')).stdout).toContain('certificate1');
    expect(await run('bus', 'restored')).toMatchObject({
      status: 8,
      stderr: expect.stringContaining('nothing was lost'),
    });
    for (const args of [
      ['bus', 'export', 'old'],
      ['bus', 'repair', '--from', 'old'],
    ])
      expect((await run(...args)).status).toBe(9);
    expect((await run('bus', 'export', 'new')).status).toBe(0);
    const next = await putCertificate(site, 'certificate1');
    await eventually(() => serialAt(port)).toBe(next);
  });
});

describe('archives and exports', () => {
  test('an export becomes a bus elsewhere, and a load balancer starts from it', async () => {
    const serial = await putCertificate(site);
    await run('bus', 'export', 'backup');
    expect(await run('bus', 'import', 'backup', '--bus', 'sqlite:./other.db#moved')).toMatchObject({ status: 0 });
    expect((await run('bus', 'import', 'backup', '--bus', 'sqlite:./other.db#moved')).status).toBe(0);
    const { port } = await startServer({ bus: `sqlite:${join(site, 'other.db')}#moved` });
    expect(await serialAt(port)).toBe(serial);
    writeFileSync(join(site, 'backup'), 'no export at all');
    expect(await run('bus', 'import', 'backup', '--bus', 'sqlite:./third.db')).toMatchObject({
      status: 9,
      stderr: expect.stringContaining('this file is not an export'),
    });
    expect(existsSync(join(site, 'third.db'))).toBe(false);
    expect(await run('bus', 'import', 'no-such-file')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('no-such-file'),
    });
  });

  test('an export that another process is writing to is left alone', async () => {
    const held = await openExportFile(join(site, 'backup'), { create: true });
    const refused = await run('bus', 'export', 'backup');
    expect(refused).toMatchObject({ status: 8, stdout: '', stderr: expect.stringContaining('Another process') });
    await held.close();
    expect((await run('bus', 'export', 'backup')).status).toBe(0);
  });

  test('a snapshot needs an archive, lies in it, and starts a new load balancer', async () => {
    const serial = await putCertificate(site);
    expect(await run('bus', 'snapshot')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('CERTBUS_ARCHIVE'),
    });
    const env = { CERTBUS_ARCHIVE: 'file:./archive' };
    const taken = await certbus(site, ['bus', 'snapshot', '--json'], { env });
    expect(existsSync(join(site, 'archive', resultOf(taken).place))).toBe(true);
    expect((await certbus(site, ['bus', 'archive'], { env })).stdout).toContain('0 commits archived');
    expect(await certbus(site, ['bus', 'archive', '--trim'], { env })).toMatchObject({ status: 2, stdout: '' });
    const trimmed = await certbus(site, ['bus', 'archive', '--trim', '--yes'], { env });
    expect(trimmed.stdout).toContain('begins at position 1');
    const { port, client } = await startServer({ archive: `file:${join(site, 'archive')}` });
    expect(await serialAt(port)).toBe(serial);
    expect(client.health().live).toBe(true);
  });

  test('a file store is bootstrapped without policies', async () => {
    expect(await run('bus', 'bootstrap', 'sqlite:./new.db')).toMatchObject({ status: 0, stdout: '' });
    expect(readdirSync(site)).toContain('new.db');
  });
});

const withIam = [dynamoDb, requirePart('moto'), requirePart('aws-cli')].find(({ skip }) => skip);

describe.skipIf(withIam)(withIam?.title('policies') ?? 'policies', () => {
  test('are printed one by one as "aws iam" takes them', async () => {
    const [{ endpoint }, aws] = [await sharedDynamoDbLocal(), await findAwsCli()];
    const moto = await startMoto();
    onTestFinished(moto.stop);
    const { accessKeyId, secretAccessKey } = drawCredentials();
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const create = async (name: string, text: string) => {
      const file = join(site, `${name}.json`);
      writeFileSync(file, text);
      const args = ['iam', 'create-policy', '--policy-name', name, '--policy-document', `file://${file}`];
      const variables = { ...env, AWS_DEFAULT_REGION: 'eu-central-1', AWS_ENDPOINT_URL: moto.endpoint };
      return runProgram(aws, ['-m', 'awscli', ...args, '--output', 'text'], { env: variables });
    };
    const address = `dynamodb://certbus/prod?region=eu-central-1&endpoint=${encodeURIComponent(endpoint)}`;
    const keyArn = 'arn:aws:kms:eu-central-1:123456789012:key/1';
    const flags = ['--archive', 's3://my-bucket/certbus', '--kms-key', keyArn, '--identity', 'ssm:/certbus/acm'];
    const print = (...more: readonly string[]) =>
      certbus(site, ['bus', 'bootstrap', address, ...flags, '--zone', 'Z1', ...more], { env });
    const printed = await print();
    expect(printed).toMatchObject({ status: 0, stderr: expect.stringContaining('is there') });
    const all = JSON.parse(printed.stdout);
    const tableArn = all.manager.Statement[0].Resource;
    const [, , , region, account] = tableArn.split(':');
    const policies = createPolicies({
      tableArn,
      stream: 'prod',
      archive: { bucketArn: 'arn:aws:s3:::my-bucket', prefix: 'certbus' },
      zoneArns: ['arn:aws:route53:::hostedzone/Z1'],
      identityArn: `arn:aws:ssm:${region}:${account}:parameter/certbus/acm`,
      keyArn,
    });
    expect(all).toEqual(JSON.parse(JSON.stringify(policies)));
    const { manager, loadBalancer, operator, acm } = policies;
    for (const [name, policy] of Object.entries({ manager, 'load-balancer': loadBalancer, operator, acm })) {
      const alone = await print('--policy', name);
      expect(alone).toMatchObject({ status: 0 });
      expect(JSON.parse(alone.stdout)).toEqual(policy);
      expect(await create(name, alone.stdout)).toContain(`:policy/${name}`);
    }
    // All of them in one, as they are printed without --policy, is not a policy.
    await expect(create('all', JSON.stringify(all))).rejects.toThrow('MalformedPolicyDocument');
  });
});

describe.skipIf(dynamoDb.skip)(dynamoDb.title('a table'), () => {
  test('is bootstrapped twice, with policies, and takes an export', async () => {
    const { endpoint } = await sharedDynamoDbLocal();
    const { accessKeyId, secretAccessKey } = drawCredentials();
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const address = `dynamodb://certbus/prod?region=eu-central-1&endpoint=${encodeURIComponent(endpoint)}`;
    const args = ['bus', 'bootstrap', address, '--archive', 's3://my-bucket/certbus'];
    const first = await certbus(site, args, { env });
    expect(first.status).toBe(0);
    expect(Object.keys(JSON.parse(first.stdout))).toEqual(['manager', 'loadBalancer', 'operator']);
    expect(first.stdout).toContain('arn:aws:s3:::my-bucket/certbus/*');
    expect((await certbus(site, args, { env })).stdout).toBe(first.stdout);
    const configured = { ...env, CERTBUS_BUS: address, CERTBUS_ARCHIVE: 's3://my-bucket/certbus' };
    expect((await certbus(site, ['bus', 'bootstrap'], { env: configured })).stdout).toBe(first.stdout);
    const manager = [
      '--policy',
      'manager',
      '--zone',
      'Z1',
      '--delegated',
      '*.acme.test',
      '--secret',
      'ssm:/certbus/key',
    ];
    const one = await certbus(site, [...args, ...manager, '--checkpoint', 'ssm:/certbus/checkpoint'], { env });
    const sids = JSON.parse(one.stdout).Statement.map(({ Sid }: { Sid: string }) => Sid);
    expect(sids).toEqual(
      [
        'ReadAndAppend',
        'Archive',
        'ArchiveMissing',
        'Challenges',
        'Records',
        'Changes',
        'Zones',
        'Parameters',
        'Checkpoint',
      ].map((name) => `CertBus${name}`),
    );
    const bucket = await certbus(site, [...args, '--policy', 'bucket', '--account', '210987654321'], { env });
    expect(JSON.parse(bucket.stdout).Statement[0].Principal).toEqual({ AWS: ['210987654321'] });
    const identity = ['--identity', 'ssm:/certbus/prod/acm-identity'];
    const acm = await certbus(site, [...args, '--policy', 'acm', ...identity], { env });
    const [{ Resource: tableArn }] = JSON.parse(first.stdout).manager.Statement;
    const [, , , region, account] = tableArn.split(':');
    const place = {
      tableArn,
      stream: 'prod',
      archive: { bucketArn: 'arn:aws:s3:::my-bucket', prefix: 'certbus' },
      identityArn: `arn:aws:ssm:${region}:${account}:parameter/certbus/prod/acm-identity`,
    };
    expect(JSON.parse(acm.stdout)).toEqual(createPolicies(place).acm);
    // The same address as a load balancer of another account has it: a table of that name is not made with what it has.
    const elsewhere = `${address.replace('//certbus/', '//elsewhere/')}&account=210987654321`;
    const other = await certbus(site, ['bus', 'bootstrap', elsewhere, '--policy', 'load-balancer'], { env });
    expect(other).toMatchObject({ status: 0, stderr: expect.stringContaining('in account 210987654321') });
    expect(JSON.parse(other.stdout).Statement[0].Resource).toBe(
      'arn:aws:dynamodb:eu-central-1:210987654321:table/elsewhere',
    );
    const made = elsewhere.replace('&account=210987654321', '');
    expect(await certbus(site, ['bus', 'verify'], { env: { ...env, CERTBUS_BUS: made } })).toMatchObject({
      stderr: expect.stringContaining('does not exist in this account and region'),
    });
    const wrong = [
      ['--policy', 'table'],
      ['--policy', 'acm'],
      ['--identity', 'secretsmanager:x'],
      ['--account', '12345'],
      ['--zone', 'example.com'],
      ['--delegated', 'a b'],
      ['--delegated', '*.ACME.test'],
      ['--checkpoint', 'secretsmanager:x'],
    ];
    for (const flags of wrong) expect(await certbus(site, [...args, ...flags], { env })).toMatchObject({ status: 2 });
    await putCertificate(site);
    await run('bus', 'export', 'backup');
    const imported = await certbus(site, ['bus', 'import', 'backup', '--bus', address], { env });
    expect(imported).toMatchObject({ status: 0 });
    const verified = await certbus(site, ['bus', 'verify'], { env: { ...env, CERTBUS_BUS: address } });
    expect(verified.stdout).toContain('are good');
  });
});
