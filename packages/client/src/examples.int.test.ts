/** The examples and the guide's programs, run on the packed client as users get it, each until SIGTERM. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, get as getPlain, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import https from 'node:https';
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { freePort, installPackages, requirePart, run, temporaryFolder } from 'certbus-services';
import { usePacked } from 'certbus-services/vitest';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { createTestBus, type TestBus } from './testing.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const temporary = temporaryFolder();
const project = join(temporary.path, 'project');
const NAME = 'packed.test';
// What npm hands down to the scripts that it runs is not what a user's shell has.
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm|pnpm)_/i.test(name)));
let bus: TestBus;
let started = 0;

beforeAll(async () => {
  await usePacked('@certbus/client', project);
  bus = await createTestBus({ address: `sqlite:${project}/bus.db` });
  await bus.issue([NAME]);
  writeFileSync(join(project, 'loadbalancer.key'), bus.identity, { mode: 0o600 });
  writeFileSync(join(project, 'bus.pub'), bus.trust);
  for (const file of ['load-balancer.mjs', 'reverse-proxy.mjs'])
    copyFileSync(join(root, 'examples', file), join(project, file));
});
afterAll(async () => {
  await bus?.close();
  temporary.remove();
});

interface Visit {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly agent?: https.Agent;
}

/** A program that serves, and a visitor of it. */
interface Program {
  readonly port: number;
  readonly httpPort: number;
  readonly child: ChildProcess;
  /** Its id here, also where it is another one to itself. */
  readonly pid: number;
  /** Resolves with its exit status, once it has ended. */
  readonly ended: Promise<number | null>;
  get(visit?: Visit): Promise<IncomingMessage & { readonly body: string }>;
}

/** What makes a program the first process of a container, with a `/proc` of its own. */
const CONTAINER = ['unshare', '--pid', '--fork', '--kill-child', '--mount-proc'];

async function start(
  file: string,
  variables: Record<string, string> = {},
  around: readonly string[] = [],
): Promise<Program> {
  started += 1;
  const [port, httpPort] = [await freePort(), await freePort()];
  const own = {
    ...env,
    ...variables,
    PORT: String(port),
    HTTP_PORT: String(httpPort),
    CERTBUS_STATE_DIR: variables['STATE'] ?? join(project, `state${started}`),
  };
  const [program = '', ...args] = [...around, process.execPath, file];
  const child = spawn(program, args, { cwd: project, env: own, stdio: 'inherit' });
  const ended = once(child, 'exit').then(([status]) => status as number | null);
  onTestFinished(() => void child.kill('SIGKILL'));
  const get: Program['get'] = ({ path = '/', method = 'GET', headers, agent } = {}) =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, servername: NAME, ca: bus.roots, agent: agent ?? false, path, method };
      const call = https.request({ ...options, headers: { host: NAME, ...headers } }, (response) => {
        text(response).then((body) => resolve(Object.assign(response, { body })), reject);
      });
      call.on('error', reject).end();
    });
  await expect
    .poll(() =>
      get().then(
        () => true,
        (error: Error) => error.message,
      ),
    )
    .toBe(true);
  const inside = around.length > 0 && readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
  return { port, httpPort, child, pid: Number(inside || child.pid), ended, get };
}

/** An HTTP server behind the proxy. */
async function startUpstream(answer: RequestListener): Promise<Server & { readonly url: string }> {
  const server = createServer(answer);
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close().closeAllConnections());
  return Object.assign(server, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
}

/** What comes back for bytes that no HTTP library would send; the connection stays open until the other side ends it. */
async function speak(port: number, bytes: string): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, servername: NAME, ca: bus.roots });
  socket.write(bytes);
  return text(socket);
}

/** Asks over HTTP, for a host of its own, which fetch would not send. */
function askPlain(port: number, path: string, host: string): Promise<IncomingMessage & { readonly body: string }> {
  return new Promise((resolve, reject) => {
    getPlain({ host: '127.0.0.1', port, path, headers: { host }, agent: false }, (response) => {
      text(response).then((body) => resolve(Object.assign(response, { body })), reject);
    }).on('error', reject);
  });
}

test('the README shows the load balancer that is run here, word for word', () => {
  expect(readFileSync(join(root, 'README.md'), 'utf8')).toContain(
    readFileSync(join(root, 'examples/load-balancer.mjs'), 'utf8').trim(),
  );
});

/** Ends the README's load balancer with SIGTERM while something is under way, which is answered before it ends. */
async function drain(server: Program): Promise<void> {
  const agent = new https.Agent({ keepAlive: true });
  expect((await server.get({ agent })).body).toBe('hello\n');
  expect((await fetch(`http://127.0.0.1:${server.httpPort}/`)).status).toBe(404);
  const late = connectTls({ host: '127.0.0.1', port: server.port, servername: NAME, ca: bus.roots });
  const answer = text(late);
  late.write(`GET / HTTP/1.1\r\nhost: ${NAME}\r\n`);
  // Of two connections that begin after one another the second is not read first.
  await server.get();
  process.kill(server.pid, 'SIGTERM');
  await expect.poll(() => server.get().catch(() => 'refused')).toBe('refused');
  late.write('\r\n');
  expect(await answer).toMatch(/^HTTP\/1\.1 200 [\s\S]*hello\n/);
  expect(await server.ended).toBe(0);
}

test("the README's load balancer serves, and at SIGTERM answers what is under way before it ends", async () =>
  drain(await start('load-balancer.mjs')));

const namespaces = requirePart('disks');
test.skipIf(namespaces.skip)(
  namespaces.title('so it does as the first process of a container, which the system leaves to end itself'),
  async () => {
    const server = await start('load-balancer.mjs', {}, CONTAINER);
    expect(readFileSync(`/proc/${server.pid}/status`, 'utf8')).toMatch(/^NSpid:.*\t1$/m);
    await drain(server);
  },
);

test.skipIf(namespaces.skip)(
  namespaces.title('two containers share a state folder, and one serves on, and follows, where the other is killed'),
  async () => {
    const state = join(project, 'state-of-containers');
    const one = await start('load-balancer.mjs', { STATE: state }, CONTAINER);
    const two = await start('load-balancer.mjs', { STATE: state }, CONTAINER);
    one.child.kill('SIGKILL');
    await one.ended;
    const { serialNumber } = await bus.issue([NAME]);
    const shown = async () => ((await two.get()).socket as TLSSocket).getPeerX509Certificate()?.serialNumber;
    await expect.poll(shown).toBe(serialNumber);
    await drain(two);
  },
);

test('the reverse proxy spreads requests, goes round a server that is down, and refuses names of others', async () => {
  const one = await startUpstream((_, response) => response.end('one'));
  const two = await startUpstream((_, response) => response.end('two'));
  const down = `http://127.0.0.1:${await freePort()}`;
  const UPSTREAMS = JSON.stringify({ [NAME]: [one.url, down, two.url] });
  const proxy = await start('reverse-proxy.mjs', { UPSTREAMS });
  const seen = new Set<string>();
  for (let n = 0; n < 6; n += 1) seen.add((await proxy.get()).body);
  expect(seen).toEqual(new Set(['one', 'two']));
  expect((await proxy.get({ headers: { host: 'other.test' } })).statusCode).toBe(421);
  const plain = (path: string, host: string) => askPlain(proxy.httpPort, path, host);
  expect((await plain('/a?b=c', NAME)).headers.location).toBe(`https://${NAME}:${proxy.port}/a?b=c`);
  expect((await plain('/', 'other.test')).statusCode).toBe(404);
  const thumbprint = 'A'.repeat(43);
  const directory = 'https://ca.test/directory';
  const account = { directory, accountUrl: `${directory}/1`, sealedKey: '', thumbprint, stateless: true } as const;
  await bus.append({ type: 'AccountRegistered', ...account });
  await expect
    .poll(async () => (await plain('/.well-known/acme-challenge/token1', NAME)).body)
    .toBe(`token1.${thumbprint}`);
  proxy.child.kill('SIGTERM');
  expect(await proxy.ended).toBe(0);
});

test('the reverse proxy passes on bodies, headers and failures, over HTTP/2 as over HTTP/1.1', async () => {
  const requests: {
    readonly method: string | undefined;
    readonly headers: IncomingMessage['headers'];
    readonly body: string;
  }[] = [];
  const upstream = await startUpstream((request, response) => {
    if (request.url === '/breaks-off') {
      response.writeHead(200, { 'content-length': '100' }).write('half', () => response.destroy());
      return;
    }
    response.writeHead(201, { connection: 'keep-alive, x-secret', 'x-secret': '1', 'set-cookie': ['a=1', 'b=2'] });
    void text(request).then((body) => {
      requests.push({ method: request.method, headers: request.headers, body });
      response.end('made');
    });
  });
  const proxy = await start('reverse-proxy.mjs', { UPSTREAMS: JSON.stringify({ [NAME]: [upstream.url] }) });
  requests.length = 0;
  const session = connectHttp2(`https://127.0.0.1:${proxy.port}`, { servername: NAME, ca: bus.roots });
  onTestFinished(() => session.destroy());
  const ask = (headers: Record<string, string>, body?: string) => {
    const stream = session.request({ ':authority': NAME, ...headers }, { endStream: body === undefined });
    if (body !== undefined) stream.end(body);
    return stream;
  };
  const post = ask({ ':method': 'DELETE', ':path': '/', 'x-forwarded-for': '10.1.1.1' }, 'over h2');
  const [headers] = (await once(post, 'response')) as [Record<string, unknown>];
  expect(headers).toMatchObject({ ':status': 201, 'set-cookie': ['a=1', 'b=2'] });
  expect(headers).not.toHaveProperty('x-secret');
  expect(await text(post)).toBe('made');
  expect(requests.pop()).toMatchObject({
    method: 'DELETE',
    headers: { host: NAME, 'x-forwarded-for': '127.0.0.1', 'x-forwarded-proto': 'https' },
    body: 'over h2',
  });
  // A length that the client calls its own hop's is lost, and its body is still no request of its own.
  const smuggled = 'GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n';
  const head = `GET / HTTP/1.1\r\nhost: ${NAME}\r\nconnection: close, content-length\r\ncontent-length: ${smuggled.length}\r\n\r\n`;
  expect(await speak(proxy.port, head + smuggled)).toMatch(/^HTTP\/1\.1 201 /);
  expect(requests).toMatchObject([{ method: 'GET', body: smuggled }]);
  expect(
    await speak(proxy.port, `GET http://10.0.0.1/ HTTP/1.1\r\nhost: ${NAME}\r\nconnection: close\r\n\r\n`),
  ).toMatch(/^HTTP\/1\.1 400 /);
  await expect(proxy.get({ path: '/breaks-off' })).rejects.toThrow('aborted');
  const broken = ask({ ':path': '/breaks-off' });
  await expect(text(broken)).rejects.toMatchObject({ code: expect.stringMatching(/HTTP2/) });
  upstream.close().closeAllConnections();
  expect((await proxy.get()).statusCode).toBe(502);
});

test('the reverse proxy goes on where clients leave before it has answered, and where a server answers nonsense', async () => {
  const held: (() => void)[] = [];
  const upstream = await startUpstream((request, response) => {
    if (request.url === '/held') held.push(() => response.destroy());
    else response.end('at once');
  });
  const strange = createTcpServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 999 Strange\r\n\r\n'));
  await once(strange.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void strange.close());
  const odd = `http://127.0.0.1:${(strange.address() as AddressInfo).port}`;
  const UPSTREAMS = JSON.stringify({ [NAME]: [upstream.url, upstream.url], 'odd.test': [odd] });
  const proxy = await start('reverse-proxy.mjs', { UPSTREAMS });
  const session = connectHttp2(`https://127.0.0.1:${proxy.port}`, { servername: NAME, ca: bus.roots });
  onTestFinished(() => session.destroy());
  const stream = session.request({ ':path': '/held', ':authority': NAME });
  stream.on('error', () => {});
  await expect.poll(() => held).toHaveLength(1);
  stream.close();
  await once(stream, 'close');
  const resets = Array.from({ length: 20 }, async () => {
    const tcp = connectTcp({ host: '127.0.0.1', port: proxy.port });
    const socket = connectTls({ socket: tcp.on('error', () => {}), servername: NAME, ca: bus.roots });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    const upgrade = 'connection: upgrade\r\nupgrade: websocket\r\n\r\n';
    socket.write(`GET / HTTP/1.1\r\nhost: other.test\r\n${upgrade}`, () => tcp.resetAndDestroy());
    await once(tcp, 'close');
  });
  await Promise.all(resets);
  for (const authority of ['odd.test', NAME]) {
    const next = session.request({ ':path': '/', ':authority': authority });
    const [headers] = (await once(next, 'response')) as [Record<string, unknown>];
    expect(headers[':status'], authority).toBe(authority === NAME ? 200 : 502);
    next.close();
  }
  expect((await proxy.get()).body).toBe('at once');
  proxy.child.kill('SIGTERM');
  expect(await proxy.ended).toBe(0);
});

test('the reverse proxy joins WebSockets, and drains: streams finish, what is left is cut', async () => {
  const held = Promise.withResolvers<() => void>();
  const upstream = await startUpstream((request, response) => {
    if (request.url === '/held') held.resolve(() => response.end('done'));
    else response.end('at once');
  });
  upstream.on('upgrade', (request, socket) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${request.headers['sec-websocket-key']}\r\n\r\n`,
    );
    socket.pipe(socket);
  });
  const variables = { UPSTREAMS: JSON.stringify({ [NAME]: [upstream.url] }), DRAIN_MS: '1000' };
  const proxy = await start('reverse-proxy.mjs', variables);
  const upgrade = (to: string, host = NAME) =>
    `GET / HTTP/1.1\r\nhost: ${host}\r\nconnection: upgrade\r\nupgrade: ${to}\r\nsec-websocket-key: abc\r\n\r\n`;
  expect(await speak(proxy.port, upgrade('h2c'))).toMatch(/^HTTP\/1\.1 400 /);
  expect(await speak(proxy.port, upgrade('websocket', 'other.test'))).toMatch(/^HTTP\/1\.1 421 /);
  const socket: TLSSocket = connectTls({ host: '127.0.0.1', port: proxy.port, servername: NAME, ca: bus.roots });
  socket.write(`${upgrade('websocket')}first`);
  let heard = '';
  socket.on('data', (chunk) => (heard += chunk)).on('error', () => {});
  await expect.poll(() => heard).toMatch(/^HTTP\/1\.1 101 [\s\S]*sec-websocket-accept: abc\r\n\r\nfirst$/);
  const session = connectHttp2(`https://127.0.0.1:${proxy.port}`, { servername: NAME, ca: bus.roots });
  const stream = session.request({ ':path': '/held', ':authority': NAME });
  const answer = text(stream);
  const release = await held.promise;
  proxy.child.kill('SIGTERM');
  await once(session, 'goaway');
  release();
  expect(await answer).toBe('done');
  await once(socket, 'close');
  expect(await proxy.ended).toBe(0);
});

/** What the programs of the guide import. */
const FRAMEWORKS = ['express', '@types/express', 'fastify', 'hono', '@hono/node-server'];

test('the programs for Express, Fastify and Hono compile, and serve', async () => {
  const guide = readFileSync(join(root, 'docs/guides/frameworks.md'), 'utf8');
  const files = [...guide.matchAll(/^## (\w+)\n\n```ts\n(.*?)^```/gms)].map(([, name = '', code = '']) => {
    const file = join(project, `${name.toLowerCase()}.ts`);
    writeFileSync(file, code);
    return file;
  });
  expect(files).toHaveLength(3);
  const modules = await installPackages('frameworks');
  for (const name of FRAMEWORKS) {
    mkdirSync(dirname(join(project, 'node_modules', name)), { recursive: true });
    symlinkSync(join(modules, name), join(project, 'node_modules', name));
  }
  const compilerOptions = { strict: true, noEmit: true, skipLibCheck: true, target: 'es2024', module: 'nodenext' };
  const typeRoots = [join(modules, '@types')];
  const config = { compilerOptions: { ...compilerOptions, typeRoots, types: ['node'] }, files };
  writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
  await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project]);
  const programs = await Promise.all(files.map((file) => start(file)));
  for (const { get } of programs) expect((await get()).body).toBe('hello\n');
});
