/** Tests that the rehearsal of a replacement is what then happens: by the limits of the CA, by the pace of a campaign, and counting each certificate once. */
import { type CaLimits, LETS_ENCRYPT_LIMITS, type Rate } from '@certbus/acme';
import type { WrittenEvent } from '@certbus/events/history';
import { readEvent } from '@certbus/events/history';
import type { DutyCount, Traits } from '@certbus/replica';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { bindingLimit } from '../../decide/limits.ts';
import { given } from '../../decide/state.builders.ts';
import { createSite, withManager } from '../../issuance/manager.builders.ts';
import type { Manager } from '../../manager.ts';
import { DIRECTORY, ISSUED_AT, obtained, say, withBus } from '../fleet.builders.ts';
import { forecastReplacement } from './replacement.ts';

const START = ISSUED_AT.getTime();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** A day after the fleet was issued. */
const NOW = new Date(START + 24 * HOUR_MS);
const within = (capacity: number, ms: number): Rate => ({ capacity, refillMs: ms / capacity });
const ids = (count: number) => Array.from({ length: count }, (_, n) => `certificate${n}`);

type NamesOf = (certificateId: string) => readonly string[];
const ownDomain: NamesOf = (certificateId) => [`${certificateId}.test`];
const oneDomain: NamesOf = (certificateId) => [`${certificateId}.shop.test`];

/** The claim and the certificate of a renewal that a CA counts like any other order. */
function renewal(certificateId: string, names: readonly string[]): WrittenEvent[] {
  const subject = { names, challengeType: 'dns-01' as const, directory: DIRECTORY };
  const ends = { holder: 'h', until: new Date(START).toISOString() };
  const key = { csr: 'Y3Ny', sealedKey: 'c2Vh', recipientsPosition: 1 };
  const claim = { issuanceId: 'issuance0002', certificateId, ...subject, ...ends, ...key };
  return [
    { type: 'IssuanceStarted', ...claim, reason: 'renewal', replaces: 'aki.serial' },
    { ...obtained(certificateId, `again ${certificateId}`), names, issuanceId: 'issuance0002', reason: 'renewal' },
  ];
}

/** Renews all as managers do, each as soon as the CA has room, and nothing takes time. Returns when the last one went. */
function renewAll(
  certificates: readonly string[],
  { namesOf, ...changed }: Partial<Pick<CaLimits, 'orders' | 'domains'>> & { readonly namesOf: NamesOf },
): number {
  const state = given(...certificates.map((id) => [{ ...obtained(id), names: namesOf(id) }, ISSUED_AT] as const));
  const limits = { ...LETS_ENCRYPT_LIMITS, ...changed, renewals: 'counted' as const };
  let [at, position] = [NOW.getTime(), 10_000];
  for (const certificateId of certificates) {
    const order = { names: namesOf(certificateId), directory: DIRECTORY, kind: 'repeated' as const };
    const binding = bindingLimit(state, new Date(at), order, limits);
    at = Math.max(at, binding?.until.getTime() ?? 0);
    position += 1;
    state.apply(renewal(certificateId, namesOf(certificateId)).map(readEvent), { at: new Date(at), position });
  }
  return at;
}

/** Runs with a manager of a bus that has these certificates of a CA with these limits. */
async function withFleet(
  limits: object,
  { certificates, namesOf }: { readonly certificates: readonly string[]; readonly namesOf: NamesOf },
  run: (manager: Manager) => Promise<void>,
): Promise<void> {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const site = await createSite(`${folder.path}/bus.db`, {
    version: 1,
    authorities: { one: { directory: DIRECTORY, termsOfServiceAgreed: true, limits } },
    defaultAuthority: 'one',
  });
  await withManager(site, { holder: 'one', now: () => NOW }, async (manager) => {
    const events = certificates.map((id) => ({ ...obtained(id), names: [...namesOf(id)] }));
    await withBus(site, (bus) => say(bus, manager.checkpoint, events));
    await manager.refresh();
    await run(manager);
  });
}

test('where a CA counts renewals, a rehearsal is done when orders that keep its limit are, and names it', async () => {
  const limits = { orders: { count: 10, within: '3h' }, renewals: 'counted' };
  const certificates = ids(40);
  await withFleet(limits, { certificates, namesOf: ownDomain }, async (manager) => {
    const { revocation } = await manager.plan({ revoke: {}, orderSeconds: 1 });
    const done = renewAll(certificates, { orders: within(10, 3 * HOUR_MS), namesOf: ownDomain });
    expect(revocation?.authorities).toMatchObject([{ certificates: 40, boundBy: 'orders' }]);
    expect(Math.abs((revocation?.replacedAt.getTime() ?? 0) - done)).toBeLessThan(MINUTE_MS);
    // A campaign that is slower than the CA is bound by its own pace: a quarter of its orders goes at once.
    const paced = await manager.plan({ revoke: {}, orderSeconds: 1, ordersPerHour: 2 });
    expect(paced.revocation?.authorities).toMatchObject([{ boundBy: 'rate' }]);
    expect(paced.revocation?.replacedAt).toEqual(new Date(NOW.getTime() + 39 * 30 * MINUTE_MS + 1_000));
  });
});

test.each(['counted', 'exempt'] as const)(
  'a domain that has no room for all binds a rehearsal only where the CA counts renewals: they are %s',
  async (renewals) => {
    const limits = { domains: { count: 10, within: '7d' }, renewals };
    const certificates = ids(15);
    await withFleet(limits, { certificates, namesOf: oneDomain }, async (manager) => {
      const { revocation } = await manager.plan({ revoke: {}, orderSeconds: 1 });
      if (renewals === 'exempt') {
        expect(revocation?.authorities).toMatchObject([{ certificates: 15, boundBy: 'pace' }]);
        return;
      }
      const done = renewAll(certificates, { domains: within(10, 7 * 24 * HOUR_MS), namesOf: oneDomain });
      expect(done - NOW.getTime()).toBeGreaterThan(7 * 24 * HOUR_MS);
      expect(revocation?.authorities).toMatchObject([{ certificates: 15, boundBy: 'domains shop.test' }]);
      expect(Math.abs((revocation?.replacedAt.getTime() ?? 0) - done)).toBeLessThan(MINUTE_MS);
      expect(revocation?.caughtUpAt).toEqual(revocation?.replacedAt);
    });
  },
);

test('what is replaced now does not come due later as well', () => {
  const traits = { directory: DIRECTORY, isServed: true } as Traits;
  const inFiveHours = new Date(START + 5 * HOUR_MS);
  const counts: DutyCount[] = [{ traits, hour: inFiveHours, certificates: 600 }];
  const speed = { name: 'one', directory: DIRECTORY, perOrderMs: MINUTE_MS, burst: 1, boundBy: 'pace' };
  const context = {
    reader: { countDuties: () => counts },
    now: new Date(START),
    hours: 48,
    orderMs: 0,
    speeds: [speed],
  };
  const forecast = forecastReplacement(context, { traits: () => true });
  // All were replaced by then: ten hours of orders, and nothing that waits behind them.
  expect(forecast.replacedAt).toEqual(new Date(START + 599 * MINUTE_MS));
  expect(forecast.caughtUpAt).toEqual(new Date(START + 599 * MINUTE_MS));
  expect(forecast.servedAt.getTime()).toBeGreaterThan(forecast.replacedAt.getTime());
  expect(forecast.unconfigured).toBe(0);
});

test('what came from a CA that is not in the configuration is counted apart: it is not replaced at once', () => {
  const of = (directory: string) => ({ directory, isServed: true }) as Traits;
  const hour = new Date(START);
  const counts: DutyCount[] = [
    { traits: of(DIRECTORY), hour, certificates: 2 },
    { traits: of('https://gone.test/dir'), hour, certificates: 3 },
  ];
  const speed = { name: 'one', directory: DIRECTORY, perOrderMs: MINUTE_MS, burst: 1, boundBy: 'pace' };
  const context = {
    reader: { countDuties: () => counts },
    now: new Date(START),
    hours: 48,
    orderMs: 0,
    speeds: [speed],
  };
  const forecast = forecastReplacement(context, { traits: () => true });
  expect(forecast).toMatchObject({ certificates: 5, unconfigured: 3, authorities: [{ certificates: 2 }] });
  expect(forecast.replacedAt).toEqual(new Date(START + MINUTE_MS));
});
