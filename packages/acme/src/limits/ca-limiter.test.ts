import { letsEncryptLimits, startDnsServer } from '@certbus/acme-server';
import { startJumpClock } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { expect, test } from 'vitest';
import {
  createAcmeCounters,
  createCaLimiter,
  generateAccountKey,
  LETS_ENCRYPT_LIMITS,
  readDirectory,
  registerAccount,
} from '../index.ts';
import { createDnsSolver } from '../tests/dns-solver.builders.ts';
import { obtainFor, startStrictCa } from '../tests/strict-ca.builders.ts';
import { engineOf } from '../wire/handles.ts';
import { guardsOf } from './ca-limiter.ts';

const never = new AbortController().signal;
// Limits on domains and sets are about what is certified, which only the manager can choose.
const { certificatesPerDomain, certificatesPerSet, ...limits } = letsEncryptLimits;

/** A CA with Let's Encrypt's limits whose clock stands still but for our own waits, so that every request counts as at once. */
async function startLimited(options: Parameters<typeof startStrictCa>[0] = {}, { orders } = LETS_ENCRYPT_LIMITS) {
  const epoch = new Date();
  const ca = await startStrictCa({ limits, now: () => epoch, pollRetryAfterS: null, ...options });
  const { clock, directory, requests } = ca.server;
  const limiter = createCaLimiter(directory, { limits: { ...LETS_ENCRYPT_LIMITS, orders }, now: () => clock.now() });
  const { observe, read } = createAcmeCounters();
  const shared = {
    limiter,
    observe,
    now: () => clock.now(),
    sleep: async (ms: number) => clock.advance(Math.ceil(ms)),
  };
  const refused = () => requests.filter(({ status }) => status === 429 || status === 503);
  return { ...ca, options: shared, refused, counts: read };
}

test("the accounts' order limit of Let's Encrypt is never met, and orders go on at its pace", {
  tags: 'full',
}, async () => {
  const { capacity: all, refillMs } = LETS_ENCRYPT_LIMITS.orders;
  // Fewer at the same pace, so that fewer orders come to it.
  const capacity = sized({ small: 40, full: all });
  const newOrders = { capacity, periodMs: capacity * refillMs };
  const orders = { capacity, refillMs };
  const set = { limits: { ...limits, newOrders } };
  const { openRegistered, options, refused, server, counts } = await startLimited(set, {
    ...LETS_ENCRYPT_LIMITS,
    orders,
  });
  const ca = await openRegistered(options);
  const start = server.clock.now().getTime();
  const count = capacity * 0.95 + 20;
  for (let i = 0; i < count; i += 1) await obtainFor(ca, [`h${i}.test`], { isRenewal: false });
  expect(refused()).toEqual([]);
  const hours = (server.clock.now().getTime() - start) / 3_600_000;
  // All but a twentieth at once, 20 more at a twentieth less than one in 36 s.
  expect(hours).toBeGreaterThan(0.19);
  expect(hours).toBeLessThan(0.25);
  expect(counts()).toMatchObject({ orders: { issued: count }, waits: { orders: { count: 20 } }, breaker: 'closed' });
});

test('new accounts wait for their turn as well', async () => {
  const { open, options, refused, server } = await startLimited();
  for (let i = 0; i < 12; i += 1) {
    const ca = open({ ...options, accountKey: await generateAccountKey() });
    // A wait of 18 minutes is not this job's to sleep.
    await registerAccount(ca, { termsOfServiceAgreed: true, signal: never }).catch((error: unknown) => {
      expect(error).toMatchObject({ code: 'CERTBUS_ACME_DEADLINE', notBefore: expect.any(Date) });
      server.clock.advance(20 * 60_000);
    });
  }
  expect(refused()).toEqual([]);
});

test('requests in parallel keep under the limits of each endpoint', async () => {
  const clock = startJumpClock();
  const { openRegistered, server, signal } = await startStrictCa({ limits, now: clock.now });
  const { observe, read } = createAcmeCounters();
  const limiter = createCaLimiter(server.directory, { limits: LETS_ENCRYPT_LIMITS, now: clock.now });
  const ca = await openRegistered({ limiter, observe, ...clock });
  using session = await engineOf(ca).open({ signal });
  await Promise.all(Array.from({ length: 20 }, () => session.createAccount({ onlyReturnExisting: true })));
  expect(server.requests.filter(({ status }) => status === 503)).toEqual([]);
  expect(read().waits['new-account']?.count).toBeGreaterThan(10);
});

test('two processes that take half of the requests each keep under the limits together', async () => {
  const clock = startJumpClock();
  const { openRegistered, open, server, signal } = await startStrictCa({ limits, now: clock.now });
  await openRegistered(clock);
  const ask = async () => {
    const limiter = createCaLimiter(server.directory, {
      limits: LETS_ENCRYPT_LIMITS,
      requestShare: 0.5,
      now: clock.now,
    });
    using session = await engineOf(open({ limiter, ...clock })).open({ signal });
    await Promise.all(Array.from({ length: 12 }, () => session.createAccount({ onlyReturnExisting: true })));
  };
  await Promise.all([ask(), ask()]);
  expect(server.requests.filter(({ status }) => status === 503)).toEqual([]);
});

test('a name whose authorizations failed is not tried again before the CA would take it', async () => {
  await using dns = await startDnsServer();
  const { openRegistered, options, refused, server } = await startLimited({
    validation: { alwaysValid: false, dnsServer: dns.address },
  });
  const ca = await openRegistered(options);
  const solver = { ...createDnsSolver(dns), async present() {} };
  const fail = () => obtainFor(ca, ['*.bad.test'], { solver }).catch((error: unknown) => error);
  for (let i = 0; i < 4; i += 1) expect(await fail()).toMatchObject({ code: 'CERTBUS_ACME_CHALLENGE_FAILED' });
  const before = server.requests.length;
  const error = await fail();
  expect(error).toMatchObject({
    code: 'CERTBUS_ACME_DEADLINE',
    message: expect.stringContaining('failed authorizations'),
  });
  const { notBefore } = error as { notBefore: Date };
  expect(notBefore.getTime() - server.clock.now().getTime()).toBeGreaterThan(700_000);
  expect(server.requests.length - before).toBe(0);
  await obtainFor(ca, ['good.test'], { solver: createDnsSolver(dns) });
  server.clock.advance(notBefore.getTime() - server.clock.now().getTime());
  expect(await fail()).toMatchObject({ code: 'CERTBUS_ACME_CHALLENGE_FAILED' });
  expect(refused()).toEqual([]);
});

test('the limit that the CA names for an account holds for its other orders, too', async () => {
  const { openRegistered, options, server } = await startLimited({
    limits: { newOrders: { capacity: 2, periodMs: 7_200_000 } },
  });
  const ca = await openRegistered(options);
  for (let i = 0; i < 2; i += 1) await obtainFor(ca, [`h${i}.test`]);
  await expect(obtainFor(ca, ['h2.test'])).rejects.toMatchObject({ class: 'rate-limited' });
  const before = server.requests.length;
  await expect(obtainFor(ca, ['h3.test'])).rejects.toMatchObject({ code: 'CERTBUS_ACME_DEADLINE' });
  expect(server.requests).toHaveLength(before);
});

test('an outage is noticed once, is not asked about by each job, and ends by itself', async () => {
  const { openRegistered, options, server } = await startLimited();
  const { limiter } = options;
  const ca = await openRegistered(options);
  server.faults.inject({ kind: 'status', status: 500 }, { resource: 'newOrder', times: Number.POSITIVE_INFINITY });
  server.faults.inject({ kind: 'status', status: 503 }, { resource: 'directory', times: Number.POSITIVE_INFINITY });
  const failed = async () => obtainFor(ca, ['a.test']).catch((error: unknown) => error);
  for (let i = 0; i < 5; i += 1) expect(await failed()).toMatchObject({ class: 'authority' });
  expect(limiter.breakerState()).toBe('open');
  const before = server.requests.length;
  const errors = await Promise.all(Array.from({ length: 100 }, failed));
  expect(new Set(errors.map((error) => (error as { code: string }).code))).toEqual(
    new Set(['CERTBUS_ACME_BREAKER_OPEN']),
  );
  expect(errors).toEqual(errors.map(() => expect.objectContaining({ notBefore: limiter.openUntil() })));
  expect(server.requests).toHaveLength(before);
  // It looks at the directory and at nothing else.
  server.clock.advance(60_000);
  expect(await failed()).toMatchObject({ problem: { status: 503 } });
  expect(server.requests.slice(before).every(({ resource }) => resource === 'directory')).toBe(true);
  expect(limiter.breakerState()).toBe('open');
  server.faults.clear();
  server.clock.advance(120_000);
  await obtainFor(ca, ['a.test']);
  expect(limiter.breakerState()).toBe('closed');
});

test('a directory that cannot be read is an outage at once, for every account at the CA', async () => {
  const { open, options, server } = await startLimited();
  server.faults.inject(
    { kind: 'status', status: 503, retryAfter: 600 },
    { resource: 'directory', times: Number.POSITIVE_INFINITY },
  );
  const [one, other] = [open(options), open(options)];
  await expect(readDirectory(one, { signal: never })).rejects.toMatchObject({ problem: { status: 503 } });
  await expect(readDirectory(other, { signal: never })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_BREAKER_OPEN',
    notBefore: new Date(server.clock.now().getTime() + 600_000),
  });
  expect(server.requests).toHaveLength(1);
});

test('counters say what was asked, what came of it, and what was waited for', async () => {
  const { openRegistered, options, counts, server } = await startLimited();
  const ca = await openRegistered(options);
  await obtainFor(ca, ['a.test']);
  server.faults.inject({ kind: 'status', status: 400 }, { resource: 'newOrder' });
  await obtainFor(ca, ['b.test']).catch(() => {});
  expect(counts()).toMatchObject({
    requests: { 'directory 2xx': 1, 'new-nonce 2xx': 1, 'new-account 2xx': 1, 'new-order 2xx': 1, 'new-order 4xx': 1 },
    orders: { issued: 1, 'failed permanent-request': 1 },
    breaker: 'closed',
  });
});

test('an observer that throws costs no certificate', async () => {
  const { openRegistered } = await startStrictCa();
  const ca = await openRegistered({
    observe: () => {
      throw new Error('no metrics today');
    },
  });
  await obtainFor(ca, ['a.test']);
});

test('a CA that is busy for long takes no orders until then, or until it is asked whether it is back', () => {
  const start = new Date('2026-11-28T12:00:00Z');
  const later = (ms: number) => new Date(start.getTime() + ms);
  const limiter = createCaLimiter('https://ca.test/directory', { now: () => start });
  const { limiter: rates } = guardsOf(limiter);
  rates.pauseEndpoint('new-order', later(60_000));
  expect(limiter.outage()).toBeUndefined();
  // An order would wait for it within its session, and hold its claim.
  rates.pauseEndpoint('new-order', later(61_000));
  expect(limiter.outage()).toMatchObject({ until: later(61_000) });
  rates.pauseEndpoint('new-nonce', later(1_000));
  rates.pauseEndpoint('new-order', later(3_600_000));
  const error = expect.objectContaining({ code: 'CERTBUS_ACME_BREAKER_OPEN', notBefore: later(3_600_000) });
  expect(limiter.outage()).toMatchObject({ since: start, until: later(3_600_000), isAsked: true, error });
  limiter.lookAgain();
  expect(limiter.outage()).toBeUndefined();
});

test('what a busy CA asked for before the clock was put back holds no order up', () => {
  let now = new Date('2026-11-28T12:00:00Z');
  const limiter = createCaLimiter('https://ca.test/directory', { now: () => now });
  guardsOf(limiter).limiter.pauseEndpoint('new-order', new Date('2026-11-28T13:00:00Z'));
  expect(limiter.outage()).toBeDefined();
  now = new Date('2025-11-28T12:00:00Z');
  expect(limiter.outage()).toBeUndefined();
});
