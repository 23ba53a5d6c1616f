/** Tests that nothing that has ended is called in order because somebody else claims it, or because it waits. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { BEGINNING, type WrittenEvent } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Manager } from '../index.ts';
import { configFor, createSite, type Site, withManager } from '../issuance/manager.builders.ts';
import { obtained, withBus } from './fleet.builders.ts';

const MINUTE_MS = 60_000;
const NOW = new Date('2026-11-28T12:00:00Z');
const later = (ms: number) => new Date(NOW.getTime() + ms);
const { signal } = new AbortController();
const folder = temporaryFolder();
const checkIns: string[] = [];
const deadMansSwitch = createServer(({ url = '' }, response) => {
  checkIns.push(url);
  response.end();
});
let dns: DnsServer;
let ca: AcmeServer;

beforeAll(async () => {
  await once(deadMansSwitch.listen(0, '127.0.0.1'), 'listening');
  dns = await startDnsServer();
  ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
});
afterAll(async () => {
  deadMansSwitch.close();
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

/** A certificate of 10 minutes that ended a minute ago, and is the only one of its bus. */
const ended: WrittenEvent = {
  ...obtained('certificate1'),
  notBefore: later(-11 * MINUTE_MS).toISOString(),
  notAfter: later(-MINUTE_MS).toISOString(),
};
/** What a manager wrote before it was killed. */
const claimed = (until: Date): WrittenEvent => ({
  type: 'IssuanceStarted',
  issuanceId: 'issuance0002',
  certificateId: 'certificate1',
  names: ['certificate1.test'],
  reason: 'renewal',
  challengeType: 'dns-01',
  directory: ca.directory,
  holder: 'killed process 7',
  until: until.toISOString(),
  csr: Buffer.from('csr').toString('base64'),
  sealedKey: Buffer.from('sealed').toString('base64'),
  recipientsPosition: 1,
});
const failed = (notBefore: Date): WrittenEvent => ({
  type: 'IssuanceFailed',
  issuanceId: 'issuance0002',
  certificateId: 'certificate1',
  problem: 'urn:ietf:params:acme:error:dns',
  class: 'temporary',
  detail: 'no TXT record',
  attempt: 3,
  notBefore: notBefore.toISOString(),
  directory: ca.directory,
});

async function siteWith(name: string, events: readonly WrittenEvent[]): Promise<Site> {
  const { port } = deadMansSwitch.address() as AddressInfo;
  const config = configFor(ca, { url: dns.url, dns: dns.address }) as object;
  const checkIn = { url: `http://127.0.0.1:${port}/${name}`, within: '48h' };
  const site = await createSite(`${folder.path}/${name}.db`, { ...config, checkIn });
  await withBus(site, async (bus) => {
    const { checkpoint } = await bus.read(BEGINNING, { limit: 100, consistent: true });
    await bus.append(checkpoint, events, { at: later(-MINUTE_MS) });
  });
  return site;
}

const run = <T>(site: Site, work: (manager: Manager) => Promise<T>): Promise<T> =>
  withManager(site, { holder: 'second', now: () => NOW }, work);

test('what a killed manager still claims is named with its holder and end, and nothing checks in', async () => {
  const site = await siteWith('claimed', [ended, claimed(later(10_000))]);
  await run(site, async (manager) => {
    expect(manager.due()).toEqual([]);
    const hold = { kind: 'claimed', holder: 'killed process 7', until: later(10_000) };
    expect(manager.putOff()).toMatchObject([{ certificate: { certificateId: 'certificate1' }, hold, isEnding: true }]);
    const { holder, until } = hold;
    const outcome = { certificateId: 'certificate1', outcome: 'claimed-elsewhere', isEnding: true, holder, until };
    expect((await manager.runOnce({ signal })).outcomes).toMatchObject([outcome]);
    const findings = await manager.diagnose({ signal, domains: [] });
    expect(findings.filter(({ check }) => check === 'renewal')).toMatchObject([
      {
        status: 'failed',
        detail: expect.stringMatching(/ended .* killed process 7 claims it until 2026-11-28T12:00:10/),
      },
    ]);
  });
  expect(checkIns).not.toContain('/claimed');
});

test('a claim that has ended, and counts still for clocks that differ, is named as well', async () => {
  const site = await siteWith('grace', [ended, claimed(later(-10_000))]);
  const { outcomes } = await run(site, (manager) => manager.runOnce({ signal }));
  expect(outcomes).toMatchObject([{ outcome: 'claimed-elsewhere', isEnding: true, holder: 'killed process 7' }]);
  expect(checkIns).not.toContain('/grace');
});

test('what has ended and waits for its back-off is not in order either', async () => {
  const site = await siteWith('waiting', [ended, failed(later(20_000))]);
  const { outcomes } = await run(site, (manager) => manager.runOnce({ signal }));
  expect(outcomes).toMatchObject([{ outcome: 'backed-off', isEnding: true, until: later(20_000) }]);
  expect(checkIns).not.toContain('/waiting');
});

test('what is in time and claimed elsewhere keeps nobody from checking in', async () => {
  const young = {
    ...ended,
    notBefore: later(-80 * 86_400_000).toISOString(),
    notAfter: later(30 * 86_400_000).toISOString(),
  };
  const site = await siteWith('in-time', [young as WrittenEvent, claimed(later(10_000))]);
  expect(await run(site, (manager) => manager.runOnce({ signal }))).toMatchObject({ due: 0, outcomes: [] });
  expect(checkIns).toContain('/in-time');
});
