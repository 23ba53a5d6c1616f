/** Tests that the sandbox starts, that it goes on after a restart, and that nothing of it is left running. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { get } from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startDnsServer } from '@certbus/acme-server';
import { freePort, temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { openHome } from './home.ts';

const pathOf = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const nodeArguments = (program: string, args: readonly string[]) => ['--conditions=certbus:source', program, ...args];
const SANDBOX = pathOf('sandbox.ts');
const CERTBUS = pathOf('../../cli/bin/dev.js');

function openFolder(): string {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  return path;
}

function start(program: string, args: readonly string[], options: { cwd?: string; env?: NodeJS.ProcessEnv } = {}) {
  const child = spawn(process.execPath, nodeArguments(program, args), {
    ...options,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** Waits until a program has said all of its opening words. */
async function readUntil({ stdout }: ChildProcess, mark: string): Promise<string> {
  let said = '';
  for await (const line of createInterface({ input: stdout as NodeJS.ReadableStream })) {
    said += `${line}\n`;
    if (line.includes(mark)) return said;
  }
  throw new Error(`it ended after: ${said}`);
}

async function startSandbox(state: string, flags: readonly string[]) {
  // The user has a bus of their own.
  const env = { ...process.env, CERTBUS_BUS: 'sqlite:/nowhere/bus.db#own' };
  const child = start(SANDBOX, ['--state', state, ...flags], { env });
  const said = await readUntil(child, 'everything is gone');
  return { child, said, ports: [...said.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port]) => Number(port)) };
}

function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

async function expectGone(ports: readonly number[]): Promise<void> {
  await expect.poll(async () => (await Promise.all(ports.map(isOpen))).includes(true)).toBe(false);
}

/** Serial number that a server shows for a name, verified by a root. */
function visit(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const servername = 'www.example.test';
    const call = get({ host: '127.0.0.1', port, servername, headers: { host: servername }, ca, agent: false });
    call.on('error', reject).on('response', (response) => {
      resolve((response.socket as TLSSocket).getPeerCertificate().serialNumber);
      response.destroy();
    });
  });
}

/** Visits until the server has read of the certificate that it is to show. */
async function visitUntil(port: number, ca: string, serialNumber: string): Promise<void> {
  const shown = () => visit(port, ca).then((shownNow) => BigInt(`0x${shownNow}`), String);
  await expect.poll(shown).toBe(BigInt(`0x${serialNumber}`));
}

test('the sandbox serves what its bus says, both go on after its restart, and nothing of it is left running', async () => {
  const state = join(openFolder(), 'state');
  const [port, httpPort] = [await freePort(), await freePort()];
  const flags = ['--port', String(port), '--http-port', String(httpPort)];
  const first = await startSandbox(state, flags);
  expect(first.said).toMatch(/CA +https:\/\/127\.0\.0\.1:\d+\/directory +\(the strict ACME server of @certbus/);
  expect(first.said).toMatch(/^ {2}unset .*\bCERTBUS_BUS\b.*\n {2}export CERTBUS_CONFIG=/m);
  expect(await Promise.all(first.ports.map(isOpen))).not.toContain(false);
  expect(statSync(state).mode & 0o777).toBe(0o700);
  const exported = [...first.said.matchAll(/(CERTBUS_\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]);
  const env = { ...process.env, ...Object.fromEntries(exported) };
  const certbus = async (...args: readonly string[]) => {
    const run = await promisify(execFile)(process.execPath, nodeArguments(CERTBUS, args), { env });
    return run.stdout.trim();
  };
  const serialNumberOf = async (id: string) =>
    JSON.parse(await certbus('cert', 'cat', id, '--json')).result.serialNumber;
  const id = await certbus('cert', 'mk', '--wildcard', 'example.test');
  const root = readFileSync(join(state, 'ca-root.pem'), 'utf8');
  await visitUntil(port, root, await serialNumberOf(id));

  first.child.kill('SIGTERM');
  await once(first.child, 'exit');
  await expectGone(first.ports);
  // The ports are those of the folder: nobody has to name them again.
  const again = await startSandbox(state, []);
  expect(again.said).toBe(first.said);
  expect(await certbus('cert', 'renew', id, '--yes')).toMatch(/^renewed/);
  expect(readFileSync(join(state, 'ca-root.pem'), 'utf8')).toBe(root);
  await visitUntil(port, root, await serialNumberOf(id));

  again.child.kill('SIGKILL');
  await once(again.child, 'exit');
  await expectGone(again.ports);
});

/** Runs the sandbox to its end, which it is refused the start of. */
async function refused(...args: readonly string[]) {
  return promisify(execFile)(process.execPath, nodeArguments(SANDBOX, args)).then(
    () => expect.fail('the sandbox started'),
    ({ code, stderr }: { code: number; stderr: string }) => ({ code, stderr }),
  );
}

test('a CA that there is not, a flag that there is not, a port that is not one, and a folder for Pebble are refused', async () => {
  const told = [await refused('--ca', 'other'), await refused('--prot', '1'), await refused('--port', 'http')];
  expect(told.map(({ code }) => code)).toEqual([2, 2, 2]);
  expect(told[1]?.stderr).toBe(
    "Unknown option '--prot'. It takes --state, --port, --http-port, --ca, as the README describes them.\n",
  );
  const { code, stderr } = await refused('--ca', 'pebble', '--state', openFolder());
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('Pebble cannot keep its state') });
});

test('a port that another program has taken is named, with what to do', async () => {
  const state = openFolder();
  const { ports } = await openHome(state, { port: await freePort(), httpPort: await freePort() });
  await using dns = await startDnsServer({ port: ports.dns });
  expect(dns.address).toContain(String(ports.dns));
  const { code, stderr } = await refused('--state', state);
  expect(code).toBe(1);
  expect(stderr).toMatch(
    new RegExp(`^Port ${ports.dns} of 127\\.0\\.0\\.1 is taken.*End the other program.*--state FOLDER`, 's'),
  );
});

test('a server at other ports than the bus was made for is refused, with what to do', async () => {
  const state = openFolder();
  const [port, httpPort, other] = [await freePort(), await freePort(), await freePort()];
  await openHome(state, { port, httpPort });
  for (const flag of ['--port', '--http-port']) {
    const { code, stderr } = await refused('--state', state, flag, String(other));
    expect(code).toBe(1);
    expect(stderr).toMatch(new RegExp(`made for a server at the ports ${port} and ${httpPort}.*--state FOLDER`, 's'));
  }
});

test('a port of the server that is taken is named before a bus is made, and the next start can choose another', async () => {
  const state = openFolder();
  const [free, taken] = [await freePort(), await freePort()];
  await using dns = await startDnsServer({ port: taken });
  expect(dns.address).toContain(String(taken));
  const { code, stderr } = await refused('--state', state, '--port', String(free), '--http-port', String(taken));
  expect(code).toBe(1);
  expect(stderr).toMatch(new RegExp(`^Port ${taken} of 127\\.0\\.0\\.1 is taken .*-- --http-port PORT$`, 'ms'));
  expect(readdirSync(state)).toEqual([]);
  const server = { port: free, httpPort: await freePort() };
  expect(await openHome(state, server)).toMatchObject({ server });
});
