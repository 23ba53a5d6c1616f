import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { globSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { connect } from 'node:tls';
import { promisify } from 'node:util';
import { findNode, NODE_VERSIONS, OLD_NODE, requirePart, startConnectProxy, temporaryFolder } from 'certbus-services';
import { drawCredentials, isFull, sharedDynamoDbLocal, usePacked } from 'certbus-services/vitest';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { createTestBus, type TestBus } from './testing.ts';

const run = promisify(execFile);
// What npm hands down to the scripts that it runs is not what a user's shell has.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm|pnpm)_/i.test(name)));
const nodes = requirePart('node-versions');
const dynamoDb = requirePart('dynamodb-local');
const NAME = 'packed.test';
const PROGRAMS = {
  'worker.mjs': `
    import https from 'node:https';
    import { parentPort, threadId } from 'node:worker_threads';
    import { connect } from '@certbus/client';
    const { STATE: stateDirectory } = process.env;
    const files = { identity: './loadbalancer.key', trust: './bus.pub', stateDirectory };
    const certbus = await connect({ bus: 'sqlite:./bus.db', ...files });
    const server = certbus.attach(https.createServer(certbus.tlsOptions(), (_, response) => response.end()));
    server.listen(0, '127.0.0.1', () => setInterval(() => {
      const [{ serialNumber } = {}] = certbus.certificates();
      const { following } = certbus.health();
      const report = { id: threadId || process.pid, port: server.address().port, following, serialNumber };
      if (parentPort) parentPort.postMessage(report);
      else process.send(report);
    }, 50));`,
  'primary.mjs': `
    import cluster from 'node:cluster';
    import { Worker } from 'node:worker_threads';
    const ends = new Map();
    const begin = () => {
      const worker = process.argv[2] === 'threads' ? new Worker('./worker.mjs') : cluster.fork();
      worker.on('message', (report) => {
        ends.set(report.id, () => (worker.terminate ? worker.terminate() : worker.process.kill('SIGKILL')));
        process.send(report);
      });
    };
    cluster.setupPrimary({ exec: './worker.mjs', args: [] });
    for (let n = 0; n < 3; n += 1) begin();
    process.on('message', async ({ kill }) => ends.get(kill)());`,
  'beside.mjs': `
    import { connect } from '@certbus/client';
    const { STATE: stateDirectory } = process.env;
    const files = { identity: './loadbalancer.key', trust: './bus.pub', stateDirectory };
    const certbus = await connect({ bus: 'sqlite:./copy.db', ...files });
    const alarms = [];
    certbus.on('alarm', ({ message }) => alarms.push(message));
    const context = await certbus.secureContextFor('packed.test');
    setInterval(() => process.send({ serves: context !== undefined, alarms }), 50);
    process.on('message', async () => {
      await certbus.close();
      process.exit();
    });`,
  'required.cjs': `
    const https = require('node:https');
    const { connect } = require('@certbus/client');
    async function main() {
      const { STATE: stateDirectory } = process.env;
      const files = { identity: './loadbalancer.key', trust: './bus.pub', stateDirectory };
      const certbus = await connect({ bus: 'sqlite:./copy.db', ...files });
      const server = certbus.attach(https.createServer(certbus.tlsOptions(), (_, response) => response.end()));
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
      const visit = { host: '127.0.0.1', port: server.address().port, servername: 'packed.test', agent: false };
      https.get({ ...visit, rejectUnauthorized: false }, async (response) => {
        const names = response.socket.getPeerCertificate().subjectaltname;
        console.log(names.replace('DNS:', ''), (await import('@certbus/client')).connect === connect);
        server.close();
        await certbus.close();
      });
    }
    void main();`,
};
const temporary = temporaryFolder();
const project = join(temporary.path, 'project');

let bus: TestBus;

beforeAll(async () => {
  await usePacked('@certbus/client', project);
  bus = await createTestBus({ address: `sqlite:${project}/bus.db` });
  await bus.issue([NAME]);
  writeFileSync(join(project, 'loadbalancer.key'), bus.identity, { mode: 0o600 });
  writeFileSync(join(project, 'bus.pub'), bus.trust);
  const database = new DatabaseSync(join(project, 'bus.db'));
  // The same with a rollback journal: Node 22.18 refuses the other one.
  database.exec(`VACUUM INTO '${join(project, 'copy.db')}'`);
  database.close();
  for (const [file, code] of Object.entries(PROGRAMS)) writeFileSync(join(project, file), code);
});
afterAll(async () => {
  await bus?.close();
  temporary.remove();
});

/** What one of several workers reports of itself, again and again. */
interface Report {
  readonly id: number;
  readonly port: number;
  readonly following: boolean;
  readonly serialNumber: string | undefined;
}

/** Three workers of a program on one state folder, of which the one that follows dies. */
async function shareReplica(kind: string, { execPath, state }: { execPath: string; state: string }): Promise<void> {
  const own = { ...env, STATE: join(project, `state-${state}`) };
  const primary = fork(join(project, 'primary.mjs'), [kind], { cwd: project, env: own, execPath });
  onTestFinished(() => void primary.kill('SIGKILL'));
  const reports = new Map<number, Report>();
  primary.on('message', (report: Report) => void reports.set(report.id, report));
  const dead = new Set<number>();
  const alive = () => [...reports.values()].filter(({ id }) => !dead.has(id));
  const following = () => alive().filter((report) => report.following);
  await expect.poll(() => [reports.size, following().length]).toEqual([3, 1]);
  const first = following()[0]?.id ?? 0;
  primary.send({ kill: first });
  dead.add(first);
  await expect.poll(() => following().length).toBe(1);
  const { serialNumber } = await bus.issue([NAME]);
  const serials = () => alive().map((report) => report.serialNumber);
  await expect.poll(serials).toEqual([serialNumber, serialNumber]);
  for (const { port } of alive()) expect(await serialShown(port)).toBe(serialNumber);
}

const KINDS = ['cluster', 'threads'] as const;

test.each(KINDS)(
  'workers of one program share a replica, and another one takes over from the one that dies: %s',
  (kind) => shareReplica(kind, { execPath: process.execPath, state: kind }),
);

/** Beside this Node, at full counts: those whose SQLite takes the journal of the bus. */
const OTHERS = isFull ? NODE_VERSIONS.slice(1).flatMap((version) => KINDS.map((kind) => [kind, version] as const)) : [];

test.skipIf(nodes.skip).each(OTHERS)(
  nodes.title('workers share a replica as well, and another one takes over: %s on Node %s'),
  { tags: 'full' },
  async (kind, version) => shareReplica(kind, { execPath: await findNode(version), state: `${kind}-${version}` }),
);

/** The serial number that a full handshake shows. */
async function serialShown(port: number): Promise<string | undefined> {
  const socket = connect({ host: '127.0.0.1', port, servername: NAME, ca: bus.roots });
  await once(socket, 'secureConnect');
  const { serialNumber } = socket.getPeerCertificate();
  socket.destroy();
  return serialNumber;
}

test.skipIf(nodes.skip).each([...NODE_VERSIONS])(
  nodes.title('a CommonJS program requires the client and serves, and gets what an import gets: Node %s'),
  async (version) => {
    const own = { ...env, STATE: join(project, `state-${version}`) };
    const { stdout } = await run(await findNode(version), ['required.cjs'], { cwd: project, env: own });
    expect(stdout).toBe(`${NAME} true\n`);
  },
);

/** What one of several Nodes on a state folder reports of itself. */
interface Beside {
  readonly serves: boolean;
  readonly alarms: readonly string[];
}

test.skipIf(nodes.skip)(
  nodes.title(
    'Nodes with and without the fix of SQLite keep opened keys in one file, as the older one can, and it stays away while the newer one has a log',
  ),
  async () => {
    const state = join(project, 'state-beside');
    const [older, newer] = [await findNode('22.18.0'), await findNode('24.21.0')];
    /** Starts one, and has its first report with so many alarms. */
    async function begin(execPath: string, { alarms = 0 }: { readonly alarms?: number } = {}) {
      const child = fork(join(project, 'beside.mjs'), { cwd: project, env: { ...env, STATE: state }, execPath });
      onTestFinished(() => void child.kill('SIGKILL'));
      let [report] = (await once(child, 'message')) as [Beside];
      while (report.alarms.length < alarms) [report] = (await once(child, 'message')) as [Beside];
      const end = async () => {
        const ended = once(child, 'exit');
        child.send('end');
        expect(await ended).toEqual([0, null]);
      };
      return { ...report, end };
    }
    /** How the file of the keys is written, and how many it has. */
    function look() {
      const [folder = ''] = globSync(join(state, '**/*.keys'));
      using database = new DatabaseSync(folder, { readOnly: true, timeout: 5_000 });
      const { journal_mode: mode } = database.prepare('PRAGMA journal_mode').get() ?? {};
      return { mode, keys: database.prepare('SELECT count(*) AS n FROM keys').get()?.['n'] };
    }

    const first = await begin(newer);
    await expect.poll(look).toEqual({ mode: 'wal', keys: 1 });
    const beside = await begin(older, { alarms: 1 });
    expect([first, beside]).toMatchObject([
      { serves: true, alarms: [] },
      { serves: true, alarms: [expect.stringContaining('a process with a newer Node has it open')] },
    ]);
    await beside.end();
    expect(look()).toEqual({ mode: 'wal', keys: 1 });
    await first.end();
    // Nobody follows it in the other mode any more.
    const alone = await begin(older);
    expect(alone).toMatchObject({ serves: true, alarms: [] });
    expect(look()).toEqual({ mode: 'delete', keys: 1 });
    const again = await begin(newer);
    expect(again).toMatchObject({ serves: true, alarms: [] });
    expect(look()).toEqual({ mode: 'delete', keys: 1 });
    await again.end();
    await alone.end();
  },
);

test.skipIf(nodes.skip)(nodes.title('a Node that is too old is told so, in a sentence'), async () => {
  const old = await findNode(OLD_NODE);
  const script = "import('@certbus/client').catch((error) => console.log(error.code, error.message))";
  const { stdout } = await run(old, ['--input-type=module', '-e', script], { cwd: project });
  expect(stdout).toMatch(/^CERTBUS_STORE_NODE_TOO_OLD CertBus needs Node 22\.15 or later, .* this is Node 20\.20\.2\./);
});

test.skipIf(dynamoDb.skip)(
  dynamoDb.title('the packed client reads a DynamoDB bus through the proxy of its environment'),
  async () => {
    const { endpoint } = await sharedDynamoDbLocal();
    const { accessKeyId, secretAccessKey } = drawCredentials();
    vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
    onTestFinished(() => void vi.unstubAllEnvs());
    const address = `dynamodb://packed/test?region=eu-central-1&endpoint=${encodeURIComponent(endpoint)}`;
    const bus = await createTestBus({ address });
    onTestFinished(() => bus.close());
    await bus.issue(['proxied.test']);
    const proxy = await startConnectProxy();
    onTestFinished(() => proxy[Symbol.asyncDispose]());
    const script = `
      import { connect } from '@certbus/client';
      const [bus, identity, trust] = process.argv.slice(1);
      const client = await connect({ bus, identity, trust, replica: ':memory:' });
      console.log([...client.certificates()].flatMap(({ names }) => names).join());
      await client.close();`;
    const own = { ...env, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey };
    const args = ['--input-type=module', '-e', script, address, bus.identity, bus.trust];
    const read = (variables: object) =>
      run(process.execPath, args, { cwd: project, env: { ...own, ...variables } as NodeJS.ProcessEnv });
    expect((await read({ HTTP_PROXY: proxy.url })).stdout.trim()).toBe('proxied.test');
    expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(endpoint).host]));
    const before = proxy.tunnels.length;
    expect((await read({ HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.0/8' })).stdout.trim()).toBe('proxied.test');
    expect(proxy.tunnels).toHaveLength(before);
  },
);

test('importing the packed client loads neither the AWS SDK, nor an HTTP client, nor any ACME code', async () => {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import('@certbus/client');
    console.log(JSON.stringify(loaded));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: project });
  const loaded: string[] = JSON.parse(stdout);
  expect(loaded.some((url) => url.endsWith('/client/dist/connect.js'))).toBe(true);
  expect(loaded.filter((url) => /aws-sdk|smithy|acme|undici/.test(url))).toEqual([]);
});
