/** Tests of many certificates at once: made from a file, listed, checked, and held against what a server serves. */
import { spawnSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createServer } from 'node:tls';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { startExampleServer } from 'certbus-example-server';
import { createTlsIdentity, temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';

const folder = temporaryFolder();
const run = (...args: string[]) => certbus(folder.path, args);
/** What only a manager has: reading must do without it. */
const withoutKey = { env: { CERTBUS_MANAGER_KEY_FILE: 'none.key' } };
let dns: DnsServer;
let ca: AcmeServer;
/** What `init` says to run first, without `certbus`. */
let firstCommand: string;

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({ blockedNames: ['blocked.test'], validation: { dnsServer: dns.address } });
  writeFileSync(join(folder.path, 'roots.pem'), ca.roots);
  const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url, '--resolver', dns.address];
  const given = ['--domain', '*.first.fleet.test', ...provider];
  const init = await run('init', '--agree-tos', '--directory', ca.directory, '--roots', 'roots.pem', ...given);
  expect(init.status).toBe(0);
  [, firstCommand = ''] = /^ {2}certbus (cert mk .*)$/m.exec(init.stdout) ?? [];
});
afterAll(async () => {
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

test('a dry run shows what would be asked for, and asks for nothing', async () => {
  const { status, stdout } = await run('cert', 'mk', 'a.fleet.test', '*.b.fleet.test', '--dry-run');
  expect(status).toBe(0);
  expect(stdout).toContain('names      *.b.fleet.test, a.fleet.test\nCA         ca (https://127.0.0.1');
  expect(stdout).toContain('challenge  dns-01, answered by challtestsrv');
  expect(stdout).toContain('a run would order 1 of 1 certificate; nothing was asked for');
  for (const more of [['--dry-run'], []])
    expect(await run('cert', 'mk', 'a.test', '--authority', 'cs', ...more)).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('No authority of the configuration fits --authority "cs". Did you mean "ca"?'),
    });
  expect((await run('bus', 'log', '--type', 'IssuanceStarted')).stdout).toBe('');
});

test('a run from a file that is killed in the middle is completed by the same command: each name has one certificate', {
  tags: 'full',
}, async () => {
  const count = sized({ small: 40, full: 1_000 });
  const names = Array.from({ length: count }, (_, index) => `n${index}.fleet.test`);
  writeFileSync(join(folder.path, 'domains.txt'), `# the fleet\n${names.join('\n')}\n`);
  const mk = ['cert', 'mk', '--from', 'domains.txt'];
  const killed = await certbus(folder.path, mk, { killAt: `\t${names[Math.floor(count / 3)]}` });
  expect(killed.status).toBeNull();
  const before = resultOf(await run('cert', 'ls', '--json')).certificates;
  expect(before.length).toBeGreaterThan(count / 4);
  const again = await run(...mk, '--json');
  expect(again.status).toBe(0);
  const { issued, alreadyManaged, failed, certificates } = resultOf(again);
  expect({ sum: issued + alreadyManaged, failed }).toEqual({ sum: count, failed: 0 });
  expect(alreadyManaged).toBeGreaterThan(0);
  expect(certificates.map((each: { names: string[] }) => each.names.join())).toEqual(names);
  const obtained = resultOf(await run('bus', 'log', '--type', 'CertificateObtained', '--json')).commits;
  const events = obtained.flatMap((commit: { events: { names: string[] }[] }) => commit.events);
  expect(events.map((event: { names: string[] }) => event.names.join()).sort()).toEqual([...names].sort());
  const third = await run(...mk);
  expect(third).toMatchObject({ status: 0, stderr: expect.stringContaining(`${count} managed already, 0 failed`) });
});

test('what init says to run first makes the first certificate, as a shell reads it', async () => {
  const { stdout } = spawnSync('sh', ['-c', `printf '%s\\n' ${firstCommand}`], { cwd: folder.path, encoding: 'utf8' });
  const words = stdout.trimEnd().split('\n');
  expect(words).toEqual(['cert', 'mk', '--wildcard', 'first.fleet.test']);
  const made = await run(...words, '--json');
  expect(resultOf(made)).toMatchObject({ outcome: 'issued', names: ['*.first.fleet.test', 'first.fleet.test'] });
});

test('what fails is listed with its line, the others are made; standard input is a file, too', async () => {
  const { status, stdout, stderr } = await certbus(folder.path, ['cert', 'mk', '--from', '-'], {
    input: 'blocked.test\nshop.test www.shop.test\n',
  });
  expect(status).toBe(5);
  expect(stdout).toMatch(/^\S+\tshop\.test, www\.shop\.test\n$/);
  expect(stderr).toMatch(
    /1 of 2 certificates could not be made\. line 1, blocked\.test: .*CERTBUS_CLI_ISSUANCE_FAILED/,
  );
  const refused = await certbus(folder.path, ['cert', 'mk', '--from', '-'], { input: 'ok.test\ncom\n' });
  expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining('line 2: "com" is a public suffix') });
});

test('lists and states need no manager key, and are what was read before when the bus is away', async () => {
  const read = (...args: string[]) => certbus(folder.path, args, withoutKey);
  const listed = (await read('cert', 'ls', '--name', '*.shop.test', '--columns', 'names,status,key')).stdout;
  expect(listed).toBe('shop.test, www.shop.test\tvalid\tP-256\n');
  expect((await read('cert', 'ls', '--failing')).stdout).toMatch(
    /^\S+\tnot-issued\tnot issued\tdns-01\tblocked\.test\n$/,
  );
  expect((await read('cert', 'ls', '--at', '2020-01-01')).stderr).toContain('no managed certificates');
  const shown = (await read('cert', 'status', 'blocked.test')).stdout;
  expect(shown).toMatch(/^status +not-issued: .*blocked\.test/m);
  expect(shown).toMatch(/^last error +urn:ietf:params:acme:error:\w+: /m);
  // No key was made yet.
  expect(shown).not.toMatch(/^recipients /m);
  expect(await read('cert', 'check')).toMatchObject({ status: 10, stdout: expect.stringMatching(/^not-issued\t/) });
  expect(await read('cert', 'check', '--name', 'shop.test')).toMatchObject({ status: 0, stdout: '' });
  expect(await read('cert', 'check', '--name', 'shop.test', '--expiring', '52w')).toMatchObject({ status: 10 });
  const history = (await read('cert', 'history', 'www.shop.test')).stdout;
  expect(history.match(/ (IssuanceStarted|OrderCreated|CertificateObtained) /g)).toEqual([
    ' IssuanceStarted ',
    ' OrderCreated ',
    ' CertificateObtained ',
  ]);

  const mistyped: [string[], string][] = [
    [['cert', 'check', '--name', 'shpo.test'], 'fits --name "shpo.test". Did you mean "shop.test"?'],
    [['cert', 'ls', '--name', '*.shpo.test'], 'fits --name "*.shpo.test". Did you mean "*.shop.test"?'],
    [['cert', 'ls', '--authority', '127.0.0.2'], 'fits --authority "127.0.0.2". Did you mean "127.0.0.1"?'],
    [['cert', 'status', 'wwww.shop.test'], 'the id or name "wwww.shop.test". Did you mean "www.shop.test"'],
    [['cert', 'history', 'shop.tset'], 'the id or name "shop.tset". Did you mean "shop.test"?'],
    [['bus', 'log', '--name', 'shop.tes'], 'fits --name "shop.tes". Did you mean "shop.test"?'],
    [
      ['bus', 'log', '--type', 'CertificateObtaind'],
      'fits --type "CertificateObtaind". Did you mean "CertificateObtained"?',
    ],
    [['bus', 'log', '--after', '100000'], 'No position of this bus fits --after "100000"'],
  ];
  for (const [args, message] of mistyped)
    expect(await read(...args)).toMatchObject({ status: 4, stdout: '', stderr: expect.stringContaining(message) });
  const rehearsed = await run('plan', '--revoke', '--domain', 'shopp.test');
  expect(rehearsed).toMatchObject({ status: 4, stderr: expect.stringContaining('Did you mean "shop.test"?') });

  const bus = join(folder.path, 'bus.db');
  renameSync(bus, `${bus}.away`);
  onTestFinished(() => renameSync(`${bus}.away`, bus));
  const away = await read('cert', 'ls', '--name', 'shop.test');
  expect(away).toMatchObject({ status: 0, stdout: expect.stringContaining('shop.test, www.shop.test') });
  expect(away.stderr).toMatch(/this is as of position \d+, \d{4}-\d\d-\d\d \d\d:\d\d UTC.*does not exist/);
  expect(await read('cert', 'ls', '--at', '2027-01-01')).toMatchObject({ status: 7 });
});

test('a state shows who is at work, the order, when the CA wants a renewal, and whose keys open the private one', async () => {
  const mk = ['cert', 'mk', '--subdomain', 'held.fleet.test'];
  ca.faults.inject({ kind: 'stall', when: 'before' }, { resource: 'authorization', times: Number.POSITIVE_INFINITY });
  onTestFinished(() => ca.faults.clear());
  expect(await certbus(folder.path, mk, { killAt: 'the CA has the order' })).toMatchObject({ status: null });
  const status = async () => (await certbus(folder.path, ['cert', 'status', 'held.fleet.test'], withoutKey)).stdout;
  const held = await status();
  const holder = String.raw`\S+ process \d+ \(\S+, boot \S+, pid namespace \d+\)`;
  expect(held).toMatch(new RegExp(`^status +not-issued: ${holder} is at work on it$`, 'm'));
  expect(held).toMatch(new RegExp(String.raw`^claim +${holder} until \d{4}-\d\d-\d\dT\S+Z$`, 'm'));
  expect(held).toMatch(/^order +https:\/\/127\.0\.0\.1:\d+\/acme\/order\/\S+$/m);
  ca.faults.clear();
  expect(await run(...mk)).toMatchObject({ status: 0 });
  // A run of renewals asks the CA when it wants them.
  await run('cert', 'renewable', '--renew-all');
  const issued = await status();
  expect(issued).not.toMatch(/^(claim|order) /m);
  const [, start = '', end = ''] = /^CA's window +(\S+Z) to (\S+Z)$/m.exec(issued) ?? [];
  expect(Date.parse(end)).toBeGreaterThan(Date.parse(start));
  expect(issued).toContain(`: the CA asks for it from ${start} to ${end}`);
  expect(issued).toMatch(/^recipients +loadbalancers, backup$/m);
});

test('--at shows what the bus said between two events', async () => {
  const read = (...args: string[]) => certbus(folder.path, args, withoutKey);
  await run('cert', 'mk', '--subdomain', 'at.fleet.test');
  const publicHalf = async (kind: string) => (await run('keygen', kind)).stdout.replaceAll(/^[^#].*\n/gm, '');
  const [recipient = ''] = /age1\S+/.exec(await publicHalf('loadbalancer')) ?? [];
  writeFileSync(join(folder.path, 'other.pub'), await publicHalf('manager'));
  const { position: _, ...bare } = resultOf(await run('conf', 'display', '--json'));
  for (const args of [
    ['recipient', 'add', 'edge', recipient, '--yes'],
    ['manager', 'add', 'other', '--key', 'other.pub', '--yes'],
    ['cert', 'renew', 'at.fleet.test', '--yes'],
    ['recipient', 'rm', 'edge', '--yes'],
  ])
    expect(await run(...args)).toMatchObject({ status: 0 });
  const input = JSON.stringify({ ...bare, giveUpAfterDays: 3 });
  expect(await certbus(folder.path, ['conf', 'update'], { input })).toMatchObject({ status: 0 });

  type Entry = { type: string; at: string; position: number; event: { serialNumber: string; leaf: string } };
  const history = resultOf(await read('cert', 'history', 'at.fleet.test', '--json')).events as Entry[];
  const [first, second] = history.filter(({ type }) => type === 'CertificateObtained');
  if (!first || !second) throw new TypeError('it was issued and renewed');
  const at = ['--at', first.at];
  const before = ['--at', new Date(Date.parse(history[0]?.at ?? '') - 1).toISOString()];

  const status = async (...more: string[]) =>
    resultOf(await read('cert', 'status', 'at.fleet.test', '--json', ...more));
  const both = ['loadbalancers', 'backup'];
  expect(await status(...at)).toMatchObject({
    serialNumber: first.event.serialNumber,
    position: first.position,
    recipients: both,
  });
  // Taken from the list, it can still open what was sealed to it.
  expect(await status()).toMatchObject({ serialNumber: second.event.serialNumber, recipients: [...both, 'edge'] });
  expect(await read('cert', 'status', 'at.fleet.test', ...before)).toMatchObject({ status: 4 });
  const pem = await read('cert', 'cat', 'at.fleet.test', '--pem', ...at);
  expect(new X509Certificate(pem.stdout).raw.toString('base64')).toBe(first.event.leaf);
  await read('cert', 'export', 'at.fleet.test', '--out', 'old.pem', ...at);
  expect(new X509Certificate(readFileSync(join(folder.path, 'old.pem'))).raw.toString('base64')).toBe(first.event.leaf);
  const named = ['--name', 'at.fleet.test'];
  expect(await read('cert', 'check', ...named, ...at)).toMatchObject({ status: 0 });
  expect(await read('cert', 'check', ...named, '--at', '2099-01-01')).toMatchObject({ status: 11 });
  expect(await read('cert', 'check', ...named, ...before)).toMatchObject({ status: 4 });

  const obtained = async (...more: string[]) =>
    (await read('cert', 'history', 'at.fleet.test', ...more)).stdout.match(/ CertificateObtained /g)?.length;
  expect([await obtained(...at), await obtained()]).toEqual([1, 2]);
  const { commits } = resultOf(await read('bus', 'log', '--json', ...at));
  expect(commits.at(-1).position).toBe(first.position);
  expect(await read('bus', 'log', '--follow', ...at)).toMatchObject({ status: 2 });

  const names = async (...args: string[]) =>
    (await read(...args)).stdout.split('\n').flatMap((line) => line.split('\t')[0] || []);
  expect(await names('recipient', 'ls', ...at)).toEqual(both);
  expect(await names('manager', 'ls', ...at)).toHaveLength(1);
  expect(await names('manager', 'ls')).toEqual(expect.arrayContaining(['other']));
  expect(await names('recipient', 'ls', '--at', second.at)).toEqual([...both, 'edge']);
  expect(await names('recipient', 'ls', '--at', '2020-01-01')).toEqual([]);

  // Accounts are named, and the configuration is read, with the manager's key.
  expect(await run('account', 'ls', ...at)).toEqual(await run('account', 'ls'));
  expect((await run('account', 'ls', '--at', '2020-01-01')).stdout).toBe('');
  const earlier = resultOf(await run('conf', 'display', '--json', ...at));
  expect(earlier).not.toHaveProperty('giveUpAfterDays');
  expect(resultOf(await run('conf', 'display', '--json'))).toMatchObject({ giveUpAfterDays: 3 });
  expect(await read('conf', 'display', ...at)).toMatchObject({ status: 3, stdout: '' });
});

test('what this machine has read of its bus completes a command line, by the configuration that it names', async () => {
  const nowhere = temporaryFolder();
  onTestFinished(() => nowhere.remove());
  const env = { CERTBUS_STATE_DIR: join(folder.path, 'state') };
  const words = ['recipient', 'rm', '--config', join(folder.path, 'certbus.json'), 'b'];
  const complete = (given: readonly string[]) => certbus(nowhere.path, ['complete', '--', ...given], { env });
  expect(await complete(words)).toMatchObject({ status: 0, stdout: 'backup\n' });
  expect(await complete(['recipient', 'rm', 'b'])).toMatchObject({ status: 0, stdout: '' });
});

test('inspect shows what a server serves next to what the bus says', async () => {
  const balancer = await startExampleServer({
    bus: `sqlite:${join(folder.path, 'bus.db')}#certbus`,
    identity: join(folder.path, 'loadbalancer.key'),
    trust: join(folder.path, 'bus.pub'),
    stateDirectory: join(folder.path, 'server'),
    port: 0,
    httpPort: 0,
    log() {},
  });
  const served = await run('inspect', `127.0.0.1:${balancer.port}`, '--server-name', 'www.shop.test');
  expect(served).toMatchObject({ status: 0, stderr: 'the server serves what the bus says ' });
  // A fingerprint is broken by the terminal's own width.
  const lines = served.stdout.split('\n').filter((line) => !line.startsWith('SHA-256'));
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  await balancer.close();

  const { certificate: cert, key } = await createTlsIdentity();
  const server = createServer({ cert, key });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const inspect = (...args: string[]) => certbus(folder.path, ['inspect', `127.0.0.1:${port}`, ...args], withoutKey);
  const foreign = await inspect('--server-name', 'shop.test');
  expect(foreign).toMatchObject({ status: 10, stderr: expect.stringContaining('is not from this bus') });
  expect(foreign.stdout).toMatch(/^names +server +localhost.*\n +bus +shop\.test, www\.shop\.test$/m);
  expect((await inspect('--server-name', 'none.test')).stderr).toContain('the bus has no certificate for this name');
  await new Promise((resolve) => server.close(resolve));
  expect(await inspect('--server-name', 'shop.test')).toMatchObject({
    status: 7,
    stderr: expect.stringContaining('ECONNREFUSED'),
  });
});

test('names that are managed are ordered again only with --new, as the dry run shows', async () => {
  const dry = async (...more: string[]) =>
    (await run('cert', 'mk', 'shop.test', '--dry-run', ...more)).stdout.match(/a run would order \d/)?.[0];
  expect([await dry(), await dry('--new')]).toEqual(['a run would order 0', 'a run would order 1']);
  const ids = async () => (await run('cert', 'ls', '--name', 'shop.test', '--columns', 'id')).stdout.split('\n').length;
  const before = await ids();
  expect(await run('cert', 'mk', 'shop.test', '--new')).toMatchObject({ status: 0 });
  expect(await ids()).toBe(before + 1);
});
