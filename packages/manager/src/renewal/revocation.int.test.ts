/** Tests of revocations that replace the certificate first. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import type { Bus } from '@certbus/store';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFor, createSite, type Site, withManager } from '../issuance/manager.builders.ts';
import { withBus } from './fleet.builders.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let dns: DnsServer;
let ca: AcmeServer;
let site: Site;
const said: string[] = [];

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
  // The manager's serial numbers are Node's, which leave a leading zero byte out.
  const shown = (serial: string) => serial.toUpperCase().replace(/^00/, '');
  ca.on('certificate', ({ serial }) => said.push(`issued ${shown(serial)}`));
  ca.on('revocation', ({ serial, reason }) => said.push(`revoked ${shown(serial)} for ${reason}`));
  site = await createSite(`${folder.path}/bus.db`, configFor(ca, { url: dns.url, dns: dns.address }));
});
afterAll(async () => {
  await ca[Symbol.asyncDispose]();
  await dns[Symbol.asyncDispose]();
  folder.remove();
});

const manage = <T>(run: Parameters<typeof withManager<T>>[2]): Promise<T> =>
  withManager(site, { holder: 'one', throughBus: counted }, run);

/** How often the bus was read from its beginning. */
let readings = 0;
const counted = (bus: Bus): Bus => ({
  ...bus,
  read(from, options) {
    if (from.position === 0) readings += 1;
    return bus.read(from, options);
  },
});

test('a certificate is replaced first, then revoked with its reason, and its predecessor is counted on no more', async () => {
  await manage(async (manager) => {
    const { certificateId, serialNumber } = await manager.issue({ names: ['stolen.test'] }, { signal });
    said.length = 0;
    const result = await manager.revoke({ certificateId, reason: 'keyCompromise' }, { signal });
    expect(result).toMatchObject({ serialNumber, replacement: expect.any(String) });
    expect(said).toEqual([`issued ${result.replacement}`, `revoked ${serialNumber} for 1`]);
    expect(manager.certificate(certificateId)).toMatchObject({
      current: { serialNumber: result.replacement },
      predecessors: [],
      revoked: false,
    });
    await expect(
      manager.revoke({ certificateId, reason: 'superseded', serialNumber: 'AB' }, { signal }),
    ).rejects.toThrow(String(result.replacement));
  });
});

test('what somebody was asked about is revoked, also where it was renewed before the answer', async () => {
  await manage(async (manager) => {
    const { certificateId, serialNumber } = await manager.issue({ names: ['asked.test'] }, { signal });
    const request = { certificateId, reason: 'keyCompromise' } as const;
    const subject = await manager.revocationSubject(request, { signal });
    const renewed = await manager.renew(certificateId, { signal });
    said.length = 0;
    expect(await manager.revoke({ ...request, subject }, { signal })).toEqual({
      certificateId,
      serialNumber,
      replacement: undefined,
    });
    expect(said).toEqual([`revoked ${serialNumber} for 1`]);
    expect(manager.certificate(certificateId)).toMatchObject({
      current: { serialNumber: renewed.serialNumber },
      revoked: false,
    });
  });
});

test('a run that ends once the old one was replaced is completed by its serial number, without another replacement', async () => {
  const { certificateId, serialNumber } = await manage((manager) =>
    manager.issue({ names: ['interrupted.test'] }, { signal }),
  );
  const stop = new AbortController();
  ca.faults.inject({ kind: 'stall', when: 'after' }, { resource: 'revokeCert' });
  const off = ca.on('revocation', () => stop.abort(new Error('the machine fails')));
  const request = { certificateId, reason: 'superseded' } as const;
  await expect(manage((manager) => manager.revoke(request, { signal: stop.signal }))).rejects.toThrow(
    'the machine fails',
  );
  off();
  said.length = 0;
  await manage(async (manager) => {
    await manager.refresh();
    expect(manager.certificate(certificateId).predecessors).toMatchObject([{ serialNumber }]);
    const completed = await manager.revoke({ ...request, serialNumber }, { signal });
    expect(completed).toMatchObject({ serialNumber, replacement: undefined });
    expect(manager.certificate(certificateId).predecessors).toEqual([]);
  });
  expect(said).toEqual([]);
});

test('what is served as another certificate too is replaced there as well, before it is revoked for both', async () => {
  await manage(async (manager) => {
    const names = ['twice.test'];
    const { certificateId, serialNumber: old } = await manager.issue({ names }, { signal });
    const { current } = manager.certificate(certificateId);
    if (!current) throw new TypeError('it was issued');
    const { leaf, issuers, sealedKey, serialNumber, notBefore, notAfter } = current;
    const again = { certificateId: 'imported0001', names, leaf, issuers, sealedKey, serialNumber, notBefore, notAfter };
    const event = { type: 'CertificateImported', ...again, issuedBy: ca.directory } as const;
    await withBus(site, (bus) => bus.append(manager.checkpoint, [event], { at: new Date() }));
    await manager.renew(certificateId, { signal });
    const request = { certificateId, reason: 'superseded', serialNumber: old } as const;
    expect(await manager.revocationSubject(request, { signal })).toMatchObject({
      serialNumber: old,
      servedAs: [{ certificateId: 'imported0001' }],
    });
    said.length = 0;
    const { replacement } = await manager.revoke(request, { signal });
    expect(said).toEqual([`issued ${replacement}`, `revoked ${old} for 4`]);
    for (const id of [certificateId, 'imported0001'])
      expect(manager.certificate(id)).toMatchObject({ predecessors: [], revoked: false });
    expect(manager.certificate('imported0001').current?.serialNumber).toBe(replacement);
  });
});

test('a leaf with more newer ones than the state keeps is found in the history of the bus', async () => {
  await manage(async (manager) => {
    const names = ['often.test'];
    const { certificateId, serialNumber } = await manager.issue({ names }, { signal });
    const { current } = manager.certificate(certificateId);
    if (!current) throw new TypeError('it was issued');
    const { issuers, sealedKey, notBefore, notAfter } = current;
    const newer = Array.from({ length: 68 }, (_, n) => ({
      ...{ type: 'CertificateImported' as const, certificateId, names, issuers, sealedKey, notBefore, notAfter },
      leaf: Buffer.from(`leaf ${n}`).toString('base64'),
      serialNumber: `0${n + 10}`,
    }));
    await withBus(site, (bus) => bus.append(manager.checkpoint, newer, { at: new Date() }));
    await manager.refresh();
    expect(JSON.stringify(manager.certificate(certificateId))).not.toContain(`"${serialNumber}"`);
    said.length = 0;
    const request = { certificateId, reason: 'superseded', serialNumber } as const;
    readings = 0;
    const subject = await manager.revocationSubject(request, { signal });
    expect(subject).toMatchObject({ serialNumber, servedAs: [] });
    expect(await manager.revoke({ ...request, subject }, { signal })).toMatchObject({
      serialNumber,
      replacement: undefined,
    });
    expect(readings).toBe(1);
    expect(said).toEqual([`revoked ${serialNumber} for 4`]);
    await expect(manager.revoke({ ...request, serialNumber: 'ABCD' }, { signal })).rejects.toMatchObject({
      code: 'CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND',
    });
  });
});
