/** Makes a CA that wants many certificates renewed at once, for tests. */
import { LETS_ENCRYPT_LIMITS, type Solver } from '@certbus/acme';
import { type AcmeServer, letsEncryptLimits, type RateLimits, startAcmeServer } from '@certbus/acme-server';
import type { Urgency } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { onTestFinished } from 'vitest';
import type { Manager, RenewalOutcome } from '../index.ts';
import { createSite, type Site, withManager } from '../issuance/manager.builders.ts';

/** Certificates of every urgency at a CA with Let's Encrypt's limits, whose clock all go by. */
export interface MassRenewal {
  readonly server: AcmeServer;
  readonly site: Site;
  /** Runs with a manager of its own, which solves challenges at once unless told otherwise. */
  run<T>(holder: string, work: (manager: Manager) => Promise<T>, solver?: Solver): Promise<T>;
  /** Names by urgency; no two share a registered domain. */
  readonly names: Readonly<Record<Exclude<Urgency, 'due'>, readonly string[]>>;
}

const HOUR_MS = 3_600_000;
/** For a CA that believes everything. */
export const idle: Solver = { challenges: ['dns-01'], async present() {}, async ready() {}, async cleanUp() {} };
const never = new AbortController().signal;

/** Issues so many certificates of each urgency, and lets the CA ask for the renewal of all. */
export async function startMassRenewal({
  each,
  newOrders = letsEncryptLimits.newOrders,
  ...settings
}: {
  readonly each: number;
  /** What the CA takes of one account; the managers believe it to be Let's Encrypt's. */
  readonly newOrders?: RateLimits['newOrders'];
  readonly parallelOrders?: number;
}): Promise<MassRenewal> {
  const folder = temporaryFolder();
  const limits: RateLimits = { ...letsEncryptLimits, ...(newOrders ? { newOrders } : {}) };
  const server = await startAcmeServer({ validation: { alwaysValid: true }, limits });
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]();
    folder.remove();
  });
  const { directory, roots, clock } = server;
  const site = await createSite(`${folder.path}/bus.db`, {
    ...settings,
    version: 1,
    authorities: { ca: { directory, roots, termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
  });
  const process = { now: () => clock.now(), limits: () => LETS_ENCRYPT_LIMITS };
  const named = (what: string) => Array.from({ length: each }, (_, index) => `${what}${index}.test`);
  const names = { lapsed: named('lapsed'), emergency: named('emergency'), 'window-over': named('window-over') };
  const run: MassRenewal['run'] = (holder, work, solver = idle) =>
    withManager(site, { ...process, holder, solvers: async () => solver }, work);
  await run('seed', async (manager) => {
    async function issue(all: readonly string[], profile: string): Promise<void> {
      const left = [...all];
      const worker = async () => {
        for (let name = left.shift(); name; name = left.shift())
          await manager.issue({ names: [name], profile }, { signal: never });
      };
      // A few at a time: each that begins needs a nonce, of which the CA gives ten at once.
      await Promise.all(Array.from({ length: 4 }, worker));
    }
    await issue(names.lapsed, 'shortlived');
    clock.advance(10 * HOUR_MS);
    await issue(names.emergency, 'shortlived');
    clock.advance(151 * HOUR_MS);
    await issue(names['window-over'], 'classic');
    // No CA's word is heeded before a certificate is six hours old.
    clock.advance(7 * HOUR_MS);
  });
  server.setIncident({ explanationUrl: 'https://ca.test/incident' });
  return { server, site, run, names };
}

/** Renews until nothing is due, but for what others hold, as runs of `cert renewable --renew-all` do. */
export async function renewAll(manager: Manager): Promise<RenewalOutcome[]> {
  const outcomes: RenewalOutcome[] = [];
  do outcomes.push(...(await manager.runOnce({ signal: never })).outcomes);
  while (manager.due().length > 0);
  return outcomes;
}
