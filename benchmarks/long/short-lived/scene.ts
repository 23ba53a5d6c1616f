/** A bus with one manager, a strict CA and a DNS server, on a clock that jumps, and the faults that meet them. */
import {
  type AcmeServer,
  type DnsServer,
  letsEncryptLimits,
  startAcmeServer,
  startDnsServer,
} from '@certbus/acme-server';
import { sha256 } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import { type Bus, openBus } from '@certbus/store';
import { temporaryFolder } from 'certbus-services';
import { createMassSite, MASS_STREAM, openMassLog } from '../mass-site.ts';
import { fastNow } from './fast-time.ts';
import type { FaultSpan } from './faults.ts';
import { createMachine, type Machine } from './machine.ts';
import type { MachineReport } from './machine-process.ts';
import { type ServedWatch, watchServed } from './served.ts';

/** What the CA saw. */
export interface CaCounts {
  readonly orders: number;
  readonly certificates: number;
  readonly requests: number;
  /** Requests that a limit refused, which no fault did. */
  readonly refused: readonly string[];
  /** Challenges that did not validate. */
  readonly failedValidations: number;
}

/** What came of the orders, by the bus. */
export interface OrderCounts {
  /** Certificates that came to the bus. */
  readonly obtained: number;
  /**
   * Orders that another one took the place of, or that took too long: the CA can have issued their certificates all the same. Deadlines here are
   * a fifth as long in real time, and a busy machine can miss them without a fault.
   */
  readonly givenUp: number;
}

/** The whole of it. */
export interface Scene extends AsyncDisposable {
  readonly machine: Machine;
  readonly served: ServedWatch;
  now(): Date;
  /** Lets time pass, for all. */
  advanceTo(instant: number): void;
  /** Has these faults meet what comes, in the place of those of before. */
  meet(faults: readonly FaultSpan[]): void;
  /** Has the manager run once, or issue; `undefined` where it was killed meanwhile. */
  run(issue?: readonly string[]): Promise<MachineReport | undefined>;
  counts(): CaCounts;
  countOrders(): Promise<OrderCounts>;
  /** TXT records that nobody took away, by name. */
  leftRecords(): string[];
}

const DAY_MS = 86_400_000;
/** Over before the next run, or an order would wait for its end in real time. */
const RETRY_AFTER_S = 240;
const ALWAYS = { times: Number.POSITIVE_INFINITY };
const THREE_HOURS_ORDERS = letsEncryptLimits.newOrders?.capacity ?? 0;
/** A kill comes within so many requests. */
const KILLED_WITHIN = 60;

const recordOf = (name: string): string => `_acme-challenge.${name}`;

/** The names that an error of DNS meets: a third. */
const metBy = ({ draw }: FaultSpan, names: readonly string[]): string[] =>
  names.filter((_, index) => index % 3 === Math.floor(draw * 3));

/** Counts what the CA is asked, and what it refuses by itself. */
function countRequests(ca: AcmeServer) {
  const counts = { requests: 0, failedValidations: 0, refused: [] as string[] };
  ca.on('request', ({ at, resource, status, problem, fault }) => {
    counts.requests += 1;
    const isLimited = status === 429 || status === 503 || problem === 'rateLimited';
    if (isLimited && !fault) counts.refused.push(`${resource} at ${at.toISOString()}: ${status} ${problem}`);
  });
  ca.on('validation', ({ problem }) => {
    if (problem !== undefined) counts.failedValidations += 1;
  });
  return counts;
}

/** Begins a fault of CA or DNS, and returns what ends it. */
function begin(fault: FaultSpan, { ca, dns, names }: { ca: AcmeServer; dns: DnsServer; names: readonly string[] }) {
  switch (fault.kind) {
    case 'CA outage': {
      const outage = ca.faults.inject({ kind: 'status', status: 503, retryAfter: RETRY_AFTER_S }, ALWAYS);
      return () => outage.remove();
    }
    case 'CA drops connections': {
      const outage = ca.faults.inject({ kind: 'drop', when: fault.draw < 0.5 ? 'before' : 'after' }, ALWAYS);
      return () => outage.remove();
    }
    case 'DNS error': {
      const failure = fault.draw < 0.5 ? 'SERVFAIL' : 'REFUSED';
      for (const name of metBy(fault, names)) dns.fail(recordOf(name), failure);
      return () => {
        for (const name of metBy(fault, names)) dns.fail(recordOf(name), undefined);
      };
    }
    default:
      return () => {};
  }
}

/** Share of the store's operations that fail. */
const storeErrors = (faults: Iterable<FaultSpan>): number =>
  Math.max(
    0,
    ...[...faults].map(({ kind, draw }) =>
      kind === 'store outage' ? 1 : kind === 'store error' ? 0.02 + draw / 10 : 0,
    ),
  );

/** How far the manager's clock is wrong: up to a day, ahead or behind. */
const stepMs = (faults: Iterable<FaultSpan>): number =>
  [...faults].reduce((sum, { kind, draw }) => (kind === 'clock step' ? (2 * draw - 1) * DAY_MS : sum), 0);

/** Counts what came of the orders on a bus, each certificate once. */
async function countOrders(bus: Bus): Promise<OrderCounts> {
  const leaves = new Set<string>();
  const ordered = new Set<string>();
  let givenUp = 0;
  for (let checkpoint = BEGINNING, isAtEnd = false; !isAtEnd; ) {
    const page = await bus.read(checkpoint, { consistent: true });
    ({ checkpoint, end: isAtEnd } = page);
    for (const { event } of page.commits.flatMap(({ events }) => events)) {
      if (event?.type === 'CertificateObtained') leaves.add(sha256(Buffer.from(event.leaf, 'base64')));
      if (event?.type === 'IssuanceFailed' && event.problem === 'CERTBUS_ACME_DEADLINE') givenUp += 1;
      if (event?.type !== 'OrderCreated') continue;
      if (ordered.has(event.issuanceId)) givenUp += 1;
      ordered.add(event.issuanceId);
    }
  }
  return { obtained: leaves.size, givenUp };
}

/** Starts all but the manager, which its first run starts. */
export async function startScene(names: readonly string[], { seed }: { readonly seed: number }): Promise<Scene> {
  const since = Date.now();
  let aheadMs = 0;
  const now = () => new Date(fastNow(since) + aheadMs);
  const folder = temporaryFolder();
  const dns = await startDnsServer();
  const ca = await startAcmeServer({ now, validation: { dnsServer: dns.address }, limits: letsEncryptLimits });
  const site = await createMassSite(folder.path, ca, { newOrders: THREE_HOURS_ORDERS, dnsUrl: dns.url });
  const machine = createMachine({ site, seed, since });
  const log = await openMassLog(site);
  const bus = openBus(log, MASS_STREAM, { trust: site.trust });
  const served = await watchServed(bus, { began: now() });
  const counts = countRequests(ca);
  const met = new Map<FaultSpan, () => void>();
  let untilKilled = 0;
  ca.on('request', () => {
    untilKilled -= 1;
    if (untilKilled === 0) machine.kill();
  });

  return {
    machine,
    served,
    now,
    advanceTo(instant) {
      aheadMs += Math.max(0, instant - now().getTime());
      served.pass(now());
    },
    meet(faults) {
      for (const [fault, end] of met) {
        if (faults.includes(fault)) continue;
        end();
        met.delete(fault);
      }
      for (const fault of faults) {
        if (met.has(fault)) continue;
        met.set(fault, begin(fault, { ca, dns, names }));
        if (fault.kind === 'kill') untilKilled = 1 + Math.floor(fault.draw * KILLED_WITHIN);
      }
    },
    async run(issue) {
      const faults = [...met.keys()];
      const asked = { aheadMs: aheadMs + stepMs(faults), storeErrors: storeErrors(faults) };
      const report = await machine.ask({ ...asked, ...(issue ? { issue } : {}) });
      served.pass(now());
      await served.look();
      return report;
    },
    counts: () => ({ ...counts, orders: ca.orderCount, certificates: ca.certificates().length }),
    countOrders: () => countOrders(bus),
    leftRecords: () => names.filter((name) => dns.get(recordOf(name), 'TXT').length > 0),
    async [Symbol.asyncDispose]() {
      await machine[Symbol.asyncDispose]();
      await served[Symbol.asyncDispose]();
      await log.close();
      await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
      folder.remove();
    },
  };
}
