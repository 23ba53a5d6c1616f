/** Tests that an error of the bus neither fails an issuance nor makes a second order of it. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { BEGINNING } from '@certbus/events/history';
import { type Log, openBus, StoreError, type StoreErrorCode, VersionConflictError } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { isFull } from 'certbus-services/vitest';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import { configFor, createSite, type Site, withManager } from './manager.builders.ts';

const CODES: Record<StoreErrorCode, true> = {
  CERTBUS_STORE_VERSION_CONFLICT: true,
  CERTBUS_STORE_OUTCOME_UNKNOWN: true,
  CERTBUS_STORE_NOT_FOUND: true,
  CERTBUS_STORE_UNREACHABLE: true,
  CERTBUS_STORE_THROTTLED: true,
  CERTBUS_STORE_ACCESS_DENIED: true,
  CERTBUS_STORE_DAMAGED: true,
  CERTBUS_STORE_FULL: true,
  CERTBUS_STORE_READ_ONLY: true,
  CERTBUS_STORE_NODE_TOO_OLD: true,
  CERTBUS_STORE_TOO_LARGE: true,
  CERTBUS_STORE_ADDRESS_INVALID: true,
  CERTBUS_STORE_PROXY_INVALID: true,
  CERTBUS_STORE_GAP: true,
  CERTBUS_STORE_TRIMMED: true,
  CERTBUS_STORE_SNAPSHOT_REFUSED: true,
  CERTBUS_STORE_ARCHIVE_REFUSED: true,
  CERTBUS_STORE_EXPORT_REFUSED: true,
  CERTBUS_STORE_EXPORT_UNREADABLE: true,
  CERTBUS_STORE_EXPORT_BUSY: true,
  CERTBUS_STORE_UNSUPPORTED: true,
  CERTBUS_STORE_ATTEMPTS_EXHAUSTED: true,
  CERTBUS_STORE_CLOSED: true,
};
const NAMES = ['a.test'];
const { signal } = new AbortController();
const folder = temporaryFolder();
let sites = 0;
let orders = 0;
let dns: DnsServer;
let ca: AcmeServer;

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
  ca.on('order', () => (orders += 1));
});
afterAll(async () => {
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

function newSite(): Promise<Site> {
  orders = 0;
  sites += 1;
  return createSite(`${folder.path}/bus${sites}.db`, configFor(ca, { url: dns.url, dns: dns.address }));
}

function failureOf(code: StoreErrorCode): StoreError {
  if (code === 'CERTBUS_STORE_VERSION_CONFLICT') return new VersionConflictError('test', 1, Buffer.from('other'));
  return new StoreError(code, 'The store fails.');
}

/** What fails of the appends, and whether it was written all the same. */
interface Fault {
  readonly code: StoreErrorCode;
  readonly fails: (append: number) => boolean;
  readonly isWritten?: boolean;
}

/** A log whose appends fail, and the number of appends tried. */
function failing({ code, fails, isWritten = false }: Fault) {
  const tried = { appends: 0 };
  const throughLog = (log: Log): Log => ({
    ...log,
    async append(...call) {
      tried.appends += 1;
      if (!fails(tried.appends)) return log.append(...call);
      if (isWritten) await log.append(...call);
      throw failureOf(code);
    },
  });
  return { tried, throughLog };
}

async function eventTypes({ address, trust }: Site): Promise<string[]> {
  const log = await openLog(address);
  try {
    const { commits } = await openBus(log, 'test', { trust }).read(BEGINNING, { limit: 10_000 });
    return commits.flatMap(({ events }) => events.map(({ type }) => type));
  } finally {
    await log.close();
  }
}

const countOf = (types: readonly string[], type: string): number => types.filter((each) => each === type).length;

/** Issues with a manager whose log fails, and then with another one; returns how many appends the first one tried. */
async function issueTwice(site: Site, fault: Fault): Promise<number> {
  const { tried, throughLog } = failing(fault);
  const first = { holder: 'one', throughLog };
  await withManager(site, first, (manager) => manager.issue({ names: NAMES }, { signal })).catch((error: unknown) => {
    if (!(error instanceof StoreError)) throw error;
  });
  const heir = { holder: 'heir', aheadMs: 3_600_000 };
  await withManager(site, heir, (manager) => manager.issue({ names: NAMES }, { signal }));
  return tried.appends;
}

/** Those that are told apart, and one of the others, which are tried in the full counts. */
const TYPICAL: readonly StoreErrorCode[] = [
  'CERTBUS_STORE_VERSION_CONFLICT',
  'CERTBUS_STORE_OUTCOME_UNKNOWN',
  'CERTBUS_STORE_THROTTLED',
  'CERTBUS_STORE_UNREACHABLE',
  'CERTBUS_STORE_FULL',
];
const OTHERS = (Object.keys(CODES) as StoreErrorCode[]).filter((code) => !TYPICAL.includes(code));
const NAME = 'an issuance of which any append fails once with %s makes one order and one certificate';

async function failAtEachAppend(code: StoreErrorCode): Promise<void> {
  let failed = 0;
  for (let appends = 0; appends >= failed; ) {
    failed += 1;
    const site = await newSite();
    appends = await issueTwice(site, { code, fails: (append) => append === failed });
    const types = await eventTypes(site);
    expect([orders, countOf(types, 'CertificateObtained'), countOf(types, 'IssuanceFailed')]).toEqual([1, 1, 0]);
  }
  expect(failed).toBeGreaterThan(5);
}

test.each(TYPICAL)(NAME, failAtEachAppend);
if (isFull) test.each(OTHERS)(NAME, { tags: 'full' }, failAtEachAppend);

test('an append that was written although it failed is not repeated', async () => {
  for (let failed = 1, appends = 1; appends >= failed; failed += 1) {
    const site = await newSite();
    const code = 'CERTBUS_STORE_OUTCOME_UNKNOWN';
    appends = await issueTwice(site, { code, fails: (append) => append === failed, isWritten: true });
    const types = await eventTypes(site);
    expect([orders, countOf(types, 'CertificateObtained'), countOf(types, 'IssuanceFailed')]).toEqual([1, 1, 0]);
    expect(countOf(types, 'OrderCreated')).toBe(1);
  }
});

test('a bus that takes nothing once the CA has issued leaves the order to the next run', async () => {
  const CLAIM_MS = 60_000;
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  onTestFinished(() => void vi.useRealTimers());
  const site = await newSite();
  let isIssued = false;
  let aheadMs = 0;
  const fails = () => {
    if (!isIssued) return false;
    // Nearly half a claim passes with each try, so that its end comes after a few.
    aheadMs += 0.45 * CLAIM_MS;
    vi.advanceTimersByTime(CLAIM_MS / 4);
    return true;
  };
  const { throughLog } = failing({ code: 'CERTBUS_STORE_FULL', fails });
  const onProgress = ({ step }: { readonly step: string }) => (isIssued ||= step === 'issued');
  const now = () => new Date(Date.now() + aheadMs);
  const issued = withManager(site, { holder: 'one', now, claimMs: CLAIM_MS, throughLog }, (manager) =>
    manager.issue({ names: NAMES }, { signal, onProgress }),
  );
  await expect(issued).rejects.toMatchObject({ code: 'CERTBUS_STORE_FULL' });
  const heir = { holder: 'heir', aheadMs: 3_600_000 };
  await withManager(site, heir, async (manager) => {
    expect((await manager.runOnce({ signal })).outcomes).toMatchObject([{ outcome: 'renewed' }]);
  });
  expect(orders).toBe(1);
  expect(ca.certificates().filter(({ names }) => names.includes('a.test')).length).toBe(sites);
});

test('an interruption ends the trying, and the claim is released', async () => {
  const site = await newSite();
  const stop = new AbortController();
  let isIssued = false;
  const { tried, throughLog } = failing({
    code: 'CERTBUS_STORE_FULL',
    fails: () => isIssued && !stop.signal.aborted,
  });
  const onProgress = ({ step }: { readonly step: string }) => {
    if (step === 'warning') stop.abort(new Error('interrupted'));
    isIssued ||= step === 'issued';
  };
  const issued = withManager(site, { holder: 'one', throughLog }, (manager) =>
    manager.issue({ names: NAMES }, { signal: stop.signal, onProgress }),
  );
  await expect(issued).rejects.toThrow('interrupted');
  expect((await eventTypes(site)).at(-1)).toBe('IssuanceReleased');
  expect(tried.appends).toBeGreaterThan(0);
  await withManager(site, { holder: 'heir' }, (manager) => manager.issue({ names: NAMES }, { signal }));
  expect(orders).toBe(1);
});
