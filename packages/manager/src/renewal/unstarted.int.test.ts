/** Tests that nothing keeps a renewal from being tried, and that one that cannot be started is recorded. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { type EventOf, parseRootKey } from '@certbus/events';
import { BEGINNING, type Checkpoint, signRootEvent } from '@certbus/events/history';
import { type Bus, openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFor, createSite, type Site, withManager } from '../issuance/manager.builders.ts';
import { obtained, withBus } from './fleet.builders.ts';
import { openRenewalInfoNotes } from './renewal-info-notes.ts';

/** A self-signed leaf for a.test without an authority key identifier, as some CAs of a company issue them. */
const UNNAMEABLE =
  'MIIBJzCBzqADAgECAhRX/oIG3Bgq6cBx54CSh8oSiYHdCzAKBggqhkjOPQQDAjAAMB4XDTI2MTEyODIzNDExNVoXDTI3MDIyNjIzNDExNVowADBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHE7jNdA0kkdSRsz/kF0sKJ4TU+J/nVeHUDlY95jq2ilf3dqCxt8BWocUmGSO0WMX9nf6LMO1Ht/QJZ1JweT+MKjJjAkMA8GA1UdEwEB/wQFMAMBAf8wEQYDVR0RBAowCIIGYS50ZXN0MAoGCCqGSM49BAMCA0gAMEUCIQD7juCqkNVvNbUUycrrmtJSbVbe/31spufWCShlB5rzrwIgDp8HDVc5oJlWbIjP+gulIzvux6gdBtbdE8f0Y8hJ9RU=';
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

const newSite = (name: string): Promise<Site> =>
  createSite(`${folder.path}/${name}.db`, configFor(ca, { url: dns.url, dns: dns.address }));

async function headOf(bus: Bus): Promise<Checkpoint> {
  const { checkpoint } = await bus.read(BEGINNING, { limit: 10_000, consistent: true });
  return checkpoint;
}

test('a leaf without an authority key identifier is renewed, and no CA is asked about it', async () => {
  const site = await newSite('unnameable');
  const lifetime = { notBefore: new Date(Date.now() - 80 * 86_400_000), notAfter: new Date(Date.now() + 86_400_000) };
  const event: EventOf<'CertificateObtained'> = {
    ...obtained('certificate1'),
    names: ['a.test'],
    leaf: UNNAMEABLE,
    notBefore: lifetime.notBefore.toISOString(),
    notAfter: lifetime.notAfter.toISOString(),
    directory: ca.directory,
  };
  await withBus(site, async (bus) => bus.append(await headOf(bus), [event], { at: lifetime.notBefore }));
  using notes = openRenewalInfoNotes(':memory:');
  await withManager(site, { holder: 'one', notes }, async (manager) => {
    expect((await manager.runOnce({ signal })).outcomes).toMatchObject([
      { certificateId: 'certificate1', outcome: 'renewed' },
    ]);
    expect(manager.certificate('certificate1').failure).toBeUndefined();
  });
  expect(ca.requests.filter(({ resource }) => resource === 'renewalInfo')).toEqual([]);
});

/** Names a recipient to which no key can be sealed. */
async function breakRecipients({ address, trust, rootKey }: Site): Promise<void> {
  const root = parseRootKey(rootKey);
  const log = await openLog(address);
  try {
    const bus = openBus(log, 'test', { trust, signer: root });
    const recipients = [{ name: 'edge', recipient: 'age1'.padEnd(62, 'q') }];
    const head = await headOf(bus);
    const event = { type: 'RecipientsUpdated' as const, recipients };
    await bus.append(head, [signRootEvent(root, trust.busId, head.rootSequence + 1, event)], { at: new Date() });
  } finally {
    await log.close();
  }
}

test('a renewal that fails before its claim is recorded and backs off', async () => {
  const site = await newSite('unstarted');
  const { certificateId } = await withManager(site, { holder: 'one' }, (manager) =>
    manager.issue({ names: ['b.test'] }, { signal }),
  );
  await breakRecipients(site);
  await withManager(site, { holder: 'one' }, async (manager) => {
    await expect(manager.renew(certificateId, { signal })).rejects.toThrow();
    const { failure, issuance } = manager.certificate(certificateId);
    expect(failure).toMatchObject({ class: 'temporary', attempt: 1, directory: ca.directory });
    expect(issuance).toBeUndefined();
    await expect(manager.renew(certificateId, { signal })).rejects.toThrow();
    expect(manager.certificate(certificateId).failure).toMatchObject({ attempt: 2 });
  });
});
