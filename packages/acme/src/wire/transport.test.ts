import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { createServerIdentity } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import {
  AcmeError,
  type AcmeOptions,
  AcmeProblemError,
  createAcme,
  generateAccountKey,
  readDirectory,
} from '../index.ts';
import type { WaitReason } from '../limits/deadline.ts';
import { type Answer, type Asked, startScriptedCa } from '../tests/scripted-ca.builders.ts';
import { engineOf } from './handles.ts';

const accountKey = await generateAccountKey();
const never = new AbortController().signal;
const problem = (type: string, detail = '') => ({ type: `urn:ietf:params:acme:error:${type}`, detail });

async function connect(script?: (asked: Asked, nth: number) => Answer, options: Partial<AcmeOptions> = {}) {
  const server = await startScriptedCa(script);
  const slept: number[] = [];
  const sleep = async (ms: number) => void slept.push(ms);
  const ca = createAcme({ directory: server.directory, accountKey, sleep, ...options });
  onTestFinished(async () => {
    await ca.close();
    await server[Symbol.asyncDispose]();
  });
  const posts = () => server.asked.filter(({ method, path }) => method === 'POST' && path === '/order');
  return { ca, server, slept, posts };
}

async function failureOf(promise: Promise<unknown>): Promise<AcmeError> {
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(AcmeError);
  return error as AcmeError;
}

const order = (origin: string) => ({
  status: 201,
  headers: { location: `${origin}/order/1` },
  body: { status: 'pending', identifiers: [], authorizations: [], finalize: `${origin}/finalize/1` },
});

test('no nonce is signed twice while a CA answers 500, breaks connections and is busy, and every signature holds', async () => {
  const faults: Answer[] = [{ status: 500, body: problem('serverInternal') }, 'reset', { status: 503, text: '<html>' }];
  const { ca, server, posts, slept } = await connect((asked, nth) => {
    if (asked.path !== '/order') return undefined;
    return nth < faults.length ? faults[nth] : order(server.origin);
  });
  using session = await engineOf(ca).open({ signal: never });
  const { url } = await session.createOrder({ identifiers: [] });
  expect(url).toBe(`${server.origin}/order/1`);
  expect(posts()).toHaveLength(4);
  expect(posts().every(({ isGenuine }) => isGenuine)).toBe(true);
  expect(server.badNonces).toEqual([]);
  expect(slept).toHaveLength(3);
});

test('a request that times out gets no second life: its body and its nonce are gone', async () => {
  const { ca, server, posts } = await connect(({ path }) => (path === '/order' ? 'stall' : undefined), {
    requestTimeoutMs: 150,
  });
  using session = await engineOf(ca).open({ signal: never });
  const error = await failureOf(session.createOrder({}));
  expect(error.code).toBe('CERTBUS_ACME_UNREACHABLE');
  expect(error.message).toContain(server.directory);
  await failureOf(session.createOrder({}));
  expect(posts()).toHaveLength(2);
  expect(server.badNonces).toEqual([]);
});

test('429 is not retried, and says until when', async () => {
  const now = new Date('2026-11-23T12:00:00Z');
  const { ca, posts, slept } = await connect(
    ({ path }) =>
      path === '/order'
        ? { status: 429, headers: { 'retry-after': '122400' }, body: problem('rateLimited', 'slow down') }
        : undefined,
    { now: () => now },
  );
  using session = await engineOf(ca).open({ signal: never });
  const error = await failureOf(session.createOrder({}));
  expect(error).toBeInstanceOf(AcmeProblemError);
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_PROBLEM', class: 'rate-limited', problem: { status: 429 } });
  expect(error.notBefore).toEqual(new Date('2026-11-24T22:00:00Z'));
  expect(error.message).toContain('slow down');
  expect(posts()).toHaveLength(1);
  expect(slept).toEqual([]);
});

test("500 with a long Retry-After is the caller's to wait for", async () => {
  const { ca, posts, slept } = await connect(({ path }) =>
    path === '/order' ? { status: 500, headers: { 'retry-after': '60' }, body: problem('serverInternal') } : undefined,
  );
  using session = await engineOf(ca).open({ signal: never });
  expect(await failureOf(session.createOrder({}))).toMatchObject({ class: 'authority' });
  expect(posts()).toHaveLength(1);
  expect(slept).toEqual([]);
});

test('a refused nonce is replaced thirty times, each with a new signature', async () => {
  const { ca, server, posts } = await connect(({ path }, nth) => {
    if (path !== '/order') return undefined;
    return nth < 30 ? { status: 400, body: problem('badNonce') } : order(server.origin);
  });
  using session = await engineOf(ca).open({ signal: never });
  await session.createOrder({});
  expect(posts()).toHaveLength(31);
  expect(new Set(posts().map(({ header }) => header.nonce)).size).toBe(31);
  expect(server.badNonces).toEqual([]);
  // Every answer brings the next one, also a refusal.
  expect(server.asked.filter(({ path }) => path === '/nonce')).toHaveLength(0);
});

test('one refused nonce costs no other, two in a row cost all that came before', async () => {
  const refused: Answer = { status: 400, body: problem('badNonce') };
  const { ca, server } = await connect(({ path }, nth) => {
    if (path === '/once') return nth === 0 ? refused : { body: {} };
    if (path === '/twice') return nth < 2 ? refused : { body: {} };
    return path === '/other' ? { body: {} } : undefined;
  });
  using session = await engineOf(ca).open({ signal: never });
  const read = (path: string) => session.read(`${server.origin}${path}`);
  const fetched = () => server.asked.filter(({ path }) => path === '/nonce').length;
  await Promise.all([read('/other'), read('/other'), read('/other')]);
  const before = fetched();
  await read('/once');
  await Promise.all([read('/other'), read('/other'), read('/other')]);
  expect(fetched()).toBe(before);
  await read('/twice');
  await Promise.all([read('/other'), read('/other'), read('/other')]);
  expect(fetched()).toBeGreaterThan(before);
  expect(server.badNonces).toEqual([]);
});

test('finalization is not repeated by the transport', async () => {
  const { ca, server } = await connect(({ path }) => (path === '/finalize/1' ? 'reset' : undefined));
  using session = await engineOf(ca).open({ signal: never });
  const error = await failureOf(session.finalize(`${server.origin}/finalize/1`, new Uint8Array(1)));
  expect(error.code).toBe('CERTBUS_ACME_UNREACHABLE');
  expect(server.asked.filter(({ path }) => path === '/finalize/1')).toHaveLength(1);
});

test.each<[string, Answer, string]>([
  [
    'a web page',
    { text: '<!doctype html><title>Welcome</title>', headers: { 'content-type': 'text/html' } },
    'CERTBUS_ACME_NOT_ACME',
  ],
  ['a web page that says 404', { status: 404, text: '<html>' }, 'CERTBUS_ACME_NOT_ACME'],
  ['JSON of another kind', { body: { hello: 'world' } }, 'CERTBUS_ACME_NOT_ACME'],
  ['a redirect', { status: 302, headers: { location: 'https://elsewhere.test/' } }, 'CERTBUS_ACME_NOT_ACME'],
  ['broken JSON', { text: '{"newNonce": ' }, 'CERTBUS_ACME_NOT_ACME'],
  ['503 with a web page', { status: 503, text: '<html>down</html>' }, 'CERTBUS_ACME_PROBLEM'],
])('a directory that answers %s is refused', async (_, answer, code) => {
  const { ca, server } = await connect(({ path }) => (path === '/dir' ? answer : undefined));
  const error = await failureOf(readDirectory(ca, { signal: never }));
  expect(error.code).toBe(code);
  expect(error.message).toContain(server.origin.replace('http://', ''));
});

test.each([
  ['https://new.ca.test/acme/directory', 'https://new.ca.test/acme/directory'],
  ['/moved/dir', '/moved/dir'],
  ['https://user:secret@new.ca.test/dir?token=secret', 'https://new.ca.test/dir '],
  ['http://[', 'something that is not a URL'],
])('the error of a directory that redirects to %s names the target', async (location, target) => {
  const { ca } = await connect(({ path }) => (path === '/dir' ? { status: 301, headers: { location } } : undefined));
  const error = await failureOf(readDirectory(ca, { signal: never }));
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_NOT_ACME', message: expect.stringContaining(target) });
  expect(error.message).toContain('set it as the directory');
  expect(error.message).not.toContain('secret');
});

test('a directory of two million bytes is not read to its end', async () => {
  const { ca, server } = await connect(({ path }) => {
    const at = (name: string) => `${server.origin}/${name}`;
    const directory = { newNonce: at('n'), newAccount: at('a'), newOrder: at('o'), padding: 'x'.repeat(2_000_000) };
    return path === '/dir' ? { body: directory } : undefined;
  });
  const error = await failureOf(readDirectory(ca, { signal: never }));
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_NOT_ACME', message: expect.stringContaining('larger') });
});

test('a server that speaks something else than HTTP is no CA', async () => {
  const server = createTcpServer((socket) => void socket.end('220 mail.example ESMTP\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const ca = createAcme({ directory: `http://127.0.0.1:${(server.address() as AddressInfo).port}/dir`, accountKey });
  expect((await failureOf(readDirectory(ca, { signal: never }))).code).toBe('CERTBUS_ACME_NOT_ACME');
  await ca.close();
});

test("requests never leave the directory's origin", async () => {
  const { ca, server } = await connect(({ path }) =>
    path === '/dir'
      ? {
          body: {
            newNonce: 'http://127.0.0.2:1/n',
            newAccount: 'http://127.0.0.2:1/a',
            newOrder: 'http://127.0.0.2:1/o',
          },
        }
      : undefined,
  );
  const error = await failureOf(readDirectory(ca, { signal: never }));
  expect(error).toMatchObject({
    code: 'CERTBUS_ACME_NOT_ACME',
    message: expect.stringContaining('http://127.0.0.2:1'),
  });
  expect(server.asked).toHaveLength(1);
});

test('an address that a resource gives is checked as well', async () => {
  const { ca } = await connect();
  using session = await engineOf(ca).open({ signal: never });
  expect((await failureOf(session.read('http://127.0.0.2:1/order/1'))).code).toBe('CERTBUS_ACME_NOT_ACME');
});

test('a CA that is down is unreachable, and the message names it', async () => {
  const server = await startScriptedCa();
  await server[Symbol.asyncDispose]();
  const ca = createAcme({ directory: server.directory, accountKey, sleep: async () => {} });
  const error = await failureOf(readDirectory(ca, { signal: never }));
  expect(error.code).toBe('CERTBUS_ACME_UNREACHABLE');
  expect(error.message).toContain(server.directory);
  await ca.close();
});

test('a private CA needs its roots, and says so', async () => {
  const { key, cert, roots } = await createServerIdentity();
  const server = createServer({ key, cert }, (_, response) => {
    const at = (name: string) => `https://127.0.0.1:${port}/${name}`;
    response.end(JSON.stringify({ newNonce: at('n'), newAccount: at('a'), newOrder: at('o') }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const directory = `https://127.0.0.1:${port}/dir`;
  const distrusting = createAcme({ directory, accountKey });
  const error = await failureOf(readDirectory(distrusting, { signal: never }));
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_UNREACHABLE', message: expect.stringContaining('"roots"') });
  const trusting = createAcme({ directory, accountKey, roots });
  expect(await readDirectory(trusting, { signal: never })).toEqual({
    profiles: {},
    externalAccountRequired: false,
    caaIdentities: [],
  });
  await Promise.all([distrusting.close(), trusting.close()]);
});

test('https to a server without TLS is explained', async () => {
  const { server } = await connect();
  const ca = createAcme({ directory: server.directory.replace('http:', 'https:'), accountKey });
  const error = await failureOf(readDirectory(ca, { signal: never }));
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_UNREACHABLE', message: expect.stringContaining('TLS') });
  await ca.close();
});

test('an abort ends a stalled request at once and leaves no timer', async () => {
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const { ca, server } = await connect(({ path }) => (path === '/order' ? 'stall' : undefined), {
    requestTimeoutMs: 3_600_000,
  });
  const before = timers();
  const stop = new AbortController();
  const session = await engineOf(ca).open({ signal: stop.signal });
  const pending = session.createOrder({});
  await expect.poll(() => server.asked.some(({ path }) => path === '/order')).toBe(true);
  stop.abort(new Error('enough'));
  await expect(pending).rejects.toThrow('enough');
  session[Symbol.dispose]();
  await ca.close();
  // A runner has timers of its own, which come and go.
  for (let tries = 0; timers() > before && tries < 500; tries += 1) await wait(20);
  expect(timers()).toBeLessThanOrEqual(before);
});

test('a session ends at its deadline', async () => {
  const { ca } = await connect(({ path }) => (path === '/order' ? 'stall' : undefined));
  using session = await engineOf(ca).open({ signal: never, deadlineMs: 150 });
  expect((await failureOf(session.createOrder({}))).code).toBe('CERTBUS_ACME_DEADLINE');
});

const inAnHour = { notBefore: new Date('2026-11-23T13:00:00Z') };

test.each<[string, WaitReason | undefined, object, string]>([
  ['of our own says nothing of the CA', undefined, { notBefore: undefined, isLimit: false }, 'Try again later.'],
  [
    'for what is not decided says what that is, and nothing of what the CA wants',
    { kind: 'undecided', what: 'The order is still "processing"' },
    { notBefore: undefined, isLimit: false },
    'The order is still "processing". Try again later.',
  ],
  [
    'that the CA asked for says so, and its end',
    { kind: 'asked' },
    { ...inAnHour, isLimit: false },
    'The CA asks to come back at 2026-11-23T13:00:00.000Z.',
  ],
  [
    'for a limit says which, and its end',
    { kind: 'limit', what: 'There is room' },
    { ...inAnHour, isLimit: true },
    'There is room at 2026-11-23T13:00:00.000Z.',
  ],
])('a wait beyond the deadline is not begun, and one %s', async (_, reason, expected, words) => {
  const now = new Date('2026-11-23T12:00:00Z');
  const { ca, slept } = await connect(undefined, { now: () => now });
  using session = await engineOf(ca).open({ signal: never, deadlineMs: 60_000 });
  const error = await failureOf(session.sleep(3_600_000, reason));
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_DEADLINE', ...expected });
  expect(error.message.endsWith(`did not end within 60 s. ${words}`)).toBe(true);
  expect(slept).toEqual([]);
});

test('requests name the product and its version', async () => {
  const { ca, server } = await connect();
  await readDirectory(ca, { signal: never });
  expect(server.asked[0]?.headers['user-agent']).toMatch(/^certbus\/\d+\.\d+\.\d+/);
});

test('the directory is read once', async () => {
  const { ca, server } = await connect();
  await readDirectory(ca, { signal: never });
  await readDirectory(ca, { signal: never });
  expect(server.asked).toHaveLength(1);
});

test('the key of an external account is bound when an account is created, and only then', async () => {
  const hmacKey = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
  const { ca, server } = await connect(undefined, { eab: { kid: 'kid-1', hmacKey } });
  using session = await engineOf(ca).open({ signal: never });
  await session.createAccount({ onlyReturnExisting: true });
  await session.createAccount({ termsOfServiceAgreed: true });
  const [find, create] = server.asked.filter(({ path }) => path === '/account');
  expect(find?.payload).toEqual({ onlyReturnExisting: true });
  const { externalAccountBinding } = (create?.payload ?? {}) as { externalAccountBinding?: { protected: string } };
  const header = JSON.parse(Buffer.from(externalAccountBinding?.protected ?? '', 'base64url').toString());
  expect(header).toEqual({ alg: 'HS256', kid: 'kid-1', url: `${server.origin}/account` });
});

test.each([
  ['not a URL', 'directory'],
  ['plain http beyond loopback', 'http://ca.example/directory'],
  ['credentials in it', 'https://user:secret@ca.example/directory'],
  ['another scheme', 'ftp://ca.example/directory'],
])('a directory address with %s is refused before any request', (_, directory) => {
  expect(() => createAcme({ directory, accountKey })).toThrow(
    expect.objectContaining({ code: 'CERTBUS_ACME_DIRECTORY_INVALID', message: expect.not.stringContaining('secret') }),
  );
});
