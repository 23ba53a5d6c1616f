/** Tests what a manager makes of challenges that a CA leaves open, and of orders and certificates that come late. */
import {
  type AcmeServerOptions,
  letsEncryptProfiles,
  type Profile,
  startAcmeServer,
  startDnsServer,
} from '@certbus/acme-server';
import type { Bus } from '@certbus/store';
import { requirePart, startStepCa, temporaryFolder } from 'certbus-services';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { Manager } from '../index.ts';
import { configFor, createSite, type ProcessOptions, withManager } from './manager.builders.ts';
import type { Progress } from './progress.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const { signal } = new AbortController();
const folder = temporaryFolder();
let sites = 0;

afterAll(() => folder.remove());

/** A CA, and managers on a bus of their own, all on the clock of the CA. */
async function startWorld(options: AcmeServerOptions) {
  const dns = await startDnsServer();
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const validation = { dnsServer: dns.address, ...options.validation };
  const server = await startAcmeServer({ ...options, validation });
  onTestFinished(() => server[Symbol.asyncDispose]());
  sites += 1;
  const site = await createSite(`${folder.path}/${sites}.db`, configFor(server, { url: dns.url, dns: dns.address }));
  const { clock } = server;
  const process: ProcessOptions = { holder: 'one', now: () => clock.now() };
  const manage = <T>(run: (manager: Manager) => Promise<T>, options: Partial<ProcessOptions> = {}) =>
    withManager(site, { ...process, ...options }, run);
  return { dns, server, clock, manage };
}

const short = { ...letsEncryptProfiles['tlsserver'], validityMs: 10 * MINUTE_MS } as Profile;

test('the error of a challenge that a CA leaves open is shown, and recorded as what it is', async () => {
  const { dns, clock, manage } = await startWorld({ validation: { failedStatus: 'pending' } });
  dns.fail('_acme-challenge.a.test', 'SERVFAIL');
  const warnings: string[] = [];
  const onProgress = ({ step, message = '' }: Progress) => {
    if (step !== 'warning') return;
    warnings.push(message);
    clock.advance(61_000);
  };
  await manage(async (manager) => {
    const refused = { code: 'CERTBUS_ACME_CHALLENGE_FAILED' };
    await expect(manager.issue({ names: ['a.test'] }, { signal, onProgress })).rejects.toMatchObject(refused);
    expect(warnings).toEqual([expect.stringContaining('The CA could not confirm a.test by dns-01')]);
    const problem = expect.stringMatching(/^urn:ietf:params:acme:error:/);
    expect([...manager.state.all()]).toMatchObject([{ failure: { class: 'temporary', problem, attempt: 1 } }]);
  });
});

test('an order that its CA is still at work on when the time is up is not made again', async () => {
  const { server, clock, manage } = await startWorld({ finalizeDelayMs: 60 * MINUTE_MS });
  const onProgress = ({ step }: Progress) => {
    if (step === 'pending') clock.advance(30 * MINUTE_MS);
  };
  await manage((manager) => {
    const late = { code: 'CERTBUS_ACME_DEADLINE', isProcessing: true };
    return expect(manager.issue({ names: ['a.test'] }, { signal, onProgress })).rejects.toMatchObject(late);
  });
  clock.advance(60 * MINUTE_MS);
  await manage(async (manager) => {
    expect((await manager.runOnce({ signal })).outcomes).toMatchObject([{ outcome: 'renewed' }]);
    expect([server.orderCount, server.certificates().length]).toEqual([1, 1]);
  });
});

test('an order that its CA never completes is a failure after a day, and another is made', async () => {
  const { server, clock, manage } = await startWorld({ finalizeDelayMs: 90 * DAY_MS, pollRetryAfterS: 3_600 });
  await manage(async (manager) => {
    const stands = () =>
      [...manager.state.all()].map(({ failure, issuance }) => [failure?.problem, issuance?.orderUrl]);
    await expect(manager.issue({ names: ['a.test'] }, { signal })).rejects.toMatchObject({ isProcessing: true });
    clock.advance(DAY_MS - 60 * MINUTE_MS);
    await manager.runOnce({ signal });
    expect(stands()).toEqual([[undefined, expect.any(String)]]);
    clock.advance(60 * MINUTE_MS);
    await manager.runOnce({ signal });
    expect(stands()).toEqual([['CERTBUS_ACME_DEADLINE', undefined]]);
    expect(server.orderCount).toBe(1);
    clock.advance(DAY_MS);
    await manager.runOnce({ signal });
    expect(server.orderCount).toBe(2);
  });
});

test('a certificate that its CA has issued and does not hand out is waited for, and not ordered again', async () => {
  const { server, clock, manage } = await startWorld({ validation: { alwaysValid: true } });
  const names = ['a.test', 'b.test'];
  const fault = server.faults.inject({ kind: 'html', status: 200 }, { resource: 'certificate', times: 6 });
  await manage(async (manager) => {
    const withheld = { code: 'CERTBUS_ACME_NOT_ACME' };
    for (const name of names)
      await expect(manager.issue({ names: [name] }, { signal })).rejects.toMatchObject(withheld);
    while (fault.hits < 6) {
      // A daemon that looks again at once asks nothing before the claims have ended.
      expect((await manager.runOnce({ signal })).outcomes).toEqual([]);
      clock.advance(10 * MINUTE_MS);
      const { outcomes } = await manager.runOnce({ signal });
      expect(outcomes.map(({ outcome }) => outcome)).toEqual(['failed', 'failed']);
    }
    clock.advance(10 * MINUTE_MS);
    expect((await manager.runOnce({ signal })).outcomes).toMatchObject([
      { outcome: 'renewed' },
      { outcome: 'renewed' },
    ]);
  });
  expect([server.orderCount, server.certificates().length]).toEqual([2, 2]);
});

test('an order whose dates were fixed too long ago is made again at once, and what it gave is not due', async () => {
  const { server, clock, manage } = await startWorld({ fixesDates: true, profiles: { short } });
  const stop = new AbortController();
  const onProgress = ({ step }: Progress) => {
    if (step === 'order') stop.abort(new Error('stopped'));
  };
  const interrupted = { signal: stop.signal, onProgress };
  await manage((manager) => expect(manager.issue({ names: ['a.test'] }, interrupted)).rejects.toThrow('stopped'));
  clock.advance(6 * MINUTE_MS);
  await manage(async (manager) => {
    expect((await manager.runOnce({ signal })).outcomes).toMatchObject([{ outcome: 'renewed' }]);
    expect(server.orderCount).toBe(2);
    clock.advance(2 * MINUTE_MS);
    expect((await manager.runOnce({ signal })).outcomes).toEqual([]);
    expect([server.orderCount, server.certificates().length]).toEqual([2, 1]);
  });
});

test('a manager that stands still behind its claim sends no order once another has taken it over, and goes on where nobody has', async () => {
  const { server, clock, manage } = await startWorld({});
  const issue = (name: string) => (manager: Manager) => manager.issue({ names: [name] }, { signal });
  await manage(issue('first.test'));
  const standingStill = (meanwhile: () => Promise<unknown>) => {
    let appends = 0;
    const throughBus = (bus: Bus): Bus => ({
      ...bus,
      async append(...args) {
        const appended = await bus.append(...args);
        appends += 1;
        if (appends === 1) {
          clock.advance(8 * MINUTE_MS);
          await meanwhile();
        }
        return appended;
      },
    });
    return { throughBus };
  };
  const taken = standingStill(() => manage(issue('a.test'), { holder: 'two' }));
  await expect(manage(issue('a.test'), taken)).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_CLAIM_LOST' });
  const alone = standingStill(async () => {});
  expect(await manage(issue('b.test'), alone)).toMatchObject({ outcome: 'issued' });
  expect([server.orderCount, server.certificates().length]).toEqual([3, 3]);
});

test('a certificate that is fetched past its half-life is not renewed again at once', async () => {
  const { server, clock, manage } = await startWorld({ profiles: { short } });
  server.faults.inject({ kind: 'drop', when: 'before' }, { resource: 'certificate', times: Number.POSITIVE_INFINITY });
  const lost = { code: 'CERTBUS_ACME_UNREACHABLE' };
  await manage((manager) => expect(manager.issue({ names: ['a.test'] }, { signal })).rejects.toMatchObject(lost));
  server.faults.clear();
  clock.advance(6 * MINUTE_MS);
  await manage(async (manager) => {
    expect((await manager.runOnce({ signal })).outcomes).toMatchObject([{ outcome: 'renewed' }]);
    clock.advance(30_000);
    expect((await manager.runOnce({ signal })).outcomes).toEqual([]);
    expect(server.orderCount).toBe(1);
    clock.advance(MINUTE_MS);
    expect((await manager.runOnce({ signal })).outcomes).toMatchObject([{ outcome: 'renewed' }]);
    expect(server.orderCount).toBe(2);
  });
});

test('a certificate that ended before it could be fetched is ordered again at once', async () => {
  const { server, clock, manage } = await startWorld({ profiles: { short } });
  server.faults.inject({ kind: 'drop', when: 'before' }, { resource: 'certificate', times: Number.POSITIVE_INFINITY });
  await manage((manager) => expect(manager.issue({ names: ['a.test'] }, { signal })).rejects.toThrow());
  server.faults.clear();
  clock.advance(20 * MINUTE_MS);
  await manage(async (manager) => {
    expect((await manager.runOnce({ signal })).outcomes).toMatchObject([{ outcome: 'renewed' }]);
    expect(server.orderCount).toBe(2);
  });
});

const stepPart = requirePart('step-ca');

test.skipIf(stepPart.skip)(
  stepPart.title('at step-ca an order that waited is made again at once, and what it gave is not due'),
  async () => {
    const dns = await startDnsServer();
    onTestFinished(() => dns[Symbol.asyncDispose]());
    const stepCa = await startStepCa({ dnsServer: dns.address, certificateValidityS: 1_200 });
    onTestFinished(() => stepCa.stop());
    const config = configFor(stepCa, { url: dns.url, dns: dns.address });
    const site = await createSite(`${folder.path}/step-ca.db`, config);
    const stop = new AbortController();
    const onProgress = ({ step }: Progress) => {
      if (step === 'order') stop.abort(new Error('stopped'));
    };
    const interrupted = { signal: stop.signal, onProgress };
    await withManager(site, { holder: 'one' }, (manager) =>
      expect(manager.issue({ names: ['a.test'] }, interrupted)).rejects.toThrow('stopped'),
    );
    // Past the half of 21 minutes, by the clock of this manager.
    await withManager(site, { holder: 'one', aheadMs: 700_000 }, async (manager) => {
      expect((await manager.runOnce({ signal })).outcomes).toMatchObject([{ outcome: 'renewed' }]);
      expect(stepCa.orders()).toBe(2);
      expect((await manager.runOnce({ signal })).outcomes).toEqual([]);
      expect(stepCa.orders()).toBe(2);
    });
  },
);
