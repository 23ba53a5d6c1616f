/** Tests of the command line as a user meets it, with and without a CA. */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { openSqliteLog } from '@certbus/store/sqlite';
import {
  type ChallTestSrv,
  createTlsIdentity,
  findSecrets,
  type Pebble,
  requirePart,
  secretsOfKey,
  secretText,
  startChallTestSrv,
  startPebble,
  startTlsProxy,
  temporaryFolder,
} from 'certbus-services';
import { drawCredentials, sharedDynamoDbLocal } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certbus, type Ended, resultOf } from './cli.builders.ts';
import { commitsOf, putCertificate, sealedKeysIn } from './site.builders.ts';

const pebble = requirePart('pebble');
const dynamoDb = requirePart('dynamodb-local');
const temporary = temporaryFolder();
let folders = 0;

function newFolder(): string {
  folders += 1;
  const folder = join(temporary.path, `site${folders}`);
  mkdirSync(folder);
  return folder;
}

/** Everything that was ever printed by a command of this file, at debug level, for the scan at its end. */
const printed: string[] = [];
const run = async (
  folder: string,
  args: readonly string[],
  options: Parameters<typeof certbus>[2] = {},
): Promise<Ended> => {
  const ended = await certbus(folder, args, { ...options, env: { CERTBUS_LOG: 'debug', ...options.env } });
  printed.push(ended.stdout, ended.stderr);
  return ended;
};

const OFFLINE = [
  'init',
  '--agree-tos',
  '--directory',
  'https://127.0.0.1:1/dir',
  '--dns-provider',
  'challtestsrv',
  '--dns-url',
  'http://127.0.0.1:1',
];

afterAll(() => temporary.remove());

describe('without a CA', () => {
  let site: string;
  /** What `certbus init` makes; tests that change it have a copy each. */
  const untouched = join(temporary.path, 'untouched');
  function newSite(): string {
    const folder = newFolder();
    cpSync(untouched, folder, { recursive: true });
    return folder;
  }
  beforeAll(async () => {
    mkdirSync(untouched);
    const { status, stderr } = await run(untouched, OFFLINE);
    expect(stderr).toContain('no account of yours yet');
    expect(status).toBe(0);
    site = newSite();
  });

  test('init makes keys for this user only, says what each is for, and a second time changes nothing', async () => {
    for (const file of ['root.key', 'manager.key', 'loadbalancer.key', 'backup.key'])
      expect(statSync(join(site, file)).mode & 0o777).toBe(0o600);
    const before = readdirSync(site).map((name) => [
      name,
      statSync(join(site, name)).isFile() && readFileSync(join(site, name)).toString('base64'),
    ]);
    const again = await run(site, OFFLINE);
    expect(again).toMatchObject({ status: 0, stdout: expect.stringContaining('nothing was changed'), stderr: '' });
    const other = await run(site, [...OFFLINE, '--zone', 'other.test', '--bus', 'sqlite:other.db']);
    expect(other).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/--bus sqlite:\S+other\.db\S* differs .*--zone other\.test differs .*conf update/),
    });
    for (const [flags, advice] of [
      [['--ca', 'production'], 'Move to it with "certbus conf use production".'],
      [['--directory', 'https://b.test/dir'], '"certbus conf use NAME --directory https://b.test/dir".'],
    ] as const)
      expect((await run(site, ['init', '--agree-tos', ...flags])).stderr).toContain(advice);
    expect(
      readdirSync(site).map((name) => [
        name,
        statSync(join(site, name)).isFile() && readFileSync(join(site, name)).toString('base64'),
      ]),
    ).toEqual(before);
  });

  test('an interrupted init is completed by the next', async () => {
    const folder = newSite();
    const key = readFileSync(join(folder, 'manager.key'), 'utf8');
    rmSync(join(folder, 'certbus.json'));
    expect((await run(folder, OFFLINE)).status).toBe(0);
    expect(readFileSync(join(folder, 'manager.key'), 'utf8')).toBe(key);
    expect((await run(folder, ['bus', 'verify'])).status).toBe(0);
  });

  test.skipIf(process.platform === 'win32')(
    'an init that found the disk full is completed once there is room, and leaves nothing half written',
    async () => {
      const folder = newFolder();
      expect((await run(folder, OFFLINE, { isDiskFull: true })).status).not.toBe(0);
      expect(readdirSync(folder)).toEqual([]);
      expect(await run(folder, OFFLINE)).toMatchObject({ status: 0 });
      rmSync(join(folder, 'certbus.json'));
      expect((await run(folder, OFFLINE, { isDiskFull: true })).status).not.toBe(0);
      expect((await run(folder, OFFLINE)).status).toBe(0);
      expect((await run(folder, ['bus', 'verify'])).status).toBe(0);
    },
  );

  test('init does not call a bus complete that is empty', async () => {
    const folder = newSite();
    for (const file of ['bus.db', 'bus.db-wal', 'bus.db-shm']) rmSync(join(folder, file), { force: true });
    expect((await run(folder, ['bus', 'bootstrap'])).status).toBe(0);
    const { status, stderr } = await run(folder, OFFLINE);
    expect({ status, stderr }).toMatchObject({ status: 9, stderr: expect.stringContaining('is empty') });
  });

  test('bus verify says where commits are missing, with the status of a history that breaks', async () => {
    const folder = newSite();
    await putCertificate(folder);
    const log = await openSqliteLog(join(folder, 'bus.db'));
    const { commits } = await log.read('certbus', 1, { limit: 1 });
    await log.maintenance?.replace('certbus', 2, { found: commits[0]?.bytes, bytes: undefined });
    await log.close();
    expect(await run(folder, ['bus', 'verify'])).toMatchObject({
      status: 9,
      stderr: expect.stringMatching(/position \d+ but not 2/),
    });
  });

  test('init without agreeing to the terms makes nothing', async () => {
    const folder = newFolder();
    expect(await run(folder, ['init'])).toMatchObject({ status: 2, stderr: expect.stringContaining('--agree-tos') });
    expect(readdirSync(folder)).toEqual([]);
  });

  describe('init takes every DNS provider, and no secret by a flag', () => {
    const CA = ['init', '--agree-tos', '--directory', 'https://127.0.0.1:1/dir', '--dns-provider'];
    const ACCOUNT = { fulldomain: 'a.auth.test', subdomain: 'a', username: 'u', password: 'the-secret' };

    test.each([
      ['route53', ['--dns-zone-id', 'Z1'], { zoneId: 'Z1' }],
      ['cloudflare', [], { token: { env: 'CERTBUS_SECRET_CLOUDFLARE' } }],
      [
        'rfc2136',
        ['--dns-server', 'ns1.test', '--dns-key-name', 'k'],
        { server: 'ns1.test', key: { name: 'k', secret: { env: 'CERTBUS_SECRET_TSIG' } } },
        { CERTBUS_SECRET_TSIG: ['ns1.test:53'] },
      ],
      [
        'powerdns',
        ['--dns-url', 'https://ns1.test:8081'],
        { url: 'https://ns1.test:8081', apiKey: { env: 'CERTBUS_SECRET_POWERDNS' } },
        { CERTBUS_SECRET_POWERDNS: ['ns1.test:8081'] },
      ],
      [
        'httpreq',
        ['--dns-url', 'https://dns.test', '--dns-username', 'u'],
        { username: 'u', password: { env: 'CERTBUS_SECRET_HTTPREQ' } },
        { CERTBUS_SECRET_HTTPREQ: ['dns.test:443'] },
      ],
      ['exec', ['--dns-program', 'my-dns'], { program: 'my-dns' }],
    ] as const)('%s, by flags', async (provider, flags, expected, hosts = undefined) => {
      const folder = newFolder();
      const made = await run(folder, [...CA, provider, ...flags]);
      expect(made).toMatchObject({ status: 0 });
      for (const variable of JSON.stringify(expected).match(/CERTBUS_SECRET_\w+/g) ?? [])
        expect(made.stderr).toContain(`${variable}, which is not set here`);
      const { dns } = JSON.parse((await run(folder, ['conf', 'display'])).stdout);
      expect(dns).toEqual([expect.objectContaining({ zones: ['*'], provider, ...expected })]);
      const { secretHosts } = JSON.parse(readFileSync(join(folder, 'certbus.json'), 'utf8'));
      expect(secretHosts).toEqual(hosts);
    });

    test('acme-dns, by a file or standard input', async () => {
      const settings = JSON.stringify({ zones: ['a.test'], url: 'https://auth.test', accounts: [ACCOUNT] });
      const byInput = newFolder();
      expect(await run(byInput, [...CA, 'acme-dns', '--dns-settings', '-'], { input: settings })).toMatchObject({
        status: 0,
      });
      const byFile = newFolder();
      writeFileSync(join(byFile, 'dns.json'), settings);
      expect(await run(byFile, [...CA, 'acme-dns', '--dns-settings', 'dns.json'])).toMatchObject({ status: 0 });
      for (const folder of [byInput, byFile]) {
        const shown = (await run(folder, ['conf', 'display'])).stdout;
        expect(JSON.parse(shown).dns).toMatchObject([{ zones: ['a.test'], accounts: [{ username: 'u' }] }]);
        expect(shown).not.toContain('the-secret');
      }
    });

    test.each([
      ['an unknown provider', ['pigeons'], /There are: route53, cloudflare/],
      ['a provider without what it needs', ['rfc2136'], /needs --dns-server and --dns-key-name/],
      ['acme-dns without accounts', ['acme-dns', '--dns-url', 'https://auth.test'], /accounts/],
      [
        'settings that are no JSON',
        ['cloudflare', '--dns-settings', '-'],
        /cannot be read as JSON: line 1, column \d+: /,
      ],
    ] as const)('%s is refused, and nothing is made', async (_, args, message) => {
      const folder = newFolder();
      const refused = await run(folder, [...CA, ...args], { input: '{ "token": the-secret' });
      expect(refused).toMatchObject({ status: 2, stderr: expect.stringMatching(message) });
      expect(refused.stderr).not.toContain('the-secret');
      expect(readdirSync(folder)).toEqual([]);
    });
  });

  test.each([
    ['a malformed domain', ['cert', 'mk', 'not a domain'], 2, /is not a domain name/],
    ['a public suffix', ['cert', 'mk', '--subdomain', 'co.uk'], 2, /public suffix/],
    ['a wildcard typed out', ['cert', 'mk', '*.a.test'], 2, /cert mk a\.test --wildcard/],
    ['a wildcard over HTTP-01', ['cert', 'mk', '--wildcard', '--challenge', 'http-01', 'a.test'], 2, /only dns-01/],
    ['an unknown id', ['cert', 'cat', 'nosuchid'], 4, /cert ls/],
    ['an unknown id to renew', ['cert', 'renew', 'nosuchid'], 4, /cert ls/],
    ['an unknown id to remove', ['cert', 'rm', 'nosuchid'], 4, /cert ls/],
    ['a name with an underscore', ['cert', 'mk', 'foo_bar.test'], 2, /underscore/],
    ['a date that is none', ['cert', 'renewable', 'tomorrow'], 2, /not a date/],
    [
      'an unknown flag',
      ['cert', 'ls', '--colour'],
      2,
      /"--colour" is not a flag of "certbus cert ls"\..*Code: CERTBUS_CLI_USAGE/,
    ],
    ['a configuration file that is away', ['cert', 'ls', '--config', 'none.json'], 3, /none\.json: it does not exist/],
  ] as const)('%s: a clear error and its status', async (_, args, status, message) => {
    const ended = await run(site, args);
    expect(ended.stderr).toMatch(message);
    expect(ended).toMatchObject({ status, stdout: '' });
    expect(ended.stderr).not.toMatch(/ at .*\.ts:/);
  });

  test.each([
    [['--version'], []],
    [['cert', 'ls', '--help'], []],
    [['cret', 'ls'], []],
    [['help', 'cert', 'ls'], ['help']],
    [['cert', 'list'], ['cert/ls']],
  ])('%j loads of all commands %j', async (args, expected) => {
    const hook = `import { registerHooks } from 'node:module';
      registerHooks({ load: (url, context, next) => { process._rawDebug(url); return next(url, context); } });`;
    const NODE_OPTIONS = `--import=data:text/javascript,${encodeURIComponent(hook)}`;
    const { stderr } = await certbus(newFolder(), args, { env: { NODE_OPTIONS } });
    expect(stderr).toContain('/certbus.js');
    expect(Array.from(stderr.matchAll(/\/dist\/commands\/(\S+)\.js/g), ([, command]) => command)).toEqual(expected);
  });

  test('a mistyped command prints what it is like, and runs nothing', async () => {
    const before = (await run(site, ['bus', 'log'])).stdout;
    const typed = ['cert', 'renewabel', '--renew-all'];
    expect(await run(site, typed)).toMatchObject({
      status: 127,
      stdout: '',
      stderr: expect.stringMatching(/Did you mean "certbus cert renewable"\? Code: CERTBUS_CLI_USAGE\. Next: /),
    });
    const logged = await run(site, [...typed, '--log-format', 'json']);
    expect(JSON.parse(logged.stderr)).toMatchObject({ level: 'error', code: 'CERTBUS_CLI_USAGE' });
    expect(await run(site, ['help', 'exit-code'])).toMatchObject({
      status: 127,
      stdout: '',
      stderr: expect.stringContaining('Did you mean "certbus help exit-codes"?'),
    });
    // Every object has it.
    expect(await run(site, ['help', 'constructor'])).toMatchObject({
      status: 127,
      stderr: expect.stringContaining('"constructor" is not a command, and not a page of the help.'),
    });
    const { status, stdout } = await run(site, [...typed, '--json']);
    expect({ status, ...JSON.parse(stdout) }).toMatchObject({
      status: 'failed',
      error: { code: 'CERTBUS_CLI_USAGE', next: expect.arrayContaining(['certbus cert renewable']) },
      exitCode: 127,
    });
    // Help, and status 0, would tell a monitor that all is well.
    for (const line of [
      ['cert', '--quiet', 'check'],
      ['--quiet', 'cert', 'check'],
    ])
      expect(await run(site, line)).toMatchObject({
        status: 2,
        stdout: '',
        stderr: expect.stringContaining('Did you mean "certbus cert check --quiet"? Code: CERTBUS_CLI_USAGE.'),
      });
    expect(await run(site, ['cert', 'mk', '--dry-run=false', 'a.test'])).toMatchObject({ status: 2, stdout: '' });
    expect((await run(site, ['bus', 'log'])).stdout).toBe(before);
  });

  test('a word too many is named, with the command that does not take it', async () => {
    for (const [args, name] of [
      [['cert', 'ls', 'example.test'], 'cert ls'],
      [['cert', 'list', 'example.test', 'b.test'], 'cert ls'],
      [['doctor', 'example.test', '--quiet'], 'doctor'],
    ] as const)
      expect(await run(site, args)).toEqual({
        status: 2,
        stdout: '',
        stderr: expect.stringMatching(
          new RegExp(
            `^Error: "certbus ${name}" does not take "example\\.test[^"]*"\\. Code: CERTBUS_CLI_USAGE\\. Next: "certbus ${name} --help" shows its flags and examples\\.\\s*$`,
          ),
        ),
      });
    const { status, stdout } = await run(site, ['plan', 'example.test', '--json']);
    expect({ status, ...JSON.parse(stdout) }).toMatchObject({
      status: 'failed',
      error: { code: 'CERTBUS_CLI_USAGE', message: '"certbus plan" does not take "example.test".' },
      exitCode: 2,
    });
  });

  test('a campaign for all certificates is started with --all alone', async () => {
    for (const args of [['--yes'], ['--all', '--domain', 'a.test', '--yes']])
      expect(await run(site, ['campaign', 'start', ...args])).toMatchObject({
        status: 2,
        stdout: '',
        stderr: expect.stringContaining('or all of them with --all'),
      });
    expect(await run(site, ['campaign', 'start', '--all', '--yes'])).toMatchObject({ status: 0 });
  });

  test('what the system refuses says where and what to do, on one line', async () => {
    const folder = newFolder();
    const refused = await run(site, ['bus', 'export', folder]);
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('it is a folder; name a file') });
    const port = ['example-server', '--port', '8443', '--host', '192.0.2.1'];
    expect(await run(site, port)).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(
        /192\.0\.2\.1 port \d+: this machine does not have that address.*CERTBUS_CLI_PORT_PROBLEM/,
      ),
    });
  });

  test('an empty word is refused: it could fit everything, or be passed over', async () => {
    for (const args of [
      ['cert', 'ls', '--authority', ''],
      ['cert', 'rm', '', '--yes'],
      ['cert', 'mk', 'a.test', '--profile='],
    ])
      expect(await run(site, args)).toMatchObject({
        status: 2,
        stdout: '',
        stderr: expect.stringContaining('is empty'),
      });
  });

  test.skipIf(!existsSync('/dev/full'))('a key that cannot be printed is an error, without a trace', async () => {
    const { status, stderr } = await run(site, ['keygen', 'manager'], { stdoutFull: true });
    expect(status).toBe(3);
    expect(stderr).toMatch(/^Error: Standard output: its disk is full; .* Code: CERTBUS_CLI_FILE_PROBLEM\.\s*$/);
  });

  test
    .skipIf(!existsSync('/dev/full'))
    .each([
      [['--version']],
      [['--help']],
      [['cert', 'ls', '--help']],
      [[]],
      [['version']],
      [['help', 'files']],
      [['cert', 'lst', '--json']],
    ])('%j that cannot be printed is an error, without a trace', async (args) => {
    expect(await run(site, args, { stdoutFull: true })).toEqual({
      status: 3,
      stdout: '',
      stderr: expect.stringMatching(
        /^Error: Standard output: its disk is full; make room \(ENOSPC: [^)]*\)\. Code: CERTBUS_CLI_FILE_PROBLEM\.\s*$/,
      ),
    });
  });

  test('with --json an error is JSON on standard output, with the same status', async () => {
    const { status, stdout } = await run(site, ['cert', 'cat', 'nosuchid', '--json']);
    expect(status).toBe(4);
    expect(JSON.parse(stdout)).toEqual({
      status: 'failed',
      result: null,
      warnings: [],
      error: {
        code: 'CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND',
        message: expect.stringContaining('nosuchid'),
        next: [],
      },
      exitCode: 4,
    });
    const usage = await run(site, ['cert', 'cat', '--json']);
    expect(usage.status).toBe(2);
    expect(JSON.parse(usage.stdout)).toMatchObject({
      status: 'failed',
      error: { code: 'CERTBUS_CLI_USAGE', message: '"certbus cert cat" needs ID.' },
      exitCode: 2,
    });
  });

  test('DNS providers are listed, and shown with their fields and an example, without any set-up', async () => {
    const folder = newFolder();
    const listed = await run(folder, ['provider', 'ls']);
    expect(listed.stdout).toMatch(/^route53\tAmazon Route 53$/m);
    const shown = await run(folder, ['provider', 'show', 'cloudflare']);
    expect(shown.stdout).toMatch(/^ {2}token .*\(required, secret\)$/m);
    expect(shown.stdout).toContain('"env": "CERTBUS_SECRET_CLOUDFLARE"');
    expect(await run(folder, ['provider', 'show', 'pigeons'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('route53'),
    });
  });

  test('a folder without a set-up: what to do', async () => {
    expect(await run(newFolder(), ['cert', 'ls'])).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('certbus init'),
    });
  });

  test('a name that no zone covers is refused before anything is said on the bus', async () => {
    const folder = newFolder();
    await run(folder, [...OFFLINE, '--zone', 'example.com']);
    const { status, stderr } = await run(folder, ['cert', 'mk', 'a.test']);
    expect({ status, stderr }).toMatchObject({
      status: 6,
      stderr: expect.stringMatching(/configured zones: example\.com/),
    });
    expect((await run(folder, ['bus', 'log'])).stdout).not.toContain('IssuanceStarted');
  });

  test('a key file that others can read, is not a key, or is the wrong key', async () => {
    // Keys of its own, so that those of `site` are wrong here.
    const folder = newFolder();
    await run(folder, OFFLINE);
    const key = join(folder, 'manager.key');
    chmodSync(key, 0o644);
    expect(await run(folder, ['conf', 'display'])).toMatchObject({
      status: 3,
      stderr: expect.stringContaining(`chmod 600 ${key}`),
    });
    chmodSync(key, 0o600);
    copyFileSync(join(site, 'manager.key'), key);
    expect(await run(folder, ['cert', 'rm', 'whatever', '--yes'])).toMatchObject({ status: 4 });
    expect(await run(folder, ['conf', 'display'])).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('cannot open what is sealed on the bus'),
    });
    writeFileSync(key, 'no key at all', { mode: 0o600 });
    expect(await run(folder, ['conf', 'display'])).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('not a manager key'),
    });
  });

  test('a configuration with unknown or missing fields names their path, and the stored one stays', async () => {
    const { stdout } = await run(site, ['conf', 'display']);
    const config = JSON.parse(stdout);
    const wrong = { ...config, colour: 'red' };
    expect(await run(site, ['conf', 'update'], { input: JSON.stringify(wrong) })).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('colour is not a known field'),
    });
    const { defaultAuthority: _, ...without } = config;
    expect(await run(site, ['conf', 'update'], { input: JSON.stringify(without) })).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('defaultAuthority is missing'),
    });
    expect(await run(site, ['conf', 'update'], { input: '{' })).toMatchObject({ status: 3 });
    expect((await run(site, ['conf', 'display'])).stdout).toBe(stdout);
  });

  test('secrets of the configuration are shown as <redacted>, kept when sent back, and shown when asked for', async () => {
    const folder = newSite();
    const config = JSON.parse((await run(folder, ['conf', 'display'])).stdout);
    const hmacKey = crypto.randomUUID();
    config.authorities.ca.eab = { kid: 'kid', hmacKey };
    expect((await run(folder, ['conf', 'update'], { input: JSON.stringify(config) })).status).toBe(0);
    const shown = await run(folder, ['conf', 'display']);
    expect(shown.stdout).toContain('<redacted>');
    expect(shown.stdout).not.toContain(hmacKey);
    expect((await run(folder, ['conf', 'update'], { input: shown.stdout })).status).toBe(0);
    // Not through `run`: this is the one that was asked for, and the scan is for the others.
    expect((await certbus(folder, ['conf', 'display', '--show-secrets'])).stdout).toContain(hmacKey);
    expect((await run(folder, ['bus', 'log', '--json'])).stdout).not.toContain(hmacKey);
  });

  test('a SQLite bus that is away is told, and not created, not even by init', async () => {
    const folder = newSite();
    const bus = join(folder, 'bus.db');
    renameSync(bus, `${bus}.away`);
    for (const args of [['cert', 'ls'], ['bus', 'log'], ['bus', 'verify'], ['cert', 'mk', 'a.test'], OFFLINE]) {
      expect(await run(folder, args)).toMatchObject({ status: 7, stderr: expect.stringContaining('does not exist') });
    }
    expect(existsSync(bus)).toBe(false);
  });

  test('the example server with an empty replica and no bus: a clear error that names the bus and what to do', async () => {
    const folder = newSite();
    renameSync(join(folder, 'bus.db'), join(folder, 'away.db'));
    const { status, stderr } = await run(folder, ['example-server', '--port', '0', '--http-port', '0']);
    expect(status).toBe(7);
    expect(stderr).toMatch(/bus\.db#certbus did not answer within 10 s.*no replica.*Check the address/);
  });

  test('bus verify says exactly where a history breaks', async () => {
    const folder = newSite();
    const { DatabaseSync } = await import('node:sqlite');
    const database = new DatabaseSync(join(folder, 'bus.db'));
    const row = database.prepare('SELECT bytes FROM commits WHERE position = 2').get();
    const bytes = Buffer.from(row?.['bytes'] as Uint8Array);
    bytes[200] = (bytes[200] ?? 0) ^ 1;
    database.prepare('UPDATE commits SET bytes = ? WHERE position = 2').run(bytes);
    database.close();
    const { status, stderr } = await run(folder, ['bus', 'verify']);
    expect(status).toBe(9);
    expect(stderr).toContain('Commit 2 refused');
  });

  test('a CA that is down is told, with the status of a CA', async () => {
    const { status, stderr } = await run(site, ['cert', 'mk', '--subdomain', 'down.test']);
    expect(stderr).toMatch(/127\.0\.0\.1:1/);
    expect(status).toBe(5);
  });

  test('a CA that answers HTML is told', async () => {
    const tls = await createTlsIdentity();
    const server = createServer({ key: tls.key, cert: tls.certificate }, (_, response) => {
      response.setHeader('content-type', 'text/html').end('<html>Welcome to nginx</html>');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const folder = newFolder();
    writeFileSync(join(folder, 'roots.pem'), tls.root);
    const directory = `https://127.0.0.1:${(server.address() as AddressInfo).port}/dir`;
    await run(folder, [
      'init',
      '--agree-tos',
      '--directory',
      directory,
      '--roots',
      'roots.pem',
      '--dns-provider',
      'challtestsrv',
      '--dns-url',
      'http://127.0.0.1:1',
    ]);
    const { status, stderr } = await run(folder, ['cert', 'mk', 'html.test']);
    server.close();
    expect(stderr).toContain('CERTBUS_ACME_NOT_ACME');
    expect(status).toBe(5);
  });
});

describe.skipIf(dynamoDb.skip)(dynamoDb.title('on DynamoDB'), () => {
  test('init makes the table, a missing table and wrong credentials are told', async () => {
    const { endpoint } = await sharedDynamoDbLocal();
    const { accessKeyId, secretAccessKey } = drawCredentials();
    const folder = newFolder();
    const at = `region=eu-central-1&endpoint=${encodeURIComponent(endpoint)}`;
    const env = { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    expect((await run(folder, [...OFFLINE, '--bus', `dynamodb://certbus/prod?${at}`], { env })).status).toBe(0);
    expect(await run(folder, ['bus', 'verify'], { env })).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('all 3 commits are good'),
    });
    const elsewhere = { ...env, CERTBUS_BUS: `dynamodb://no-such-table/prod?${at}` };
    expect(await run(folder, ['bus', 'verify'], { env: elsewhere })).toMatchObject({
      status: 7,
      stderr: expect.stringContaining('"no-such-table" does not exist'),
    });
    const wrong = { ...env, AWS_ACCESS_KEY_ID: 'not-valid' };
    expect(await run(folder, ['bus', 'verify'], { env: wrong })).toMatchObject({
      status: 7,
      stderr: expect.stringContaining('credentials'),
    });
  });
});

describe.skipIf(pebble.skip)(pebble.title('at a real CA'), () => {
  let dns: ChallTestSrv;
  let ca: Pebble;
  let proxy: Awaited<ReturnType<typeof startTlsProxy>>;
  let site: string;

  beforeAll(async () => {
    dns = await startChallTestSrv();
    ca = await startPebble({ dnsServer: dns.dns });
    proxy = await startTlsProxy({ target: ca.directory, targetRoots: ca.roots });
    site = newFolder();
    writeFileSync(join(site, 'roots.pem'), proxy.roots);
    const flags = [
      '--directory',
      proxy.directory,
      '--roots',
      'roots.pem',
      '--dns-provider',
      'challtestsrv',
      '--dns-url',
      dns.url,
    ];
    expect((await run(site, ['init', '--agree-tos', ...flags])).status).toBe(0);
  });
  afterAll(async () => {
    await proxy?.stop();
    await ca?.stop();
    await dns?.stop();
  });

  test('make, list, show, renew, remove; IDN, upper case and trailing dot are converted', async () => {
    const made = await run(site, ['cert', 'mk', '--wildcard', 'BÜCHER.test.']);
    expect(made.status).toBe(0);
    const id = made.stdout.trim();
    expect((await run(site, ['cert', 'mk', '--wildcard', 'xn--bcher-kva.test'])).stdout.trim()).toBe(id);
    const [line = ''] = (await run(site, ['cert', 'ls'])).stdout.split('\n');
    expect(line.split('\t')).toEqual([
      id,
      'valid',
      expect.stringMatching(/^\d{4}-/),
      'dns-01',
      '*.xn--bcher-kva.test, xn--bcher-kva.test',
    ]);
    const cat = await run(site, ['cert', 'cat', id, '--json']);
    const before = resultOf(cat);
    expect(before).toMatchObject({ certificateId: id, names: ['*.xn--bcher-kva.test', 'xn--bcher-kva.test'] });
    expect((await run(site, ['cert', 'cat', id, '--pem'])).stdout.match(/BEGIN CERTIFICATE/g)?.length).toBeGreaterThan(
      1,
    );
    expect((await run(site, ['cert', 'renewable'])).stdout).toBe('');
    const inAYear = new Date(Date.now() + 365 * 86_400_000).toISOString();
    expect((await run(site, ['cert', 'renewable', inAYear])).stdout).toContain(id);
    const early = await run(site, ['cert', 'renewable', inAYear, '--renew-all']);
    expect(early).toMatchObject({ status: 2, stderr: expect.stringContaining('renew what is due now') });
    expect(await run(site, ['cert', 'renew', id])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--yes'),
    });
    const renewed = await run(site, ['cert', 'renew', id, '--yes', '--json']);
    expect(JSON.parse(renewed.stdout)).toMatchObject({
      status: 'ok',
      result: { certificateId: id },
      warnings: [expect.stringContaining('is not due before')],
      error: null,
      exitCode: 0,
    });
    const after = resultOf(await run(site, ['cert', 'cat', id, '--json']));
    expect(after.serialNumber).not.toBe(before.serialNumber);
    expect(await run(site, ['cert', 'revoke', id])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('--yes'),
    });
    expect(await run(site, ['cert', 'revoke', id, '--reason', 'keyCompromise', '--yes'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(
        new RegExp(
          `^revoked the certificate with serial number ${after.serialNumber}; its replacement has serial number [0-9A-F]+$`,
          'm',
        ),
      ),
    });
    for (const flags of [[], ['--json']]) {
      expect((await run(site, ['cert', 'rm', id, ...flags])).status).toBe(2);
      expect((await run(site, ['cert', 'ls'])).stdout).toContain(id);
    }
    expect((await run(site, ['cert', 'rm', id, '--yes'])).status).toBe(0);
    expect((await run(site, ['cert', 'ls', '--json'])).stdout).toContain('"certificates": []');
    expect(await run(site, ['bus', 'verify'])).toMatchObject({ status: 0 });
  });

  test('an issuance goes on where nobody reads its output any more', async () => {
    const ended = await run(site, ['cert', 'mk', '--subdomain', 'unread.test'], { unreadFrom: 'claimed' });
    expect(ended.status).toBe(0);
    expect(resultOf(await run(site, ['cert', 'status', 'unread.test', '--json']))).toMatchObject({ status: 'valid' });
  });

  test('a CA that refuses is told in its own words, and the failure is on the bus', async () => {
    const { status, stderr } = await run(site, ['cert', 'mk', '--subdomain', 'blocked.test']);
    expect(status).toBe(5);
    expect(stderr).toMatch(/rejectedIdentifier|blocked/i);
    expect((await run(site, ['bus', 'log'])).stdout).toContain('IssuanceFailed');
  });

  test('no secret is in any output, error, event or configuration of this whole run', async () => {
    await run(site, ['cert', 'mk', 'scan.test']);
    const keyFiles = readdirSync(temporary.path, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && entry.name.endsWith('.key'))
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'utf8'));
    const lines = keyFiles.flatMap((text) => text.split('\n'));
    const secrets = lines
      .filter((line) => /^(AGE-SECRET-KEY|CERTBUS-(SIGNING|ROOT)-KEY)/.test(line))
      .map((line) => secretText('a key file', line.slice(-32)));
    expect(secrets.length).toBeGreaterThan(20);
    const commits = await commitsOf(site);
    const keys = await sealedKeysIn(commits, keyFiles);
    // Each certificate's of this file at a CA, those that failed, and the account's.
    expect(keys.length).toBeGreaterThan(5);
    secrets.push(...keys.flatMap((pem, n) => secretsOfKey(`key ${n}`, pem)));
    const bus = [
      commits,
      (await run(site, ['bus', 'log', '--json'])).stdout,
      readFileSync(join(site, 'bus.db'), 'latin1'),
    ];
    const replicas = readdirSync(join(site, 'state'), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => readFileSync(join(entry.parentPath, entry.name), 'latin1'));
    const everything = [...printed, ...bus, ...replicas].join('\n');
    expect(everything.length).toBeGreaterThan(50_000);
    expect(everything).toContain('ACME request');
    expect(findSecrets(everything, secrets)).toEqual([]);
    expect(everything).not.toMatch(/PRIVATE KEY/);
    // What the CA gave out, as it went over the wire.
    const tokens = proxy.exchanges.flatMap(({ body }) =>
      [...body.matchAll(/"token":\s*"([^"]+)"/g)].map(([, token = '']) => token),
    );
    expect(tokens.length).toBeGreaterThan(3);
    expect(tokens.filter((token) => everything.includes(token))).toEqual([]);
  });
});
