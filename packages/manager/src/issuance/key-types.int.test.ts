/** Tests of two certificates for the same names whose keys are of two types. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFor, createSite, withManager } from './manager.builders.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
const names = ['both.test'];
let dns: DnsServer;
let ca: AcmeServer;

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({ validation: { dnsServer: dns.address }, reuseOrders: true });
});
afterAll(async () => {
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});
const newSite = (name: string) =>
  createSite(`${folder.path}/${name}.db`, configFor(ca, { url: dns.url, dns: dns.address }));

test('one of each is made and renewed, also in one run, and asking again finds each', async () => {
  const site = await newSite('each');
  await withManager(site, { holder: 'one' }, async (manager) => {
    const ecdsa = await manager.issue({ names }, { signal });
    const rsa = await manager.issue({ names, keyType: 'RSA-2048' }, { signal });
    expect([ecdsa.outcome, rsa.outcome]).toEqual(['issued', 'issued']);
    expect(rsa.certificateId).not.toBe(ecdsa.certificateId);
    for (const [keyType, { certificateId }] of [
      ['P-256', ecdsa],
      ['RSA-2048', rsa],
    ] as const)
      expect(await manager.issue({ names, keyType }, { signal })).toMatchObject({
        certificateId,
        outcome: 'already-managed',
      });
    const at = new Date(Date.now() + 89 * 86_400_000);
    const outcomes = (await manager.runOnce({ signal, at })).outcomes;
    expect(outcomes.map(({ outcome }) => outcome)).toEqual(['renewed', 'renewed']);
    expect(manager.certificate(rsa.certificateId).keyType).toBe('RSA-2048');
  });
});

test('an order that was left open for the one is completed before the other is made', async () => {
  const site = await newSite('left');
  const stop = new AbortController();
  await withManager(site, { holder: 'one' }, async (manager) => {
    const onProgress = ({ step }: { step: string }) => void (step === 'order' && stop.abort(new Error('interrupted')));
    await expect(manager.issue({ names }, { signal: stop.signal, onProgress })).rejects.toThrow('interrupted');
  });
  const orders = ca.orderCount;
  await withManager(site, { holder: 'two' }, async (manager) => {
    const rsa = await manager.issue({ names, keyType: 'RSA-2048' }, { signal });
    const all = [...manager.state.all()];
    expect(all.map(({ keyType, current }) => [keyType, current !== undefined])).toEqual(
      expect.arrayContaining([
        [undefined, true],
        ['RSA-2048', true],
      ]),
    );
    expect(manager.certificate(rsa.certificateId).keyType).toBe('RSA-2048');
  });
  expect(ca.orderCount - orders).toBe(1);
});
