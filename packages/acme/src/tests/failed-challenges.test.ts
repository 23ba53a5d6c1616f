/** Tests against the strict server what becomes of challenges that a CA leaves open with an error, and of orders that come too late. */
import { setTimeout as wait } from 'node:timers/promises';
import { type AcmeServerOptions, letsEncryptProfiles, type Profile, startDnsServer } from '@certbus/acme-server';
import { expect, onTestFinished, test } from 'vitest';
import { createDnsSolver } from './dns-solver.builders.ts';
import { obtainFor, startStrictCa } from './strict-ca.builders.ts';

const MINUTE_MS = 60_000;

/** A CA that validates by a DNS server, and a client, on one clock that only waits move. */
async function startTimed(options: AcmeServerOptions = {}) {
  const dns = await startDnsServer();
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const epoch = new Date();
  const validation = { alwaysValid: false, dnsServer: dns.address, ...options.validation };
  const { server, openRegistered } = await startStrictCa({ now: () => epoch, ...options, validation });
  const { clock } = server;
  const sleep = async (ms: number) => {
    clock.advance(Math.ceil(ms));
    // Validations take real time, however little.
    await wait(10);
  };
  const ca = await openRegistered({ now: () => clock.now(), sleep });
  const answers = () => server.requests.filter(({ resource }) => resource === 'challenge').length;
  return { dns, server, clock, ca, answers };
}

test.each(['pending', 'processing'] as const)(
  'a name that cannot be proved at a CA that leaves it %s fails within about a minute, in the words of the CA',
  async (failedStatus) => {
    const { dns, clock, ca, answers } = await startTimed({ validation: { failedStatus } });
    const begun = clock.now().getTime();
    const warnings: string[] = [];
    const solver = { ...createDnsSolver(dns), async present() {} };
    const job = obtainFor(ca, ['a.test'], { solver, onWarning: (message) => void warnings.push(message) });
    await expect(job).rejects.toMatchObject({
      code: 'CERTBUS_ACME_CHALLENGE_FAILED',
      class: 'temporary',
      problem: { type: expect.stringMatching(/:(?:dns|unauthorized|incorrectResponse)$/) },
    });
    expect(warnings).toEqual([expect.stringContaining('The CA could not confirm a.test by dns-01')]);
    expect(answers()).toBe(5);
    expect(clock.now().getTime() - begun).toBeLessThan(1.2 * MINUTE_MS);
  },
);

test('a record that shows itself only at the second look makes a certificate', async () => {
  const { dns, ca, server, answers } = await startTimed({ validation: { failedStatus: 'pending' } });
  const real = createDnsSolver(dns);
  let publish = async () => {};
  const solver: typeof real = {
    ...real,
    async present(challenges, options) {
      publish = () => real.present(challenges, options);
    },
  };
  await obtainFor(ca, ['a.test'], { solver, onWarning: () => void publish() });
  expect(answers()).toBe(2);
  expect(server.certificates()).toHaveLength(1);
});

test('the Retry-After of the CA is kept between answers', async () => {
  const { dns, ca, server } = await startTimed({ validation: { failedStatus: 'pending' }, pollRetryAfterS: 20 });
  const solver = { ...createDnsSolver(dns), async present() {} };
  await expect(obtainFor(ca, ['a.test'], { solver })).rejects.toMatchObject({ code: 'CERTBUS_ACME_CHALLENGE_FAILED' });
  const asked = server.requests.filter(({ resource }) => resource === 'challenge').map(({ at }) => at.getTime());
  expect(asked.length).toBeGreaterThan(1);
  for (const [index, at] of asked.slice(1).entries()) expect(at - (asked[index] ?? 0)).toBeGreaterThanOrEqual(20_000);
});

const short = { ...letsEncryptProfiles['tlsserver'], validityMs: 10 * MINUTE_MS } as Profile;

/** An order whose run was killed before it was finalized. */
async function leaveOrder({ ca, dns }: Awaited<ReturnType<typeof startTimed>>): Promise<string> {
  let orderUrl = '';
  const killed = new AbortController();
  const solver = { ...createDnsSolver(dns), ready: async () => killed.abort(new Error('killed')) };
  const onOrder = async (url: string) => {
    orderUrl = url;
  };
  await expect(obtainFor(ca, ['a.test'], { solver, onOrder, abandon: killed.signal })).rejects.toThrow('killed');
  return orderUrl;
}

test.each([
  ['in time is gone on with', 3, undefined],
  ['late is gone, before a certificate is made that is hardly worth having', 5, /its certificate would end/],
  ['too late is gone', 30, /its certificate would end/],
])('an order with fixed dates that is resumed %s', async (_, minutes, refusal) => {
  const world = await startTimed({ fixesDates: true, profiles: { short } });
  const resume = await leaveOrder(world);
  world.clock.advance(minutes * MINUTE_MS);
  const job = obtainFor(world.ca, ['a.test'], { solver: createDnsSolver(world.dns), resume });
  if (!refusal) expect((await job).orderUrl).toBe(resume);
  else
    await expect(job).rejects.toMatchObject({
      code: 'CERTBUS_ACME_ORDER_GONE',
      message: expect.stringMatching(refusal),
    });
  expect(world.server.certificates()).toHaveLength(refusal ? 0 : 1);
});

test('an order whose dates the CA does not show, and that it refuses as too old, is gone in its words', async () => {
  const world = await startTimed();
  const { ca, dns, server } = world;
  const resume = await leaveOrder(world);
  server.faults.inject({ kind: 'status', status: 500 }, { resource: 'finalize', times: 5 });
  const solver = createDnsSolver(dns);
  await expect(obtainFor(ca, ['a.test'], { solver, resume })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ORDER_GONE',
    message: expect.stringContaining('This failure was scripted'),
  });
});
