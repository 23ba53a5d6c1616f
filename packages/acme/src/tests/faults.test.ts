import { setTimeout as wait } from 'node:timers/promises';
import type { AcmeServer, Fault, ResourceKind } from '@certbus/acme-server';
import { expect, test } from 'vitest';
import { AcmeError, AcmeProblemError, createCaLimiter, registerAccount, renewalInfo } from '../index.ts';
import { obtainFor, startStrictCa } from './strict-ca.builders.ts';

const replayed = ({ requests }: AcmeServer) => requests.filter(({ nonceState }) => nonceState === 'replayed');

/** A CA and a client on one clock, which only waits move. */
async function startTimed(options: Parameters<typeof startStrictCa>[0] = {}) {
  const epoch = new Date();
  const ca = await startStrictCa({ now: () => epoch, ...options });
  const { clock } = ca.server;
  const timed = {
    now: () => clock.now(),
    async sleep(ms: number) {
      clock.advance(Math.ceil(ms));
      // Validations take real time, however little.
      await wait(10);
    },
  };
  return { ...ca, timed, openUnregistered: ca.open, open: (more = {}) => ca.openRegistered({ ...timed, ...more }) };
}

const FAULTS: readonly Fault[] = [
  { kind: 'drop', when: 'before' },
  { kind: 'drop', when: 'after' },
  { kind: 'stall', when: 'before' },
  { kind: 'stall', when: 'after' },
  { kind: 'status', status: 429, retryAfter: 2 },
  { kind: 'status', status: 500 },
  { kind: 'status', status: 503, retryAfter: 1 },
  { kind: 'status', status: 500, when: 'after' },
  { kind: 'html' },
  { kind: 'html', status: 200 },
  { kind: 'truncate' },
  { kind: 'content-type', value: 'text/plain' },
  { kind: 'duplicate-nonce' },
  { kind: 'bad-nonce' },
];
const RESOURCES: readonly ResourceKind[] = [
  'directory',
  'newNonce',
  'newAccount',
  'newOrder',
  'order',
  'authorization',
  'challenge',
  'finalize',
  'certificate',
];

test.each(FAULTS.map((fault) => [Object.values(fault).join(' '), fault] as const))(
  'with "%s" at each resource in turn no nonce is used twice, and an order ends well or with a typed error',
  async (_, fault) => {
    const { timed, server, signal, ...strict } = await startTimed({ finalizeDelayMs: 1, pollRetryAfterS: null });
    const isStall = fault.kind === 'stall';
    const bound = isStall ? { requestTimeoutMs: 400 } : {};
    for (const resource of RESOURCES) {
      const ca = strict.openUnregistered({ ...timed, limiter: createCaLimiter(server.directory), ...bound });
      server.faults.clear();
      const injected = server.faults.inject(fault, { resource });
      const outcome = await registerAccount(ca, { termsOfServiceAgreed: true, signal })
        .then(() => obtainFor(ca, [`${resource.toLowerCase()}.test`]))
        .catch((error: unknown) => error);
      if (outcome instanceof Error) expect(outcome).toBeInstanceOf(AcmeError);
      // On a busy machine a short time-out can strike before.
      if (!isStall) expect(injected.hits).toBe(1);
      await ca.close();
    }
    expect(replayed(server)).toEqual([]);
  },
);

test('orders in parallel survive a CA that refuses half of all nonces and fails at a tenth of all requests', async () => {
  const { openRegistered, server } = await startStrictCa({ nonceRejectPercent: 50, pollRetryAfterS: null });
  const ca = await openRegistered();
  const nth = (modulus: number, at: number) => ({
    matches: ({ number }: { number: number }) => number % modulus === at,
    times: Number.POSITIVE_INFINITY,
  });
  server.faults.inject({ kind: 'drop', when: 'after' }, nth(40, 7));
  server.faults.inject({ kind: 'status', status: 500 }, nth(20, 13));
  const names = Array.from({ length: 50 }, (_, index) => `h${index}.test`);
  const outcomes: unknown[] = [];
  await Promise.all(
    Array.from({ length: 10 }, async () => {
      for (let name = names.pop(); name !== undefined; name = names.pop()) {
        outcomes.push(await obtainFor(ca, [name]).catch((error: unknown) => error));
      }
    }),
  );
  expect(outcomes.filter((outcome) => outcome instanceof Error && !(outcome instanceof AcmeError))).toEqual([]);
  // Only what may not be repeated by itself, such as a second loss at one finalization, can end an order.
  expect(outcomes.filter((outcome) => outcome instanceof Error).length).toBeLessThan(10);
  expect(replayed(server)).toEqual([]);
});

test('half of all nonces refused loses no order', async () => {
  const { openRegistered, server } = await startStrictCa({ nonceRejectPercent: 50, pollRetryAfterS: null });
  const ca = await openRegistered();
  for (let i = 0; i < 5; i += 1) {
    await Promise.all(Array.from({ length: 10 }, (_, each) => obtainFor(ca, [`h${i}-${each}.test`])));
  }
  expect(server.certificates()).toHaveLength(50);
  expect(replayed(server)).toEqual([]);
});

test.each([
  ['newOrder', 500],
  ['newOrder', 503],
  ['order', 503],
  ['authorization', 500],
  ['certificate', 503],
] as const)('no request for %s comes before the Retry-After of a %i', async (resource, status) => {
  const { open, server } = await startTimed({ finalizeDelayMs: 1 });
  const ca = await open();
  server.faults.inject({ kind: 'status', status, retryAfter: 4 }, { resource, times: 3 });
  await obtainFor(ca, ['a.test']);
  const times = server.requests.filter((each) => each.resource === resource).map(({ at }) => at.getTime());
  expect(times.length).toBeGreaterThan(3);
  for (let i = 1; i <= 3; i += 1) expect((times[i] ?? 0) - (times[i - 1] ?? 0)).toBeGreaterThanOrEqual(4000);
});

test.each([429, 500, 503])(
  'after a %i that asks for an hour nothing is tried again, by this job or another',
  async (status) => {
    const { open, server } = await startTimed();
    const ca = await open();
    const start = server.clock.now().getTime();
    server.faults.inject({ kind: 'status', status, retryAfter: 3600 }, { resource: 'newOrder' });
    const error = await obtainFor(ca, ['a.test']).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(AcmeProblemError);
    expect(error).toMatchObject({ notBefore: new Date(start + 3_600_000) });
    const asked = () => server.requests.filter(({ resource }) => resource === 'newOrder');
    expect(asked()).toHaveLength(1);
    if (status !== 503) return;
    // The endpoint is busy for everybody.
    const next = await obtainFor(ca, ['b.test']).catch((reason: unknown) => reason);
    expect(next).toMatchObject({ code: 'CERTBUS_ACME_DEADLINE', notBefore: new Date(start + 3_600_000) });
    expect(asked()).toHaveLength(1);
  },
);

test('polls keep to the Retry-After of authorizations and orders', async () => {
  const { open, server } = await startTimed({
    pollRetryAfterS: 7,
    finalizeDelayMs: 20_000,
    validation: { delayMs: 50 },
  });
  await obtainFor(await open(), ['a.test']);
  for (const resource of ['authorization', 'order'] as const) {
    const polls = server.requests.filter((each) => each.resource === resource).map(({ at }) => at.getTime());
    const answered = server.requests.find((each) => each.resource === 'challenge')?.at.getTime() ?? 0;
    const later = polls.filter((at) => at > answered);
    for (let i = 1; i < later.length; i += 1)
      expect((later[i] ?? 0) - (later[i - 1] ?? 0)).toBeGreaterThanOrEqual(7000);
  }
  expect(server.certificates()).toHaveLength(1);
});

test('a paused name is for the operator: a link, a day of patience, and one request', async () => {
  const { open, server, signal } = await startTimed();
  const ca = await open();
  const { url } = await registerAccount(ca, { termsOfServiceAgreed: true, signal });
  server.pause(url, 'a.test');
  const start = server.clock.now().getTime();
  await expect(obtainFor(ca, ['a.test'])).rejects.toMatchObject({
    class: 'operator-action',
    page: expect.stringMatching(/^https:.*unpause/),
    notBefore: new Date(start + 86_400_000),
  });
  expect(server.requests.filter(({ resource }) => resource === 'newOrder')).toHaveLength(1);
  server.unpause(url);
  await obtainFor(ca, ['a.test']);
});

const active = (kind: string) => process.getActiveResourcesInfo().filter((each) => each === kind).length;

/**
 * How many timers and sockets are left once they get no fewer: what ends by itself has ended. Waits by no timer of its own, as
 * `expect.poll` would, which would hide a leaked one.
 */
async function leftOver(most = { timers: 0, sockets: 0 }): Promise<{ timers: number; sockets: number }> {
  let fewest = { timers: Number.POSITIVE_INFINITY, sockets: Number.POSITIVE_INFINITY };
  for (let tries = 0; tries < 100; tries += 1) {
    await wait(20);
    fewest = {
      timers: Math.min(fewest.timers, active('Timeout')),
      sockets: Math.min(fewest.sockets, active('TCPSocketWrap')),
    };
    if (fewest.timers <= most.timers && fewest.sockets <= most.sockets) break;
  }
  return fewest;
}

test.each(RESOURCES.filter((resource) => resource !== 'order'))(
  'an abort while %s stalls ends the work, and leaves no timer or socket',
  async (resource) => {
    const { openRegistered, open, server, signal } = await startStrictCa();
    await (await openRegistered()).close();
    const before = await leftOver();
    // Nothing but the abort ends it.
    const ca = open({ requestTimeoutMs: 3_600_000 });
    const stop = new AbortController();
    server.faults.inject({ kind: 'stall', when: 'before' }, { resource, times: Number.POSITIVE_INFINITY });
    const seen = server.requests.length;
    const pending = registerAccount(ca, {
      termsOfServiceAgreed: true,
      signal: AbortSignal.any([stop.signal, signal]),
    }).then(() => obtainFor(ca, ['a.test'], { signal: stop.signal }));
    const aborted = expect(pending).rejects.toThrow('enough');
    await expect.poll(() => server.requests.slice(seen).some((each) => each.resource === resource)).toBe(true);
    stop.abort(new Error('enough'));
    await aborted;
    await ca.close();
    const after = await leftOver(before);
    expect(after.sockets).toBeLessThanOrEqual(before.sockets);
    expect(after.timers).toBeLessThanOrEqual(before.timers);
  },
);

test('an abort during a wait for a limit or a poll ends it as well', async () => {
  const { openRegistered } = await startStrictCa({ pollRetryAfterS: 500, validation: { delayMs: 5000 } });
  const stop = new AbortController();
  const pending = expect(obtainFor(await openRegistered(), ['a.test'], { signal: stop.signal })).rejects.toThrow(
    'enough',
  );
  setTimeout(() => stop.abort(new Error('enough')), 200);
  await pending;
});

test('renewal information that fails says so, and asks no sooner than it may', async () => {
  const { open, server, signal } = await startTimed();
  const ca = await open();
  const { leaf } = await obtainFor(ca, ['a.test']);
  server.faults.inject({ kind: 'status', status: 429, retryAfter: 600 }, { resource: 'renewalInfo' });
  await expect(renewalInfo(ca, leaf, { signal })).rejects.toMatchObject({
    class: 'rate-limited',
    notBefore: new Date(server.clock.now().getTime() + 600_000),
  });
  expect(await renewalInfo(ca, leaf, { signal })).toMatchObject({
    retryAt: new Date(server.clock.now().getTime() + 21_600_000),
  });
});
