/**
 * Tests that managers keep the limits of a CA by what is on the bus: each order here is made by a process of its own, with an empty
 * replica, at the strict ACME server, which counts as Let's Encrypt does, on its own clock.
 */
import type { Solver } from '@certbus/acme';
import {
  type AcmeServer,
  type DnsServer,
  type RateLimits,
  startAcmeServer,
  startDnsServer,
} from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { LimitReachedError } from '../errors.ts';
import type { IssueResult, Manager } from '../index.ts';
import { configFor, createSite, type Site, withManager } from '../issuance/manager.builders.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const { signal } = new AbortController();
const folder = temporaryFolder();
/** Answers nothing, so that the CA finds every name invalid. */
const useless: Solver = { challenges: ['dns-01'], async present() {}, async ready() {}, async cleanUp() {} };
/** The same limits, as the CA has them and as they are configured. */
const CA_LIMITS = {
  newOrders: { capacity: 6, periodMs: 3 * HOUR_MS },
  certificatesPerDomain: { capacity: 4, periodMs: 7 * DAY_MS },
  certificatesPerSet: { capacity: 2, periodMs: 7 * DAY_MS },
  failedAuthorizations: { capacity: 2, periodMs: HOUR_MS },
};
const LIMITS = {
  orders: { count: 6, within: '3h' },
  domains: { count: 4, within: '7d' },
  nameSets: { count: 2, within: '7d' },
  failures: { count: 2, within: '60m' },
  renewals: 'exempt',
};

let dns: DnsServer;
let ca: AcmeServer;
let site: Site;
let sites = 0;

beforeAll(async () => {
  dns = await startDnsServer();
});
afterAll(async () => {
  await dns[Symbol.asyncDispose]();
  folder.remove();
});
beforeEach(() => begin({}, LIMITS));
afterEach(() => ca[Symbol.asyncDispose]());

/** Starts a CA, and a bus whose managers have its limits. */
async function begin(more: RateLimits, limits: unknown): Promise<void> {
  ca = await startAcmeServer({ validation: { dnsServer: dns.address }, limits: { ...CA_LIMITS, ...more } });
  sites += 1;
  site = await createSite(`${folder.path}/bus${sites}.db`, configured(limits));
}

/** The same with a CA to which a renewal is an order like any other. */
async function beginCounted(): Promise<void> {
  await ca[Symbol.asyncDispose]();
  await begin({ renewals: 'counted' }, { ...LIMITS, renewals: 'counted' });
}

function configured(limits: unknown) {
  const config = configFor(ca, { url: dns.url, dns: dns.address }) as { authorities: { pebble: object } };
  return { ...config, authorities: { pebble: { ...config.authorities.pebble, limits } } };
}

let processes = 0;

/** Runs as another process of another manager would. */
function asAnother<T>(run: (manager: Manager) => Promise<T>, solver?: Solver): Promise<T> {
  processes += 1;
  const solvers = solver ? { solvers: async () => solver } : {};
  return withManager(site, { holder: `process ${processes}`, now: () => ca.clock.now(), ...solvers }, run);
}

/** What keeps an order waiting; `undefined` where it went. */
async function attempt(run: (manager: Manager) => Promise<IssueResult>, solver?: Solver) {
  const result = await asAnother(run, solver).catch((error: unknown) => error);
  if (result instanceof LimitReachedError) return result.binding;
  if (result instanceof Error && solver === undefined) throw result;
  return undefined;
}

const issue = (name: string) => (manager: Manager) => manager.issue({ names: [name] }, { signal });
const refusals = () => ca.requests.filter(({ problem }) => problem === 'rateLimited');
const advanceTo = (instant: Date) => ca.clock.advance(Math.max(0, instant.getTime() - ca.clock.now().getTime()));

test('new names go as fast as the CA takes them, each with the instant that it is told, and never against a limit', async () => {
  const names = Array.from({ length: 12 }, (_, n) => `h${n}.d${n % 2}.test`);
  const start = ca.clock.now().getTime();
  const bound: string[] = [];
  for (const name of names) {
    const tryIt = async () => {
      const begun = ca.clock.now();
      const binding = await attempt(issue(name));
      if (binding) expect(binding.until.getTime()).toBeGreaterThan(begun.getTime());
      return binding;
    };
    for (let binding = await tryIt(); binding; binding = await tryIt()) {
      bound.push(`${binding.limit} ${binding.limit === 'domains' ? binding.subject : ''}`);
      // Ten minutes earlier it is still told the same; the two domains have room within a moment of each other.
      const almost = new Date(binding.until.getTime() - 600_000);
      if (almost > ca.clock.now()) {
        advanceTo(almost);
        expect(await attempt(issue(name))).toMatchObject({ limit: binding.limit });
      }
      advanceTo(binding.until);
    }
  }
  expect(refusals()).toEqual([]);
  expect(ca.certificates()).toHaveLength(names.length);
  expect(bound).toEqual(expect.arrayContaining(['orders ', 'domains d0.test']));
  // Four of each domain at once, and two more of each at one per 42 hours: a twentieth is left unused.
  const days = (ca.clock.now().getTime() - start) / DAY_MS;
  expect(days).toBeGreaterThan(3.5);
  expect(days).toBeLessThan(3.9);
});

test('a set of names is not issued more often than the CA does it, but inside the window that it names', async () => {
  const { certificateId } = await asAnother(issue('a.set.test'));
  const renew = (manager: Manager) => manager.renew(certificateId, { signal });
  expect(await attempt(renew)).toBeUndefined();
  const binding = await attempt(renew);
  expect(binding).toMatchObject({ limit: 'name-sets', subject: 'a.set.test' });
  // Two thirds of 90 days later the CA asks for it: a window is open, and what was spent is long over.
  advanceTo(new Date(ca.clock.now().getTime() + 60 * DAY_MS));
  const at = new Date(ca.clock.now().getTime() + 10 * DAY_MS);
  const { outcomes } = await asAnother((manager) => manager.runOnce({ at }));
  expect(outcomes).toMatchObject([{ certificateId, outcome: 'renewed' }]);
  expect(await attempt(renew)).toBeUndefined();
  expect(await attempt(renew)).toMatchObject({ limit: 'name-sets' });
  expect(refusals()).toEqual([]);
});

test('a name that failed as often as the CA lets it is not tried again before it can be', async () => {
  const tryIt = () => attempt(issue('bad.test'), useless);
  expect(await tryIt()).toBeUndefined();
  expect(await tryIt()).toBeUndefined();
  const binding = await tryIt();
  expect(binding).toMatchObject({ limit: 'failures', subject: 'bad.test' });
  const minutes = ((binding?.until.getTime() ?? 0) - ca.clock.now().getTime()) / 60_000;
  expect(minutes).toBeGreaterThan(28);
  expect(minutes).toBeLessThan(32);
  // Another name is free to go, and the same one works as soon as it may.
  expect(await attempt(issue('good.test'))).toBeUndefined();
  advanceTo(binding?.until ?? new Date());
  expect(await attempt(issue('bad.test'))).toBeUndefined();
  expect(refusals()).toEqual([]);
});

test('a run renews what it can while new names wait for room, says until when, and is in order', async () => {
  const fine = await asAnother(issue('renewed.test'));
  await attempt(issue('late.test'), useless);
  for (const n of [1, 2, 3]) await asAnother(issue(`more${n}.test`));
  advanceTo(new Date(ca.clock.now().getTime() + 60 * DAY_MS));
  // All the room that the CA has is used up at once, so that what never had a certificate waits.
  for (const n of [1, 2, 3, 4, 5, 6]) await asAnother(issue(`used${n}.test`));
  const at = new Date(ca.clock.now().getTime() + 10 * DAY_MS);
  const { outcomes } = await asAnother((manager) => manager.runOnce({ at }));
  const of = (name: string) => outcomes.find(({ names }) => names.includes(name));
  expect(of('renewed.test')).toMatchObject({ certificateId: fine.certificateId, outcome: 'renewed' });
  expect(of('late.test')).toMatchObject({ outcome: 'postponed', limit: { limit: 'orders', subject: ca.directory } });
  expect(of('late.test')?.until?.getTime()).toBeGreaterThan(ca.clock.now().getTime());
  expect(of('late.test')).not.toHaveProperty('error');
  advanceTo(of('late.test')?.until ?? new Date());
  const later = await asAnother((manager) => manager.runOnce());
  expect(later.outcomes.find(({ names }) => names.includes('late.test'))).toMatchObject({ outcome: 'renewed' });
  expect(refusals()).toEqual([]);
});

test('what waits for room stays due, and nothing is to be done before there is some', async () => {
  await attempt(issue('late.test'), useless);
  advanceTo(new Date(ca.clock.now().getTime() + DAY_MS));
  for (const n of [1, 2, 3, 4, 5, 6]) await asAnother(issue(`used${n}.test`));
  const run = () => asAnother((manager) => manager.runOnce());
  const waiting = await run();
  expect(waiting).toMatchObject({ due: 1, renewed: 0, failed: 0, postponed: 1 });
  const [{ until } = {}] = waiting.outcomes;
  expect(waiting.next).toEqual(until);
  // Another name takes the room meanwhile, and the next instant moves with it.
  advanceTo(waiting.next);
  await asAnother(issue('other.test'));
  const again = await run();
  expect(again).toMatchObject({ due: 1, postponed: 1 });
  expect(again.next.getTime()).toBeGreaterThan(ca.clock.now().getTime() + 60_000);
  advanceTo(again.next);
  expect(await run()).toMatchObject({ due: 1, renewed: 1, postponed: 0 });
  expect(refusals()).toEqual([]);
});

test('where renewals count as well, new names leave half of the room to them', async () => {
  await beginCounted();
  const all = [];
  for (const n of [1, 2, 3]) all.push(await asAnother(issue(`n${n}.test`)));
  expect(await attempt(issue('n4.test'))).toMatchObject({ limit: 'orders' });
  for (const { certificateId } of all)
    expect(await attempt((manager) => manager.renew(certificateId, { signal }))).toBeUndefined();
  const [{ certificateId = '' } = {}] = all;
  expect(await attempt((manager) => manager.renew(certificateId, { signal }))).toMatchObject({ limit: 'name-sets' });
  expect(refusals()).toEqual([]);
});

test('where renewals count for their domain as well, none goes against it, and new names leave half of it to them', async () => {
  await beginCounted();
  const all: string[] = [];
  const take = async (name: string) => void all.push((await asAnother(issue(name))).certificateId);
  const renew = (certificateId = '') => attempt((manager) => manager.renew(certificateId, { signal }));
  await take('n1.full.test');
  await take('n2.full.test');
  const kept = await attempt(issue('n3.full.test'));
  expect(kept).toMatchObject({ limit: 'domains', subject: 'full.test' });
  advanceTo(kept?.until ?? new Date());
  await take('n3.full.test');
  // The two that were kept go to two renewals, and the third one waits until there is one more.
  expect([await renew(all[0]), await renew(all[1])]).toEqual([undefined, undefined]);
  const full = await renew(all[2]);
  expect(full).toMatchObject({ limit: 'domains', subject: 'full.test' });
  const hours = ((full?.until.getTime() ?? 0) - ca.clock.now().getTime()) / 3_600_000;
  expect(hours).toBeGreaterThan(40);
  expect(hours).toBeLessThan(45);
  advanceTo(full?.until ?? new Date());
  expect(await renew(all[2])).toBeUndefined();
  // Nor is one exempt inside the window that the CA names.
  advanceTo(new Date(ca.clock.now().getTime() + 70 * DAY_MS));
  expect(await asAnother((manager) => manager.runOnce())).toMatchObject({ due: 3, renewed: 3 });
  expect(await attempt(issue('n4.full.test'))).toMatchObject({ limit: 'domains', subject: 'full.test' });
  expect(refusals()).toEqual([]);
  expect(ca.certificates()).toHaveLength(9);
});

test.for(['orders', 'domains'] as const)(
  'two managers at once never share the last place of the limit of %s',
  async (limit) => {
    const domains = limit === 'domains' ? ['one', 'one', 'one'] : ['one', 'one', 'two', 'two', 'three'];
    for (const [n, domain] of domains.entries()) await asAnother(issue(`n${n}.${domain}.test`));
    // The one that has it keeps its order open until the other one knows.
    const [known, begun] = [Promise.withResolvers<void>(), { count: 0 }];
    const waits: Solver = {
      ...useless,
      async present() {
        begun.count += 1;
        if (begun.count > 1) known.resolve();
        await known.promise;
      },
    };
    const tryIt = (name: string) => attempt(issue(name), waits).finally(() => known.resolve());
    const bindings = await Promise.all([tryIt('this.one.test'), tryIt('that.one.test')]);
    expect(bindings.filter((binding) => binding === undefined)).toHaveLength(1);
    expect(bindings.find((binding) => binding)).toMatchObject({ limit });
    expect(begun.count).toBe(1);
    expect(refusals()).toEqual([]);
  },
);
