/** Tests that a clock that was wrong puts nothing off once it is right. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFor, createSite, withManager } from '../issuance/manager.builders.ts';

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

test('what a manager failed at while its clock was a month ahead is tried again as soon as it is not', async () => {
  const good = configFor(ca, { url: dns.url, dns: dns.address }) as object;
  const site = await createSite(`${folder.path}/bus.db`, good);
  const now = () => new Date(Date.now() + 30 * 86_400_000);
  const certificateId = await withManager(site, { holder: 'ahead', now }, async (manager) => {
    await manager.configure({ ...good, dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }] });
    await expect(manager.issue({ names: ['ahead.test'] }, { signal })).rejects.toThrow();
    await manager.configure(good);
    return manager.due(new Date('2100-01-01T00:00:00Z'))[0]?.certificateId ?? '';
  });
  await withManager(site, { holder: 'right' }, async (manager) => {
    expect(manager.due().map((due) => due.certificateId)).toEqual([certificateId]);
    expect((await manager.runOnce({ signal })).outcomes).toMatchObject([{ certificateId, outcome: 'renewed' }]);
    expect(manager.due()).toEqual([]);
    expect((await manager.runOnce({ signal })).outcomes).toEqual([]);
  });
});
