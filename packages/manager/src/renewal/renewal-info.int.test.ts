import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFor, createSite, withManager } from '../issuance/manager.builders.ts';
import type { RenewalInfoNote } from './renewal-info.ts';

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
  const notes = new Map<string, RenewalInfoNote>();
  await withManager(site, { holder: 'one', notes }, async (manager) => {
    const { certificateId } = await manager.issue({ names: ['ahead.test'] }, { signal });
    const { leafHash } = manager.certificate(certificateId).current ?? {};
    notes.set(leafHash ?? '', { askAt: new Date(Date.now() + 365 * 86_400_000), failures: 0 });
    await manager.renewDue({ signal });
    expect(questions()).toBe(1);
    await manager.renewDue({ signal });
    expect(questions()).toBe(1);
  });
});
