/**
 * Managers and daemons that SIGKILL and SIGSTOP meet at their appends and requests: the CA counts one order and one certificate for each
 * intent, none is lost, and no TXT record stays behind or is taken away under another's validation.
 */
import type { IssueRequest } from '@certbus/manager';
import { isFull } from 'certbus-services/vitest';
import { expect, type TestContext, test } from 'vitest';
import { type Awaited, type Ended, type Signalled, type SignalSite, startSignalSite } from './signals.builders.ts';

const HOUR_MS = 3_600_000;
/** Longer than a claim and what it counts after its end. */
const CLAIM_OVER_MS = 8 * 60_000;
/** A stopped process that sends its order afterwards has made one that nobody goes on with: ACME has no word for it. */
const SENT_LATE = 'sending POST new-order #1';

/** How many certificates there are to be for a set of names, and how many orders at the most. */
interface Intent {
  readonly names: readonly string[];
  readonly certificates: number;
  readonly orders: number;
}

const one = (name: string): Intent => ({ names: [name], certificates: 1, orders: 1 });

/** A site whose account and issuer are on the bus, and what a fresh process passes when it issues a certificate. */
async function startSite({ onTestFinished }: Pick<TestContext, 'onTestFinished'>) {
  const site = await startSignalSite();
  onTestFinished(() => site[Symbol.asyncDispose]());
  const heir = site.start();
  const seed = await heir.work({ request: { names: ['seed.test'] } }).ended;
  expect(seed?.outcome).toBe('issued');
  return { site, heir };
}

async function issue(process: Signalled, request: IssueRequest): Promise<void> {
  const ended = await process.work({ request }).ended;
  expect(ended?.outcome, request.names.join()).toMatch(/^(issued|already-managed)$/);
}

/** Has a victim issue a certificate until its signal meets it; resolves with the point, `undefined` where it passed none such. */
async function strike(victim: Signalled, name: string, awaits: Awaited) {
  const work = victim.work({ request: { names: [name] }, awaits });
  const point = await work.reached;
  if (awaits.signal === 'SIGKILL' && point !== undefined) expect(await work.ended).toBeUndefined();
  return { point, ended: work.ended };
}

/** Has others go on with what a stopped victim holds; it goes on itself once they are validated, or have ended. */
async function outlive(
  { site, victim, ended }: { site: SignalSite; victim: Signalled; ended: Promise<Ended | undefined> },
  name: string,
  { isMeanwhile, others }: { readonly isMeanwhile: boolean; readonly others: () => Promise<unknown> },
): Promise<void> {
  const over = new AbortController();
  const validating = site.whenValidating(name, over.signal);
  site.advance(CLAIM_OVER_MS);
  const work = others().finally(() => over.abort());
  await (isMeanwhile ? validating : work);
  victim.goOn();
  await work;
  expect((await ended)?.outcome).toMatch(/^(issued|already-managed|CERTBUS_MANAGER_CLAIM_LOST)$/);
}

/** No value stays for a name once all who worked on it are done. */
function checkRecords({ dns, faults }: SignalSite, name: string, where: string): void {
  expect(dns.get(`_acme-challenge.${name}`, 'TXT'), where).toEqual([]);
  expect(faults, where).toEqual([]);
}

async function checkCounts(site: SignalSite, intents: readonly Intent[]): Promise<void> {
  const tallies = await site.tallies();
  for (const { names, certificates, orders } of intents) {
    const tally = tallies.get(names.join(' '));
    expect(tally?.issued, names.join()).toHaveLength(certificates);
    expect(tally?.obtained, names.join()).toEqual(tally?.issued);
    expect(tally?.orders, names.join()).toBeGreaterThanOrEqual(certificates);
    expect(tally?.orders, names.join()).toBeLessThanOrEqual(orders);
  }
  expect(tallies.size).toBe(1 + intents.length);
}

test('of two managers one is killed at each kind of append, or stopped past its claim: one order and one certificate for each intent', async (context) => {
  const { site, heir } = await startSite(context);
  const victims = [site.start(), site.start(), site.start()] as const;
  const both = ['both.test'];
  await Promise.all([issue(heir, { names: both }), issue(victims[1], { names: both, keyType: 'RSA-2048' })]);
  const ended = await strike(victims[2], 's.test', { point: 'answered POST chall #1', signal: 'SIGSTOP' });
  expect(ended.point).toBeDefined();
  const others = () => issue(heir, { names: ['s.test'] });
  await outlive({ site, victim: victims[2], ...ended }, 's.test', { isMeanwhile: false, others });
  checkRecords(site, 's.test', 'stopped');
  const points = ['after IssuanceStarted #1', 'before OrderCreated #1', 'before CertificateObtained #1'];
  const intents = [{ names: both, certificates: 2, orders: 2 }, one('s.test')];
  for (const [index, point] of points.entries()) {
    const victim = victims[index];
    if (!victim) throw new TypeError('each point has a victim');
    const name = `k${index}.test`;
    expect((await strike(victim, name, { point, signal: 'SIGKILL' })).point).toBe(point);
    await issue(heir, { names: [name] });
    checkRecords(site, name, point);
    intents.push(one(name));
  }
  await checkCounts(site, intents);
});

/** What others do about a name while, and after, a signal meets a victim that issues it. */
interface Company {
  /** Begins before the victim. */
  readonly before: (name: string) => Promise<unknown>;
  readonly after: (name: string) => Promise<unknown>;
  readonly intents: (name: string, orders: number) => readonly Intent[];
}

/** Two managers: the victim and an heir. */
const pair = (heir: Signalled): Company => ({
  before: async () => {},
  after: (name) => issue(heir, { names: [name] }),
  intents: (name, orders) => [{ ...one(name), orders }],
});

/** Five managers: beside the victim, one has a wildcard proved under the same record name, and one of three wants another key. */
function five(site: SignalSite, heir: Signalled): Company {
  const [wild, rsa, late] = [site.start(), site.start(), site.start()];
  return {
    before: (name) => issue(wild, { names: [`*.${name}`] }),
    after: (name) =>
      Promise.all([
        issue(heir, { names: [name] }),
        issue(late, { names: [name] }),
        issue(rsa, { names: [name], keyType: 'RSA-2048' }),
      ]),
    intents: (name, orders) => [{ names: [name], certificates: 2, orders: 1 + orders }, one(`*.${name}`)],
  };
}

const companies = [
  ['two', (_: SignalSite, heir: Signalled) => pair(heir)],
  ['five', five],
] as const;

/** What every order passes, however quick the CA is. */
const ALWAYS = ['after IssuanceStarted #1', 'before OrderCreated #1', SENT_LATE, 'answered POST chall #1'];
/** A CA that is slow for once is asked once more: what so many orders all pass, nearly every order does. */
const FIRST = Array.from({ length: 5 }, (_, n) => `first${n}.test`);

/** The points that a process passes whenever it issues its first certificate; each name is issued once. */
async function pointsOf(site: SignalSite, first: Signalled, names: readonly string[]): Promise<readonly string[]> {
  const runs: (readonly string[])[] = [];
  for (const name of names) {
    const ended = await (runs.length === 0 ? first : site.start()).work({ request: { names: [name] } }).ended;
    expect(ended?.outcome).toBe('issued');
    runs.push(ended?.passed ?? []);
  }
  const points = (runs[0] ?? []).filter((point) => runs.every((run) => run.includes(point)));
  expect(points).toEqual(expect.arrayContaining(ALWAYS));
  return points;
}

/** Points of a daemon that has several orders under way at once, by their count: those of about three orders, each bus with some of them. */
const COUNTS = Array.from({ length: 40 }, (_, n) => n + 1);
const BUSES = 8;
const roundsOf = (bus: number): readonly Awaited[] =>
  COUNTS.filter((count) => count % BUSES === bus).flatMap((count) =>
    (['SIGKILL', 'SIGSTOP'] as const).map((signal) => ({ count, signal })),
  );
/** How often a point is awaited, of which there is none where the CA was asked once less. */
const TRIES = 8;
/** What a process asks a CA for once, and keeps. */
const isKept = (point: string): boolean => /directory|new-nonce/.test(point);
/** Hundreds of rounds, on a machine that can be busy. */
const FULL = { tags: 'full', timeout: 3_600_000 };
const patience = { timeout: 1_200_000, interval: 200 };

/** Who holds the claims on names that have fewer certificates than these, `nobody` where there is no claim. */
async function holdersOfUnrenewed(site: SignalSite, names: readonly string[], certificates: number): Promise<string[]> {
  const events = await site.events();
  const obtained = events.filter((event) => event.type === 'CertificateObtained');
  const open = names.filter((name) => obtained.filter((event) => event.names[0] === name).length < certificates);
  return open.map((name) => {
    const last = events.findLastIndex((event) => event.type === 'CertificateObtained' && event.names[0] === name);
    const id = obtained.find((event) => event.names[0] === name)?.certificateId;
    const since = events.slice(last + 1).filter((event) => 'certificateId' in event && event.certificateId === id);
    const claim = since.findLast((event) => event.type === 'IssuanceStarted' || event.type === 'IssuanceTakenOver');
    return claim?.holder ?? 'nobody';
  });
}

if (isFull) {
  test.concurrent.for(companies)(
    'SIGKILL at every append and every request, %s managers',
    FULL,
    async ([, meet], context) => {
      const { site, heir } = await startSite(context);
      const company = meet(site, heir);
      const points = await pointsOf(site, site.start(), FIRST);
      expect(points.length).toBeGreaterThan(20);
      const intents: Intent[] = FIRST.map(one);
      let next = site.start();
      for (const [index, point] of points.entries()) {
        let struck: string | undefined;
        for (let tries = 0; tries < TRIES && struck === undefined; tries += 1) {
          const name = `k${index}-${tries}.test`;
          const victim = next;
          next = site.start();
          const beside = company.before(name);
          struck = (await strike(victim, name, { point, signal: 'SIGKILL' })).point;
          if (struck === undefined) victim.child.kill('SIGKILL');
          await Promise.all([beside, company.after(name)]);
          checkRecords(site, name, point);
          intents.push(...company.intents(name, 1));
        }
        expect(struck).toBe(point);
      }
      await checkCounts(site, intents);
    },
  );

  test.concurrent.for(companies)(
    'SIGSTOP at every append and every request, %s managers',
    FULL,
    async ([, meet], context) => {
      const { site, heir } = await startSite(context);
      const company = meet(site, heir);
      const lasting = site.start();
      const points = await pointsOf(site, lasting, FIRST);
      expect(points.filter(isKept).length).toBeGreaterThan(3);
      const intents: Intent[] = FIRST.map(one);
      for (const [index, point] of points.entries()) {
        for (const isMeanwhile of [false, true]) {
          const where = `${point}${isMeanwhile ? ', going on within the validation of others' : ''}`;
          let reached: string | undefined;
          for (let tries = 0; tries < TRIES && reached === undefined; tries += 1) {
            const name = `s${index}${isMeanwhile ? 'm' : ''}-${tries}.test`;
            const victim = isKept(point) ? site.start() : lasting;
            const beside = company.before(name);
            const struck = await strike(victim, name, { point, signal: 'SIGSTOP' });
            reached = struck.point;
            // Its claim is to end, and not that of another order that is under way.
            await beside;
            const others = () => company.after(name);
            await outlive({ site, victim, ...struck }, name, { isMeanwhile, others });
            checkRecords(site, name, where);
            intents.push(...company.intents(name, point === SENT_LATE ? 2 : 1));
            if (victim !== lasting) victim.child.kill('SIGKILL');
          }
          expect(reached, where).toBe(point);
        }
      }
      await checkCounts(site, intents);
    },
  );

  test.concurrent.for(Array.from({ length: BUSES }, (_, bus) => bus))(
    'three daemons on one queue, of which one is killed or stopped at one point after another, bus %i',
    FULL,
    async (bus, context) => {
      const rounds = roundsOf(bus);
      const { site, heir } = await startSite(context);
      const names = Array.from({ length: 9 }, (_, n) => `d${n}.test`);
      for (const name of names) await issue(heir, { names: [name], profile: 'shortlived' });
      const startDaemon = () => site.start({ isDaemon: true });
      const steady = [startDaemon(), startDaemon()];
      let victim = startDaemon();
      await Promise.all(steady.map(({ isReady }) => isReady));
      const nudges: string[] = [];
      // Written by anyone, it shows the daemons that the clock has moved.
      const nudge = async () => {
        const name = `n${nudges.length}.test`;
        nudges.push(name);
        await issue(heir, { names: [name] });
      };
      let [certificates, sentLate] = [1, 0];
      for (const awaits of rounds) {
        const where = `${awaits.signal} at point ${awaits.count}`;
        const holders = () => holdersOfUnrenewed(site, names, certificates);
        await victim.isReady;
        const { reached, ended } = victim.work({ awaits });
        let point: string | undefined;
        void reached.then((met) => (point = met));
        // Others can be quicker: then its points are counted on in the next renewals.
        for (let tries = 0; tries < TRIES && point === undefined; tries += 1) {
          certificates += 1;
          site.advance(100 * HOUR_MS);
          await nudge();
          // What is left is the victim's, once its signal has met it, or nothing.
          const mark = `process ${victim.child.pid} `;
          const left = async () => (await holders()).filter((holder) => point === undefined || !holder.includes(mark));
          await context.expect.poll(left, { ...patience, message: where }).toEqual([]);
        }
        expect(point, where).toBeDefined();
        if (awaits.signal === 'SIGSTOP' && point?.startsWith('sending POST new-order')) sentLate += 1;
        if (awaits.signal === 'SIGSTOP') site.advance(CLAIM_OVER_MS);
        else {
          // Once it has ended, what it claims is taken over at once.
          victim.child.kill('SIGKILL');
          await ended;
          victim = startDaemon();
        }
        await nudge();
        await context.expect.poll(holders, { ...patience, message: where }).toEqual([]);
        victim.goOn();
        for (const name of names) checkRecords(site, name, where);
      }
      const tallies = await site.tallies();
      const renewed = names.map((name) => ({ names: [name], certificates, orders: certificates + sentLate }));
      // In two months the first of these are due as well.
      const others = nudges.map((name) => ({ ...one(name), certificates: tallies.get(name)?.issued.length ?? 1 }));
      const nudged = others.map((each) => ({ ...each, orders: each.certificates + sentLate }));
      await checkCounts(site, [...renewed, ...nudged]);
      const more = [...renewed, ...nudged].map(
        (each) => (tallies.get(each.names.join(' '))?.orders ?? 0) - each.certificates,
      );
      expect(more.reduce((sum, each) => sum + each, 0)).toBeLessThanOrEqual(sentLate);
    },
  );
}
