/** Tests that what a CA can never issue as it was asked for is not kept, and that a missing EAB says what to do. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFor, createSite, type Site, withManager } from './manager.builders.ts';

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

const newSite = (name: string, authority: AcmeServer): Promise<Site> =>
  createSite(`${folder.path}/${name}.db`, configFor(authority, { url: dns.url, dns: dns.address }));

test('names asked for with a profile that the CA does not have are not managed', async () => {
  const site = await newSite('profile', ca);
  await withManager(site, { holder: 'one' }, async (manager) => {
    const refused = manager.issue({ names: ['a.test'], profile: 'none-such' }, { signal });
    await expect(refused).rejects.toThrow(/no profile "none-such"/);
    expect([...manager.state.all()]).toEqual([]);
    expect((await manager.runOnce({ signal })).outcomes).toEqual([]);
    expect(await manager.issue({ names: ['a.test'] }, { signal })).toMatchObject({ outcome: 'issued' });
  });
});

test('names asked for with a challenge that the CA does not offer for them are not managed', async () => {
  const site = await newSite('challenge', ca);
  await withManager(site, { holder: 'one' }, async (manager) => {
    await expect(manager.issue({ names: ['*.a.test'], challengeType: 'http-01' }, { signal })).rejects.toThrow();
    expect([...manager.state.all()]).toEqual([]);
  });
});

test('a CA that wants an external account is asked for with a message that says where to put it', async () => {
  const externalAccounts = [
    { kid: 'kid-1', hmacKey: Buffer.from('key of the external account').toString('base64url') },
  ];
  await using strict = await startAcmeServer({ externalAccountRequired: true, externalAccounts });
  const site = await newSite('eab', strict);
  await withManager(site, { holder: 'one' }, async (manager) => {
    await expect(manager.issue({ names: ['a.test'] }, { signal })).rejects.toMatchObject({
      code: 'CERTBUS_ACME_EAB_INVALID',
      message: expect.stringMatching(/add them as "eab".*certbus conf update/),
    });
    expect([...manager.state.all()]).toMatchObject([{ failure: { class: 'operator-action' } }]);
  });
});
