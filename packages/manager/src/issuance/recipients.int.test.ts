/** Tests that what is issued is sealed to the recipients in force, also where they changed while it was under way. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { createIdentity, open, parseIdentityFile, parseRootKey } from '@certbus/events';
import { BEGINNING, type Commit, signRootEvent } from '@certbus/events/history';
import { openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFor, createSite, type Site, withManager } from './manager.builders.ts';
import type { Progress } from './progress.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let sites = 0;
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

async function withBusOf<T>(
  { address, trust, rootKey }: Site,
  run: (bus: ReturnType<typeof openBus>) => Promise<T>,
): Promise<T> {
  const log = await openLog(address);
  try {
    return await run(openBus(log, 'test', { trust, signer: parseRootKey(rootKey) }));
  } finally {
    await log.close();
  }
}

/** Lets the root name one recipient in the place of all others; returns its identity and the position. */
async function replaceRecipients(site: Site): Promise<{ readonly identity: string; readonly position: number }> {
  const { identity, recipient } = await parseIdentityFile(await createIdentity());
  const position = await withBusOf(site, async (bus) => {
    const { checkpoint } = await bus.read(BEGINNING, { limit: 1_000, consistent: true });
    const recipients = [{ name: 'new', recipient }];
    const body = { type: 'RecipientsUpdated', recipients } as const;
    const event = signRootEvent(parseRootKey(site.rootKey), site.trust.busId, checkpoint.rootSequence + 1, body);
    return (await bus.append(checkpoint, [event], { at: new Date() })).checkpoint.position;
  });
  return { identity, position };
}

const eventsOf = async (site: Site) => {
  const { commits } = await withBusOf(site, (bus) => bus.read(BEGINNING, { limit: 1_000 }));
  return (commits as readonly Commit[]).flatMap(({ events }) => events.map(({ event }) => event));
};

/** Issues until a step, and stops there as an interrupted process does. */
async function issueUntil(site: Site, names: readonly string[], step: Progress['step']): Promise<void> {
  const stop = new AbortController();
  const onProgress = (progress: Progress) => {
    if (progress.step === step) stop.abort(new Error('interrupted'));
  };
  const issuing = withManager(site, { holder: 'one' }, (manager) =>
    manager.issue({ names }, { signal: stop.signal, onProgress }),
  );
  await expect(issuing).rejects.toThrow('interrupted');
}

test.each<Progress['step']>(['claimed', 'order'])(
  'where the recipients changed behind step "%s", the next run seals another key to the new ones alone',
  async (step) => {
    sites += 1;
    const site = await createSite(`${folder.path}/bus${sites}.db`, configFor(ca, { url: dns.url, dns: dns.address }));
    const names = [`${step}.test`];
    await issueUntil(site, names, step);
    const { identity, position } = await replaceRecipients(site);
    const orders = ca.orderCount;
    await withManager(site, { holder: 'two' }, (manager) => manager.issue({ names }, { signal }));
    expect(ca.orderCount - orders).toBe(step === 'order' ? 0 : 1);
    const events = await eventsOf(site);
    const started = events.filter((event) => event?.type === 'IssuanceStarted');
    const replaced = events.filter((event) => event?.type === 'CsrReplaced');
    const [obtained] = events.filter((event) => event?.type === 'CertificateObtained');
    expect([started.length, replaced.length]).toEqual([1, 1]);
    expect(replaced[0]).toMatchObject({ issuanceId: started[0]?.issuanceId, recipientsPosition: position });
    expect(replaced[0]?.csr).not.toBe(started[0]?.csr);
    expect(obtained?.sealedKey).toBe(replaced[0]?.sealedKey);
    expect(await open(obtained?.sealedKey ?? '', identity)).toContain('PRIVATE KEY');
    const [edge = ''] = site.identities;
    const dropped = await parseIdentityFile(edge);
    await expect(open(obtained?.sealedKey ?? '', dropped.identity)).rejects.toMatchObject({
      code: 'CERTBUS_EVENTS_NOT_OPENED',
    });
  },
);

test('where they did not change, the key of the claim is the one that is used', async () => {
  const site = await createSite(`${folder.path}/same.db`, configFor(ca, { url: dns.url, dns: dns.address }));
  await issueUntil(site, ['same.test'], 'order');
  await withManager(site, { holder: 'two' }, (manager) => manager.issue({ names: ['same.test'] }, { signal }));
  expect((await eventsOf(site)).filter((event) => event?.type === 'CsrReplaced')).toEqual([]);
});
