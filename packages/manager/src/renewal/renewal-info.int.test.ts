/** Tests of asking a CA when to renew. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { replacedBy } from '../issuance/leaf.ts';
import { configFor, createSite, withManager } from '../issuance/manager.builders.ts';
import { idle } from './mass-renewal.builders.ts';
import { openRenewalInfoNotes } from './renewal-info-notes.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let dns: DnsServer;
let ca: AcmeServer;

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
});
afterAll(async () => {
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

const questions = () => ca.requests.filter(({ resource }) => resource === 'renewalInfo').length;

test('a note of when to ask that was made while the clock was years ahead holds nothing up', async () => {
  const site = await createSite(`${folder.path}/bus.db`, configFor(ca, { url: dns.url, dns: dns.address }));
  using notes = openRenewalInfoNotes(':memory:');
  await withManager(site, { holder: 'one', notes }, async (manager) => {
    const { certificateId } = await manager.issue({ names: ['ahead.test'] }, { signal });
    const { leafHash = '', directory = '' } = manager.certificate(certificateId).current ?? {};
    const askAt = new Date(Date.now() + 365 * 86_400_000);
    notes.set({ certificateId, leafHash, directory, askAt, failures: 0 });
    await manager.runOnce({ signal });
    expect(questions()).toBe(1);
    await manager.runOnce({ signal });
    expect(questions()).toBe(1);
  });
});

test('a CA is asked about what is due first, then about what has waited longest, and about nothing that waits', async () => {
  await using server = await startAcmeServer({ validation: { alwaysValid: true } });
  const { clock } = server;
  const site = await createSite(`${folder.path}/order.db`, configFor(server, { url: dns.url, dns: dns.address }));
  using notes = openRenewalInfoNotes(':memory:');
  const process = { holder: 'one', notes, now: () => clock.now(), solvers: async () => idle };
  await withManager(site, process, async (manager) => {
    const issue = async (name: string, hours: number) => {
      const { certificateId } = await manager.issue({ names: [name] }, { signal });
      const certificate = manager.certificate(certificateId);
      const { leafHash = '', directory = '' } = certificate.current ?? {};
      const askAt = new Date(clock.now().getTime() + hours * 3_600_000);
      const note = () => notes.set({ certificateId, leafHash, directory, askAt, failures: 0 });
      return { id: replacedBy(certificate), note };
    };
    const due = await issue('due.test', 61 * 24 - 1);
    clock.advance(61 * 86_400_000);
    const longer = await issue('longer.test', -2);
    const waits = await issue('waits.test', -1);
    const later = await issue('later.test', 1);
    for (const { note } of [due, waits, longer, later]) note();
    await manager.runOnce({ signal });
    const asked = server.requests.filter(({ resource }) => resource === 'renewalInfo');
    const idOf = (path: string | undefined) => path?.split('/').at(-1);
    expect(idOf(asked[0]?.path)).toBe(due.id);
    expect(asked.map(({ path }) => idOf(path)).toSorted()).toEqual([due.id, longer.id, waits.id].toSorted());
  });
});

test('what is due and was never asked about is asked about first, though its question is for later', async () => {
  await using server = await startAcmeServer({ validation: { alwaysValid: true } });
  const { clock } = server;
  const site = await createSite(`${folder.path}/first.db`, configFor(server, { url: dns.url, dns: dns.address }));
  using notes = openRenewalInfoNotes(':memory:');
  const process = { holder: 'one', notes, now: () => clock.now(), solvers: async () => idle };
  await withManager(site, process, async (manager) => {
    const { certificateId } = await manager.issue({ names: ['first.test'] }, { signal });
    const certificate = manager.certificate(certificateId);
    const { leafHash = '', directory = '' } = certificate.current ?? {};
    clock.advance(61 * 86_400_000);
    // As one of a large fleet, whose first questions are spread over hours.
    const askAt = new Date(clock.now().getTime() + 3 * 3_600_000);
    notes.set({ certificateId, leafHash, directory, askAt, failures: 0 });
    const before = server.requests.length;
    await manager.runOnce({ signal });
    const resources = server.requests.slice(before).map(({ resource }) => resource);
    expect(resources.filter((each) => each === 'renewalInfo' || each === 'newOrder')[0]).toBe('renewalInfo');
    expect(server.requests.find(({ resource }) => resource === 'renewalInfo')?.path).toContain(replacedBy(certificate));
  });
});

test('questions of the same minute are asked in one run, and not before it', async () => {
  let at = Date.parse('2026-11-28T12:00:00Z');
  const now = () => new Date(at);
  await using server = await startAcmeServer({ now, validation: { alwaysValid: true } });
  const site = await createSite(`${folder.path}/minute.db`, configFor(server, { url: dns.url, dns: dns.address }));
  using notes = openRenewalInfoNotes(':memory:');
  await withManager(site, { holder: 'one', notes, now, solvers: async () => idle }, async (manager) => {
    const names = ['one.test', 'two.test', 'three.test'];
    for (const name of names) await manager.issue({ names: [name] }, { signal });
    await manager.runOnce({ signal });
    // The CA wants to be asked about each a second after the other, as about those of a large fleet.
    for (const [n, { certificateId, current }] of [...manager.state.all()].entries()) {
      const { leafHash = '', directory = '' } = current ?? {};
      notes.set({ certificateId, leafHash, directory, askAt: new Date(at + (n + 1) * 1_000), failures: 0 });
    }
    const asked = () => server.requests.filter(({ resource }) => resource === 'renewalInfo').length;
    const before = asked();
    const { next } = await manager.runOnce({ signal });
    expect([asked(), next]).toEqual([before, new Date(at + 60_000)]);
    at = next.getTime();
    await manager.runOnce({ signal });
    expect(asked()).toBe(before + names.length);
  });
});

test('a CA whose answers make no sense is one warning in a run, however many certificates it is asked about', async () => {
  await using server = await startAcmeServer({ validation: { alwaysValid: true } });
  const site = await createSite(`${folder.path}/senseless.db`, configFor(server, { url: dns.url, dns: dns.address }));
  const warned: [message: string, fields: unknown][] = [];
  const warn = (message: string, fields: unknown) => void warned.push([message, fields]);
  const logger = { debug() {}, info() {}, error() {}, warn };
  using notes = openRenewalInfoNotes(':memory:');
  await withManager(site, { holder: 'one', notes, logger, solvers: async () => idle }, async (manager) => {
    for (const name of ['one.test', 'two.test', 'three.test']) {
      const { certificateId } = await manager.issue({ names: [name] }, { signal });
      server.overrideRenewalInfo(replacedBy(manager.certificate(certificateId)) ?? '', { suggestedWindow: {} });
    }
    await manager.runOnce({ signal });
    expect(warned).toEqual([
      [
        'a CA could not be asked when to renew',
        expect.objectContaining({
          directory: server.directory,
          certificates: 3,
          why: expect.stringContaining('no usable window'),
        }),
      ],
    ]);
    await manager.runOnce({ signal });
    expect(warned).toHaveLength(1);
  });
});

test('what has ended is not asked about, and looked at again after a week', async () => {
  await using server = await startAcmeServer({ validation: { alwaysValid: true } });
  const { clock } = server;
  const site = await createSite(`${folder.path}/ended.db`, configFor(server, { url: dns.url, dns: dns.address }));
  using notes = openRenewalInfoNotes(':memory:');
  const process = { holder: 'one', notes, now: () => clock.now(), solvers: async () => idle };
  await withManager(site, process, async (manager) => {
    const { certificateId } = await manager.issue({ names: ['ended.test'] }, { signal });
    clock.advance(91 * 86_400_000);
    await manager.runOnce({ signal, limit: 0 });
    expect(server.requests.filter(({ resource }) => resource === 'renewalInfo')).toEqual([]);
    expect(notes.get(certificateId)?.askAt.getTime()).toBeGreaterThan(clock.now().getTime() + 6 * 86_400_000);
  });
});

test.each(['directory', 'renewalInfo'] as const)(
  'a run that is told to end while it waits for the %s of a CA warns of nothing',
  async (resource) => {
    await using server = await startAcmeServer({ validation: { alwaysValid: true } });
    const config = configFor(server, { url: dns.url, dns: dns.address });
    const site = await createSite(`${folder.path}/ended-${resource}.db`, config);
    const warned: string[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void warned.push(message) };
    using notes = openRenewalInfoNotes(':memory:');
    await withManager(site, { holder: 'one', notes, solvers: async () => idle }, async (manager) => {
      await manager.issue({ names: ['ended.test'] }, { signal });
    });
    // Another process, which has not read the directory.
    await withManager(site, { holder: 'two', notes, logger, solvers: async () => idle }, async (manager) => {
      const fault = server.faults.inject(
        { kind: 'stall', when: 'before' },
        { resource, times: Number.POSITIVE_INFINITY },
      );
      const stop = new AbortController();
      const run = manager.runOnce({ signal: stop.signal });
      await expect.poll(() => fault.hits).toBeGreaterThan(0);
      stop.abort(new Error('Ctrl-C'));
      await expect(run).rejects.toThrow('Ctrl-C');
    });
    expect(warned).toEqual([]);
  },
);
