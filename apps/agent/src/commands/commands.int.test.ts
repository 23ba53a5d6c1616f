import { execFile, execFileSync, type StdioOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { bundledAgent } from 'certbus-services/vitest';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { createSite, type Site, sealedToOthers } from '../agent.builders.ts';
import { writeConfiguration } from '../conformance/killed-agent.builders.ts';
import { settled } from '../targets/tls.builders.ts';

const { path: program, env: compiled } = await bundledAgent();

/** Bounds what hangs; a machine that is busy takes a while. */
const LONG_MS = 280_000;

interface Answer {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

const environmentOf = (site: Site) => ({
  PATH: process.env['PATH'],
  HOME: site.folder,
  CERTBUS_STATE_DIR: join(site.folder, 'state'),
  ...compiled,
});

/** The program with its output on a disk that is full. */
const ON_FULL_DISK = ['-c', 'exec "$@" >/dev/full', 'sh', process.execPath, program];

const runOnFullDisk = (site: Site, ...args: string[]): Promise<Answer> =>
  new Promise((resolve) => {
    const options = { cwd: site.folder, env: environmentOf(site), timeout: LONG_MS };
    execFile('sh', [...ON_FULL_DISK, ...args], options, (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
  });

const run = (site: Site, ...args: string[]): Promise<Answer> =>
  new Promise((resolve) => {
    const options = { cwd: site.folder, env: environmentOf(site), timeout: LONG_MS };
    execFile(process.execPath, [program, ...args], options, (error, stdout, stderr) =>
      resolve({ status: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
  });

test('a machine is set up, checked, fed once, kept up to date, paused, and stopped', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const folder = join(site.folder, 'certs');
  const flags = [
    '--bus',
    'sqlite:bus.db#test',
    '--trust',
    'bus.pub',
    '--identity',
    'loadbalancer.key',
    '--target',
    'files',
    '--endpoints',
    '0',
  ];
  const config = ['--config', join(site.folder, 'agent.json')];
  const made = await run(site, 'init', ...flags, '--folder', folder, ...config);
  expect(made.stderr).toBe('');
  expect(made.stdout).toContain(`${folder}/current/NAME/fullchain.pem`);
  // A relative one is taken from the folder that the command is run in, as all paths of flags are, wherever the configuration goes.
  expect(JSON.parse(readFileSync(join(site.folder, 'agent.json'), 'utf8')).bus).toBe(
    `sqlite:${join(site.folder, 'bus.db')}#test`,
  );
  const again = await run(site, 'init', ...flags, '--folder', folder, ...config);
  expect(again).toMatchObject({ status: 3 });
  expect(again.stderr).toContain('is there already, and is not written over');

  const checked = await run(site, 'check');
  expect(checked.stdout).toContain('files: 0 in place, 1 to put, 0 to remove\n  put a.test\n');
  expect(existsSync(folder)).toBe(false);

  const fed = await run(site, 'once', '--json');
  expect(JSON.parse(fed.stdout)).toMatchObject({ status: 'ok', error: null, exitCode: 0 });
  expect(readFileSync(join(folder, 'current', 'a.test', 'privkey.pem'), 'utf8')).toContain('PRIVATE KEY');
  expect(fed.stdout + fed.stderr).not.toContain('PRIVATE KEY');
  // As after a start of the machine: another process has the number of the agent.
  const statusFile = join(site.folder, 'state', 'agent-status.json');
  writeFileSync(statusFile, readFileSync(statusFile, 'utf8').replace(/"pid":\d+/, `"pid":${process.pid}`));
  const idle = await run(site, 'status');
  expect(idle.stdout).toMatch(/^not running.*files: in place, 1 of 1 certificate, .* {2}a\.test: until /s);
  expect(idle).toMatchObject({ status: 10, stderr: expect.stringContaining('the agent is not running') });

  const agent = spawn(process.execPath, [program, 'run'], { cwd: site.folder, env: environmentOf(site) });
  onTestFinished(() => void agent.kill('SIGKILL'));
  let said = '';
  agent.stdout.on('data', (chunk) => (said += chunk));
  await settled(() => expect(said).toContain('ready: 1 target,'));
  expect(said).toMatch(/^showing \/healthz and \/metrics on 127\.0\.0\.1:\d+$/m);
  await site.bus.issue(['b.test']);
  await settled(() => expect(existsSync(join(folder, 'current', 'b.test'))).toBe(true));
  expect((await run(site, 'pause', 'files')).stdout).toBe('paused: files\n');
  await settled(async () =>
    expect(await run(site, 'status')).toMatchObject({ status: 0, stdout: expect.stringContaining('files: paused') }),
  );
  await site.bus.issue(['c.test']);
  expect((await run(site, 'resume')).stdout).toBe('resumed: files\n');
  expect(await run(site, 'resume')).toMatchObject({ status: 0, stdout: 'not paused: files\n' });
  await settled(() => expect(existsSync(join(folder, 'current', 'c.test'))).toBe(true));
  agent.kill('SIGTERM');
  await once(agent, 'exit');
  expect(agent.exitCode).toBe(0);
});

test('init names all that the agent cannot read before its identity is there', async () => {
  const site = await createSite();
  const [file, folder, identity] = ['agent.json', 'nginx', 'later.key'].map((name) => join(site.folder, name)) as [
    string,
    string,
    string,
  ];
  const init = (target: string, config: string) => {
    const flags = ['--trust', 'bus.pub', '--identity', identity, '--target', target, '--folder', folder];
    const socket = ['--socket', join(site.folder, 'admin.sock'), '--config', config];
    return run(site, 'init', '--bus', 'sqlite:bus.db#test', ...flags, ...socket);
  };
  const like = (files: string) => `chown --reference=${identity} ${files} && chmod --reference=${identity} ${files}\n`;
  const token = join(folder, 'nginx-token.conf');
  expect(await init('nginx', file)).toMatchObject({
    status: 0,
    stdout: expect.stringContaining(`Then give ${file} and ${token} its owner and mode: ${like(`${file} ${token}`)}`),
  });
  // A token that is there has its owner already.
  const other = `${file}.other`;
  expect((await init('nginx', other)).stdout).toContain(`Then give ${other} its owner and mode: ${like(other)}`);
});

test('a pause waits for the end of a change that had begun', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const [file, script, begun, go, ended] = ['agent.json', 'reload', 'begun', 'go', 'ended'].map((name) =>
    join(site.folder, name),
  ) as [string, string, string, string, string];
  const waits = `touch ${begun}; while [ -e ${begun} ] && [ ! -e ${go} ]; do sleep 0.1; done; sleep 1; touch ${ended}`;
  writeFileSync(script, `#!/bin/sh\n${waits}\n`, { mode: 0o700 });
  const after = { command: [script], timeoutMs: LONG_MS };
  const targets = [{ type: 'files', folder: join(site.folder, 'certs'), after, windowMs: 0 }];
  const content = { bus: 'sqlite:bus.db#test', trust: 'bus.pub', identity: 'loadbalancer.key', targets };
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
  // A status is there once an agent ran, and before a service was ever paused.
  writeFileSync(go, '');
  expect((await run(site, 'once')).status).toBe(0);
  for (const each of [begun, go, ended]) rmSync(each);
  const agent = spawn(process.execPath, [program, 'run'], { cwd: site.folder, env: environmentOf(site) });
  onTestFinished(() => void agent.kill('SIGKILL'));
  await site.bus.issue(['b.test']);
  await settled(() => expect(existsSync(begun)).toBe(true));
  const pausing = run(site, 'pause');
  await settled(() => expect(existsSync(join(site.folder, 'state', 'paused', 'files'))).toBe(true));
  writeFileSync(go, '');
  expect(await pausing).toMatchObject({ status: 0, stdout: 'paused: files\n' });
  expect(existsSync(ended)).toBe(true);
});

test('a target that was added while the agent runs is not fed, and the status says so', async () => {
  const site = await createSite();
  const file = join(site.folder, 'agent.json');
  const write = (...names: string[]) => {
    const targets = names.map((name) => ({ type: 'files', name, folder: join(site.folder, name) }));
    const content = { bus: 'sqlite:bus.db#test', trust: 'bus.pub', identity: 'loadbalancer.key', targets };
    writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
  };
  write('first');
  const agent = spawn(process.execPath, [program, 'run'], { cwd: site.folder, env: environmentOf(site) });
  onTestFinished(() => void agent.kill('SIGKILL'));
  await settled(async () => expect((await run(site, 'status')).status).toBe(0));
  write('first', 'second');
  expect(await run(site, 'status')).toMatchObject({
    status: 10,
    stderr: expect.stringContaining(`second was added to ${file} after the start of the agent: restart the agent`),
  });
});

test('an agent that has not ended its first comparison is running, and its status is 10', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const [begun, go, script] = ['begun', 'go', 'reload'].map((name) => join(site.folder, name)) as [
    string,
    string,
    string,
  ];
  writeFileSync(script, `#!/bin/sh\ntouch ${begun}; while [ -e ${begun} ] && [ ! -e ${go} ]; do sleep 0.1; done\n`, {
    mode: 0o700,
  });
  const after = { command: [script], timeoutMs: LONG_MS };
  const targets = [{ type: 'files', folder: join(site.folder, 'certs'), after, windowMs: 0 }];
  const content = { bus: 'sqlite:bus.db#test', trust: 'bus.pub', identity: 'loadbalancer.key', targets };
  writeFileSync(join(site.folder, 'agent.json'), JSON.stringify(content), { mode: 0o600 });
  const agent = spawn(process.execPath, [program, 'run'], { cwd: site.folder, env: environmentOf(site) });
  onTestFinished(() => void agent.kill('SIGKILL'));
  await settled(() => expect(existsSync(begun)).toBe(true));
  const starting = await run(site, 'status');
  expect(starting).toMatchObject({ status: 10, stdout: expect.stringMatching(/^running as process/) });
  expect(starting.stdout).toContain('files: starting, never compared\n');
  expect(starting.stderr).toContain('files was not compared since the start of the agent');
  writeFileSync(go, '');
  await settled(async () =>
    expect(await run(site, 'status')).toMatchObject({ status: 0, stdout: expect.stringContaining('files: in place') }),
  );
});

test('a target that cannot be fed is named, and the status is 10', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const file = join(site.folder, 'agent.json');
  const targets = [
    { type: 'files', folder: join(site.folder, 'good') },
    { type: 'haproxy', folder: join(site.folder, 'haproxy'), socket: join(site.folder, 'missing.sock') },
    { type: 'files', name: 'blocked', folder: join(file, 'below-a-file') },
    { type: 'files', name: 'told', folder: join(site.folder, 'told'), after: { command: ['/bin/false'] } },
  ];
  const content = { bus: 'sqlite:bus.db#test', trust: 'bus.pub', identity: 'loadbalancer.key', targets };
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
  const fed = await run(site, 'once', '--json');
  expect(fed.status).toBe(10);
  expect(JSON.parse(fed.stdout)).toMatchObject({
    status: 'failed',
    result: {
      targets: [
        { error: null },
        { error: { code: 'CERTBUS_AGENT_TARGET_FAILED', message: expect.stringContaining('HAProxy is not running') } },
        {
          error: {
            code: 'CERTBUS_AGENT_TARGET_FAILED',
            message: expect.stringContaining('Target "blocked" cannot be'),
          },
        },
        { error: { code: 'CERTBUS_AGENT_COMMAND_FAILED' } },
      ],
    },
    error: { code: 'CERTBUS_AGENT_UNHEALTHY' },
    exitCode: 10,
  });
  expect(existsSync(join(site.folder, 'good', 'current', 'a.test', 'cert.pem'))).toBe(true);
  const shown = await run(site, 'status', '--json');
  expect(JSON.parse(shown.stdout)).toMatchObject({ result: { isRunning: false, live: true }, exitCode: 10 });
  // A pause is shown before the agent has seen it.
  await run(site, 'pause', 'haproxy');
  expect((await run(site, 'status')).stdout).toContain('haproxy: paused, never compared\n');
  // The replica is there, and the answer of the bus is waited for all the same.
  const checked = (await run(site, 'check')).stdout;
  expect(checked).toMatch(/^bus: answers/);
  expect(checked).toContain(`problem: ${file} is not a folder`);
  expect(checked).toContain('files: 1 in place, 0 to put, 0 to remove\nhaproxy: ');
  expect(checked).toMatch(/told: 1 in place, 0 to put, 0 to remove\n {2}not in effect yet: /);
  // Its files are there for its start.
  expect(statSync(join(site.folder, 'haproxy', 'a.test.pem')).mode & 0o777).toBe(0o600);
});

test.each([
  ['a field that is unknown', { colour: 'red' }, 'colour'],
  ['a mode that lets others read', { targets: [{ type: 'files', folder: '/x', mode: '0644' }] }, 'targets.0.mode'],
  [
    'a command without a full path',
    { targets: [{ type: 'files', folder: '/x', after: { command: ['reload'] } }] },
    'targets.0.after.command',
  ],
  ['a folder that is not a full path', { targets: [{ type: 'files', folder: 'x' }] }, 'targets.0.folder'],
  ['no targets', { targets: [] }, 'targets'],
  ['a port that is not one', { endpoints: { port: 65_536 } }, 'endpoints.port'],
  ['a port to listen on that is not one', { http01: { listen: '127.0.0.1:65536' } }, 'http01.listen'],
  [
    'a port to look at that is not one',
    { targets: [{ type: 'files', folder: '/x', address: '[::1]:99999' }] },
    'targets.0.address',
  ],
  ['a default that is not a name', { targets: [{ type: 'files', folder: '/x', default: 'a b' }] }, 'targets.0.default'],
  [
    'a folder that HAProxy would take for two words',
    { targets: [{ type: 'haproxy', folder: '/x y', socket: '/s' }] },
    'targets.0.folder',
  ],
  [
    'a socket whose path is too long for the system',
    { targets: [{ type: 'haproxy', folder: '/x', socket: `/${'s'.repeat(107)}` }] },
    'targets.0.socket',
  ],
  ['a folder that ends a line of nginx', { targets: [{ type: 'nginx-files', folder: '/x;y' }] }, 'targets.0.folder'],
  ['a check-in that is not a URL', { checkIn: 'in.test' }, 'checkIn'],
  ['PKCS#12 without a password', { targets: [{ type: 'files', folder: '/x', layout: 'pkcs12' }] }, 'targets.0'],
])('a configuration with %s is refused, and the field is named', async (_, wrong, field) => {
  const { parseConfiguration } = await import('../configuration/read-configuration.ts');
  const good = {
    bus: 'sqlite:/bus.db#test',
    trust: 'bus.pub',
    identity: 'x.key',
    targets: [{ type: 'files', folder: '/x' }],
  };
  expect(() => parseConfiguration(JSON.stringify({ ...good, ...wrong }), '/etc/certbus/agent.json')).toThrow(
    `/etc/certbus/agent.json: ${field}: `,
  );
});

const FILES = { type: 'files', folder: '/x' };

test.each([
  [{ identity: undefined, idenity: 'x.key' }, 'identity: it is missing; idenity: it is not a known field.'],
  [{ targets: [{ ...FILES, folder: undefined }] }, 'targets.0.folder: it is missing.'],
  [
    { targets: [FILES, { ...FILES, color: 1 }], checkin: 'https://in.test' },
    'targets.1.color: it is not a known field; checkin: it is not a known field.',
  ],
  [{ targets: [{ type: 'haprxy' }] }, 'targets.0.type: it must be "files" or "haproxy" or "nginx" or "nginx-files".'],
  [
    { targets: [{ ...FILES, mode: 640 }], intervalMs: '10' },
    'intervalMs: it must be a number; targets.0.mode: it must be a string.',
  ],
  [{ targets: FILES, http01: '127.0.0.1:80' }, 'http01: it must be an object; targets: it must be a list.'],
  [{ bus: '' }, 'bus: must not be empty.'],
])('of %j every field that is wrong is named, in plain words', async (wrong, told) => {
  const { parseConfiguration } = await import('../configuration/read-configuration.ts');
  const good = { bus: 'sqlite:/bus.db#test', trust: 'bus.pub', identity: 'x.key', targets: [FILES] };
  const parse = () => parseConfiguration(JSON.stringify({ ...good, ...wrong }), 'agent.json');
  expect(parse).toThrow(expect.objectContaining({ message: `agent.json: ${told}` }));
});

test('names are taken in any form in which they can be typed', async () => {
  const { parseConfiguration } = await import('../configuration/read-configuration.ts');
  const names = ['Bücher.Example.', '*.A.test', '2001:DB8:0::1'];
  const target = { type: 'files', folder: '/x', certificates: { names }, default: 'WWW.A.test' };
  const content = { bus: 'sqlite:/bus.db#test', trust: 'bus.pub', identity: 'x.key', targets: [target] };
  const { targets } = parseConfiguration(JSON.stringify(content), '/etc/certbus/agent.json');
  expect(targets).toMatchObject([
    { certificates: { names: ['xn--bcher-kva.example', '*.a.test', '2001:db8::1'] }, default: 'www.a.test' },
  ]);
});

test('the URL of a check-in is shown in no message', async () => {
  const { parseConfiguration } = await import('../configuration/read-configuration.ts');
  for (const url of ['https://me:secret-word@in.test/', 'ftp://in.test/secret-word', 'https://in.test/ secret-word']) {
    for (const checkIn of [url, { url }, [url]]) {
      const parse = () => parseConfiguration(JSON.stringify({ checkIn }), '/etc/certbus/agent.json');
      expect(parse).toThrow();
      expect(parse).not.toThrow('secret-word');
    }
  }
});

test('once --offline feeds from the replica while the bus is away', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const folder = join(site.folder, 'certs');
  const content = {
    bus: 'sqlite:bus.db#test',
    trust: 'bus.pub',
    identity: 'loadbalancer.key',
    targets: [{ type: 'files', folder }],
  };
  writeFileSync(join(site.folder, 'agent.json'), JSON.stringify(content), { mode: 0o600 });
  renameSync(join(site.folder, 'bus.db'), join(site.folder, 'bus.away'));
  const early = await run(site, 'once', '--offline');
  expect(early).toMatchObject({
    status: 7,
    stderr: expect.stringContaining('There is no complete replica of the bus'),
  });
  expect(early.stderr).not.toContain('credentials');
  renameSync(join(site.folder, 'bus.away'), join(site.folder, 'bus.db'));
  expect((await run(site, 'once')).status).toBe(0);
  // The replica is there, and what the bus has more is in place all the same once it has ended.
  await site.bus.issue(['b.test']);
  expect((await run(site, 'once')).status).toBe(0);
  expect(existsSync(join(folder, 'current', 'b.test', 'cert.pem'))).toBe(true);
  rmSync(folder, { recursive: true });
  rmSync(join(site.folder, 'bus.db'));
  const file = join(site.folder, 'agent.json');
  // Nobody is checked in with: that is for the service.
  writeFileSync(file, JSON.stringify({ ...content, checkIn: 'http://127.0.0.1:9/secret-word' }));
  chmodSync(file, 0o644);
  const fed = await run(site, 'once', '--offline');
  expect(fed.status).toBe(0);
  expect(fed.stderr).toContain(
    `Warning: ${file} can be read by others (mode 0644). Make it yours alone with "chmod 600 ${file}". It holds the URL of "checkIn": anyone who knows that can report that this machine is well.\n`,
  );
  expect(JSON.parse((await run(site, 'status', '--json')).stdout).warnings).toEqual([expect.stringContaining(file)]);
  chmodSync(file, 0o600);
  expect((await run(site, 'once', '--offline')).stderr).not.toMatch(/Warning|secret-word/);
  expect(existsSync(join(folder, 'current', 'a.test', 'cert.pem'))).toBe(true);
});

test('a check names what would change and what is in the way of each target, changes nothing, and ends with 0 where all is well', async () => {
  const site = await createSite();
  const one = await site.bus.issue(['a.test']);
  const gone = await site.bus.issue(['gone.test']);
  const folderOf = (name: string) => join(site.folder, name);
  const socket = folderOf('missing.sock');
  const printing = ['/bin/sh', '-c', 'echo "[emerg] a line that is wrong"; exit 1'];
  const targets = [
    { type: 'files', name: 'fed', folder: folderOf('fed') },
    { type: 'haproxy', folder: folderOf('haproxy'), socket },
    { type: 'files', name: 'refused', folder: folderOf('refused'), test: { command: printing } },
  ];
  const configure = (some: readonly object[]) => {
    const content = { bus: 'sqlite:bus.db#test', trust: 'bus.pub', identity: 'loadbalancer.key', targets: some };
    writeFileSync(join(site.folder, 'agent.json'), JSON.stringify(content), { mode: 0o600 });
  };
  configure(targets.slice(0, 1));
  expect((await run(site, 'once')).status).toBe(0);
  const good = await run(site, 'check');
  expect(good).toMatchObject({ status: 0, stderr: '' });
  expect(good.stdout).toMatch(
    /^bus: answers, .*\nidentity: opens every key\nfed: 2 in place, 0 to put, 0 to remove\n$/,
  );
  await site.bus.remove(gone.certificateId);
  // The renewal of one, whose key before it opens, and a new one.
  await site.bus.append({ ...(await sealedToOthers(['a.test'])), certificateId: one.certificateId });
  const other = await sealedToOthers(['other.test']);
  await site.bus.append(other);
  configure(targets);
  const current = () => readdirSync(join(folderOf('fed'), 'current')).sort();
  const before = current();
  const { status, stdout } = await run(site, 'check');
  expect(status).toBe(10);
  const [bus, identity, ...lines] = stdout.split('\n');
  expect([bus, identity]).toEqual([
    expect.stringMatching(/^bus: answers/),
    'identity: keys that do not open with it: 2',
  ]);
  expect(lines.slice(0, 2).sort()).toEqual([`  ${one.certificateId}`, `  ${other.certificateId}`].sort());
  const sections = lines
    .slice(2)
    .join('\n')
    .split(/^(?=\w)/m);
  expect(sections).toEqual([
    expect.stringMatching(/^fed: 0 in place, 2 to put, 1 to remove\n( {2}put (a|other)\.test\n){2} {2}remove /),
    expect.stringContaining(
      `  problem: HAProxy's admin socket ${socket} cannot be used: ENOENT. HAProxy is not running`,
    ),
    expect.stringContaining(
      '  problem: The command /bin/sh ended with status 1. It printed: [emerg] a line that is wrong\n',
    ),
  ]);
  expect(sections[0]).toContain(`  remove ${gone.certificateId}\n`);
  expect(current()).toEqual(before);
  expect(['haproxy', 'refused'].map((name) => existsSync(folderOf(name)))).toEqual([false, false]);
});

test.runIf(process.platform === 'linux')('a log on a full disk keeps nothing from being fed', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const folder = join(site.folder, 'certs');
  writeConfiguration(site, [{ type: 'files', folder }]);
  const full = openSync('/dev/full', 'w');
  onTestFinished(() => closeSync(full));
  const start = (command: string) => {
    // Each logs to one of the two.
    const stdio: StdioOptions = ['ignore', command === 'run' ? full : 'ignore', full];
    const agent = spawn(process.execPath, [program, command], { cwd: site.folder, env: environmentOf(site), stdio });
    onTestFinished(() => void agent.kill('SIGKILL'));
    return agent;
  };
  const fed = (name: string) => settled(() => expect(existsSync(join(folder, 'current', name))).toBe(true));
  const [status] = await once(start('once'), 'exit');
  expect(status).toBe(0);
  await fed('a.test');
  const agent = start('run');
  await site.bus.issue(['b.test']);
  await fed('b.test');
  await site.bus.issue(['c.test']);
  await fed('c.test');
  agent.kill('SIGTERM');
  await once(agent, 'exit');
  // Its lines were lost.
  expect(agent.exitCode).toBe(3);
});

test('a status that is older than an agent which works would leave it is wrong, unless all is paused', async () => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  writeConfiguration(site, [{ type: 'files', folder: join(site.folder, 'certs') }]);
  const agent = spawn(process.execPath, [program, 'run'], { cwd: site.folder, env: environmentOf(site) });
  onTestFinished(() => void agent.kill('SIGKILL'));
  let said = '';
  agent.stdout.on('data', (chunk) => (said += chunk));
  await settled(() => expect(said).toContain('ready: 1 target,'));
  // It hangs; on a full disk it would work and could not write.
  agent.kill('SIGSTOP');
  const file = join(site.folder, 'state', 'agent-status.json');
  const written = JSON.parse(readFileSync(file, 'utf8'));
  const ageTo = (minutes: number) =>
    writeFileSync(file, JSON.stringify({ ...written, at: new Date(Date.now() - minutes * 60_000).toISOString() }));
  ageTo(4);
  expect((await run(site, 'status')).status).toBe(0);
  ageTo(60);
  expect(await run(site, 'status')).toMatchObject({
    status: 10,
    stderr: expect.stringMatching(/it has written no status since .*: it hangs, or the disk of .*state is full/),
  });
  await run(site, 'pause');
  expect((await run(site, 'status')).status).toBe(0);
});

test('check notes names of the configuration that no certificate has', async () => {
  const site = await createSite();
  await site.bus.issue(['www.a.test']);
  const folder = join(site.folder, 'certs');
  writeConfiguration(site, [
    {
      ...{ type: 'files', folder, default: 'ww.a.test' },
      certificates: { names: ['*.a.test', 'www.b.test'], ids: ['mistyped'] },
    },
    {
      type: 'files',
      name: 'right',
      folder: `${folder}-2`,
      default: 'www.a.test',
      certificates: { names: ['*.a.test'] },
    },
  ]);
  const { status, stdout } = await run(site, 'check');
  expect(status).toBe(0);
  expect(stdout.split('\n').slice(2)).toEqual([
    'files: 0 in place, 1 to put, 0 to remove',
    '  put www.a.test',
    '  note: No certificate of the bus is selected by "mistyped".',
    '  note: No certificate of the bus is selected by "www.b.test".',
    '  note: No certificate of this target can be shown for its default, "ww.a.test": clients that name no server get none.',
    'right: 0 in place, 1 to put, 0 to remove',
    '  put www.a.test',
    '',
  ]);
});

test.each(['once', 'run'])(
  '%s that is stopped ends at once, and what a target is busy with ends with it',
  async (command) => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const begun = join(site.folder, 'begun');
    // It ends by no time of its own.
    const slow = ['/bin/sh', '-c', `echo $$ > ${begun}.new; mv ${begun}.new ${begun}; exec sleep 86400`];
    const after = { command: slow, timeoutMs: 86_400_000 };
    writeConfiguration(site, [{ type: 'files', folder: join(site.folder, 'certs'), after }]);
    const agent = spawn(process.execPath, [program, command], { cwd: site.folder, env: environmentOf(site) });
    onTestFinished(() => void agent.kill('SIGKILL'));
    let said = '';
    for (const stream of [agent.stdout, agent.stderr]) stream.on('data', (chunk) => (said += chunk));
    await settled(() => expect(existsSync(begun)).toBe(true));
    const before = said;
    agent.kill('SIGTERM');
    await once(agent, 'exit');
    const isOver =
      command === 'once' ? { code: 7, says: 'It was stopped before it was done.' } : { code: 0, says: 'stopped;' };
    expect([agent.exitCode, said]).toEqual([isOver.code, expect.stringContaining(isOver.says)]);
    expect(said.slice(before.length)).not.toContain('ready:');
    expect(() => process.kill(Number(readFileSync(begun, 'utf8')), 0)).toThrow('ESRCH');
  },
);

test('once goes by its replica where the bus does not answer, and ends with 10; what is paused is named and left', async () => {
  const site = await createSite();
  const { certificateId } = await site.bus.issue(['a.test']);
  const [fed, left] = [join(site.folder, 'fed'), join(site.folder, 'left')];
  const targets = [
    { type: 'files', name: 'fed', folder: fed },
    { type: 'files', name: 'left', folder: left },
  ];
  const configure = (some: typeof targets) => {
    const content = { bus: 'sqlite:bus.db#test', trust: 'bus.pub', identity: 'loadbalancer.key', targets: some };
    writeFileSync(join(site.folder, 'agent.json'), JSON.stringify(content), { mode: 0o600 });
  };
  configure(targets.slice(0, 1));
  expect((await run(site, 'once')).status).toBe(0);
  configure(targets);
  expect((await run(site, 'pause', 'left')).status).toBe(0);
  const first = await run(site, 'once');
  expect(first).toMatchObject({ status: 0, stderr: expect.stringContaining('left: paused, and left as it is\n') });
  expect([fed, left].map((folder) => existsSync(folder))).toEqual([true, false]);
  rmSync(join(site.folder, 'bus.db'));
  rmSync(fed, { recursive: true });
  const silent = await run(site, 'once', '--json');
  expect(silent.status).toBe(10);
  const { result, error } = JSON.parse(silent.stdout);
  expect(error).toMatchObject({
    code: 'CERTBUS_AGENT_UNHEALTHY',
    message: expect.stringMatching(
      /^The bus did not answer: the targets are as the replica has it, at position \d+\. With --offline that is enough\./,
    ),
  });
  expect(result.targets[0].certificates[certificateId]).toMatchObject({ problem: null });
  expect(existsSync(join(fed, 'current', 'a.test', 'cert.pem'))).toBe(true);
  expect(existsSync(left)).toBe(false);
});

test('the service can be stopped while its first start waits for the bus', async () => {
  const site = await createSite();
  const asked = Promise.withResolvers<void>();
  const server = createServer((socket) => asked.resolve(void socket.on('error', () => {}).resume())).listen(0);
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const content = {
    bus: `dynamodb://table/stream?region=eu-central-1&endpoint=http://127.0.0.1:${port}`,
    ...{ trust: 'bus.pub', identity: 'loadbalancer.key', targets: [{ type: 'files', folder: join(site.folder, 'x') }] },
  };
  writeFileSync(join(site.folder, 'agent.json'), JSON.stringify(content), { mode: 0o600 });
  const env = { ...environmentOf(site), AWS_ACCESS_KEY_ID: 'key', AWS_SECRET_ACCESS_KEY: 'secret' };
  const agent = spawn(process.execPath, [program, 'run'], {
    cwd: site.folder,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void agent.kill('SIGKILL'));
  let said = '';
  agent.stdout.on('data', (chunk) => (said += chunk));
  await asked.promise;
  agent.kill('SIGTERM');
  await once(agent, 'exit');
  expect({ said, exitCode: agent.exitCode }).toEqual({
    said: expect.stringMatching(/^stopped before the bus was read; the next start reads it\n$/m),
    exitCode: 0,
  });
});

test('the service loads no HTTP, and undici with it, before anything needs it', () => {
  const command = new URL('run.ts', import.meta.url).href;
  const script = `await import(${JSON.stringify(command)});
    console.log(process.moduleLoadList.filter((name) => /undici|internal\\/http2/.test(name)).join());`;
  const flags = ['--conditions=certbus:source', '--input-type=module', '--eval', script];
  expect(execFileSync(process.execPath, flags, { encoding: 'utf8' })).toBe('\n');
});

test.each(['files', 'nginx'])('init for %s, where it can make no file, names that and what to do', async (target) => {
  const site = await createSite();
  const file = join(site.folder, 'a-file');
  writeFileSync(file, '');
  const flags = ['--bus', 'sqlite:bus.db#test', '--trust', 'bus.pub', '--identity', 'loadbalancer.key'];
  const folder = join(file, 'folder');
  const made = await run(
    site,
    'init',
    ...flags,
    '--target',
    target,
    '--folder',
    folder,
    '--config',
    `${folder}/agent.json`,
  );
  expect(made).toMatchObject({ status: 3, stdout: '' });
  const name = target === 'nginx' ? 'nginx-token.conf' : 'agent.json';
  expect(made.stderr).toContain(`Error: ${folder}/${name} cannot be made: the file or its folder does not exist`);
  expect(made.stderr).toContain('Run this as root, or name other places with --config and --folder.');
});

test('a command or flag that does not exist is answered with what to type', async () => {
  const site = await createSite();
  expect(await run(site, 'statu')).toEqual({
    status: 127,
    stdout: '',
    stderr:
      'Error: "certbus-agent statu" is not a command. Did you mean "certbus-agent status"? "certbus-agent help" lists the commands. Code: CERTBUS_CLI_USAGE.\n',
  });
  expect(await run(site, 'puase', 'haproxy')).toEqual({
    status: 127,
    stdout: '',
    stderr: expect.stringMatching(
      /^Error: "certbus-agent puase haproxy" is not a .* Did you mean "certbus-agent pause"\?/,
    ),
  });
  expect(await run(site, 'status', 'haproxy')).toEqual({
    status: 2,
    stdout: '',
    stderr:
      'Error: "certbus-agent status" does not take "haproxy". "certbus-agent status --help" lists what it takes. Code: CERTBUS_CLI_USAGE.\n',
  });
  expect(await run(site, 'check', '--nonsense')).toEqual({
    status: 2,
    stdout: '',
    stderr:
      'Error: Nonexistent flag: --nonsense. "certbus-agent check --help" lists what it takes. Code: CERTBUS_CLI_USAGE.\n',
  });
  expect(await run(site, 'init', '--folder', '', '--config', 'new.json')).toEqual({
    status: 3,
    stdout: '',
    stderr: 'Error: --folder is empty. Give it a value, or leave it out. Code: CERTBUS_AGENT_CONFIG_INVALID.\n',
  });
  expect((await run(site, 'init', '--help')).stdout.split('\n').filter((line) => line.length > 80)).toEqual([]);
});

describe.skipIf(!existsSync('/dev/full'))('output that cannot be written', () => {
  const lost =
    'Error: Standard output: its disk is full; make room (ENOSPC: no space left on device, write). Code: CERTBUS_CLI_FILE_PROBLEM.\n';
  let site: Site;

  beforeEach(async () => {
    site = await createSite();
    const targets = [{ type: 'files', name: 'files', folder: join(site.folder, 'certs') }];
    const configuration = { bus: 'sqlite:./bus.db#test', trust: 'bus.pub', identity: 'loadbalancer.key', targets };
    writeFileSync(join(site.folder, 'agent.json'), JSON.stringify(configuration));
  });

  test.each([
    [['--version']],
    [['--help']],
    [['check', '--help']],
    [['help']],
    [['check']],
    [['once', '--json']],
    [['statu', '--json']],
  ])('%j is an error, without a trace', async (args) => {
    const { stderr, ...ended } = await runOnFullDisk(site, ...args);
    expect(ended).toEqual({ status: 3, stdout: '' });
    // What is logged is on standard error, too.
    expect(stderr.replace(/^files: .*\n/, '')).toBe(lost);
  });

  test('the service feeds its targets all the same', async () => {
    await site.bus.issue(['a.test']);
    const agent = spawn('sh', [...ON_FULL_DISK, 'run'], { cwd: site.folder, env: environmentOf(site) });
    onTestFinished(() => void agent.kill('SIGKILL'));
    let stderr = '';
    agent.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    const isThere = (name: string) => existsSync(join(site.folder, 'certs', 'current', name, 'fullchain.pem'));
    await expect.poll(() => isThere('a.test')).toBe(true);
    await expect.poll(() => stderr).toBe(lost);
    await site.bus.issue(['b.test']);
    await expect.poll(() => isThere('b.test')).toBe(true);
    agent.kill('SIGTERM');
    await once(agent, 'exit');
    expect({ exitCode: agent.exitCode, stderr }).toEqual({ exitCode: 3, stderr: lost });
  });
});
