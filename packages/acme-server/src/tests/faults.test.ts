import { expect, test } from 'vitest';
import type { Fault, ResourceKind } from '../index.ts';
import { issue, order } from './issue.builders.ts';
import { startOwn } from './own.builders.ts';
import { problem, signRaw } from './raw-client.builders.ts';

const failed = (promise: Promise<unknown>) =>
  promise.then(
    () => false,
    () => true,
  );

test.each([
  ['before', 0],
  ['after', 1],
] as const)('a connection that breaks %s the work leaves %i orders', async (when, orders) => {
  const { client, server } = await startOwn();
  server.faults.inject({ kind: 'drop', when }, { resource: 'newOrder' });
  expect(await failed(order(client, ['drop.test']))).toBe(true);
  expect(server.orderCount).toBe(orders);
  expect((await order(client, ['drop.test'])).status).toBe(201);
});

test.each([
  [{ kind: 'status', status: 500 }, 'serverInternal', undefined, 0],
  [{ kind: 'status', status: 503, retryAfter: 30 }, 'rateLimited', '30', 0],
  [
    { kind: 'status', status: 429, retryAfter: 'Wed, 25 Nov 2026 12:00:00 GMT' },
    'rateLimited',
    'Wed, 25 Nov 2026 12:00:00 GMT',
    0,
  ],
  [{ kind: 'status', status: 429 }, 'rateLimited', undefined, 0],
  [{ kind: 'status', status: 500, when: 'after' }, 'serverInternal', undefined, 1],
] as const)('%j is a problem document', async (fault, type, retryAfter, orders) => {
  const { client, server } = await startOwn();
  server.faults.inject(fault, { resource: 'newOrder' });
  const answer = await order(client, ['status.test']);
  expect(problem(answer)).toEqual({ status: fault.status, type });
  expect(answer.headers['retry-after']).toBe(retryAfter);
  expect(answer.headers['replay-nonce']).toMatch(/./);
  expect(server.orderCount).toBe(orders);
});

test('a web page, a wrong media type and half a body come in place of an answer', async () => {
  const { client, server } = await startOwn();
  const met = { resource: 'newOrder' } as const;
  server.faults.inject({ kind: 'html' }, met);
  const page = await order(client, ['a.test']);
  expect(page).toMatchObject({ status: 502, headers: { 'content-type': 'text/html' } });
  expect(page.text).toContain('<html>');
  server.faults.inject({ kind: 'content-type', value: 'text/plain' }, met);
  expect((await order(client, ['b.test'])).headers['content-type']).toBe('text/plain');
  server.faults.inject({ kind: 'truncate' }, met);
  expect(await failed(order(client, ['c.test']))).toBe(true);
  expect(server.orderCount).toBe(2);
});

test('silence lasts until the server ends', async () => {
  const { client, server } = await startOwn();
  const injected = server.faults.inject({ kind: 'stall', when: 'after' }, { resource: 'newOrder' });
  const silent = failed(order(client, ['stall.test']));
  while (injected.hits === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  expect(await Promise.race([silent, Promise.resolve('waiting')])).toBe('waiting');
  await server[Symbol.asyncDispose]();
  expect(await silent).toBe(true);
});

test('a nonce comes twice, and is good once', async () => {
  const { client, server } = await startOwn();
  server.faults.inject({ kind: 'duplicate-nonce' }, { resource: 'newNonce', from: 2 });
  const first = await client.nonce();
  expect(await client.nonce()).toBe(first);
  const ask = () => client.post(client.account, undefined, { header: { nonce: first } });
  expect((await ask()).status).toBe(200);
  expect(problem(await ask()).type).toBe('badNonce');
});

test('a good nonce is refused, once or by share', async () => {
  const { client, server } = await startOwn({ random: () => 0.4 });
  const ask = async () => client.post(client.account, undefined, { header: { nonce: await client.nonce() } });
  server.faults.inject({ kind: 'bad-nonce' }, { resource: 'account' });
  expect(problem(await ask()).type).toBe('badNonce');
  expect((await ask()).status).toBe(200);
  server.setNonceRejectPercent(41);
  expect(problem(await ask()).type).toBe('badNonce');
  server.setNonceRejectPercent(40);
  expect((await ask()).status).toBe(200);
});

test('a fault meets the requests that it is meant for, from the n-th on, and until it is taken away', async () => {
  const { client, server } = await startOwn();
  const fault: Fault = { kind: 'status', status: 500 };
  const statuses = async (count: number) => {
    const all: number[] = [];
    for (let nth = 0; nth < count; nth += 1) all.push((await order(client, ['nth.test'])).status);
    return all;
  };
  const injected = server.faults.inject(fault, { resource: 'newOrder', from: 2, times: 2 });
  expect(await statuses(5)).toEqual([201, 500, 500, 201, 201]);
  expect(injected.hits).toBe(2);
  const byPayload = {
    matches: ({ payload }: { payload: unknown }) => String(JSON.stringify(payload)).includes('bad.test'),
    times: Infinity,
  };
  const bad = server.faults.inject(fault, byPayload);
  expect((await order(client, ['bad.test'])).status).toBe(500);
  expect(await statuses(1)).toEqual([201]);
  bad.remove();
  expect((await order(client, ['bad.test'])).status).toBe(201);
  server.faults.inject(fault, { method: 'POST', path: /new-order$/, times: Infinity });
  expect(await statuses(2)).toEqual([500, 500]);
  server.faults.clear();
  expect(await statuses(1)).toEqual([201]);
});

test('every request is in the log, with what it was about and what became of it', async () => {
  const { client, server, answers } = await startOwn();
  const seen: string[] = [];
  const stop = server.on('request', ({ resource }) => seen.push(resource));
  await issue(client, answers, ['log.test']);
  const posts = server.requests.filter(({ method }) => method === 'POST');
  const kinds: ResourceKind[] = [
    'newAccount',
    'newOrder',
    'authorization',
    'challenge',
    'finalize',
    'order',
    'certificate',
  ];
  expect([...new Set(posts.map(({ resource }) => resource))].toSorted()).toEqual(kinds.toSorted());
  expect(posts.every(({ nonce, nonceState }) => nonce !== undefined && nonceState === 'fresh')).toBe(true);
  const [newOrder] = posts.filter(({ resource }) => resource === 'newOrder');
  expect(newOrder).toMatchObject({
    account: client.account,
    payload: { identifiers: [{ type: 'dns', value: 'log.test' }] },
    status: 201,
    userAgent: 'certbus-raw-client',
  });
  expect(posts.find(({ resource }) => resource === 'certificate')?.payload).toBe('');
  stop();
  const before = seen.length;
  const nonce = String(newOrder?.nonce);
  await client.post(client.account, undefined, { header: { nonce } });
  expect(server.requests.at(-1)).toMatchObject({ nonceState: 'replayed', status: 400, problem: 'badNonce' });
  expect(seen.length).toBe(before);
  expect(server.requests.map(({ number }) => number)).toEqual(server.requests.map((_, index) => index + 1));
});

test('a watcher hears of accounts, orders, validations, certificates and revocations', async () => {
  const { client, server, answers } = await startOwn();
  const heard: unknown[] = [];
  for (const name of ['account', 'order', 'validation', 'certificate', 'revocation'] as const) {
    server.on(name, (event) => heard.push({ on: name, ...event }));
  }
  await client.post(client.account, { contact: [] });
  const { pem } = await issue(client, answers, ['watch.test']);
  const [serial] = server.certificates().map((each) => each.serial);
  const der = Buffer.from(pem.split('-----')[2] ?? '', 'base64');
  await client.post(client.url('revokeCert'), { certificate: der.toString('base64url'), reason: 4 });
  expect(heard).toMatchObject([
    { on: 'account', what: 'updated' },
    { on: 'order', names: ['watch.test'], profile: 'classic', isReused: false },
    { on: 'validation', name: 'watch.test', type: 'dns-01' },
    { on: 'certificate', serial, names: ['watch.test'] },
    { on: 'revocation', serial, reason: 4 },
  ]);
});

test('what is no request at all is refused, and the server goes on', async () => {
  const { client } = await startOwn();
  const headers = { 'user-agent': 'x', 'content-type': 'application/jose+json' };
  const jws = signRaw(
    client.key,
    { alg: 'ES256', nonce: await client.nonce(), url: client.account, kid: client.account },
    [1],
  );
  for (const body of [
    '',
    '{',
    '[]',
    '{"protected":"e30"}',
    JSON.stringify({ ...jws, protected: 'ü' }),
    JSON.stringify(jws),
  ]) {
    const { status } = await client.request('POST', client.account, body, headers);
    expect(status).toBe(400);
  }
  expect((await client.request('POST', client.account, 'x'.repeat(1_100_000), headers)).status).toBe(413);
  expect((await client.post(client.account)).status).toBe(200);
});
