import { KeyObject } from 'node:crypto';
import { sha256 } from '@certbus/events';
import { createIssuer, createKeys, createLeaf, type Issuer, type LeafOptions } from 'certbus-services';
import { expect, test } from 'vitest';
import { checkPair, type UncheckedPair } from './pair.ts';

const NOW = new Date('2030-06-01T00:00:00Z');
const root = await createIssuer('Root');
const issuer = await createIssuer('Intermediate', root);

/** A pair as the bus has it. */
async function createPair({
  names = ['a.test', '*.b.test'],
  ips = [],
  issuers = [issuer],
  ...rest
}: Partial<Omit<LeafOptions, 'publicKey'>> & { readonly issuers?: readonly Issuer[] } = {}): Promise<UncheckedPair> {
  const keys = await createKeys();
  const dates = { notBefore: new Date('2030-05-01'), notAfter: new Date('2030-08-01') };
  const leaf = await createLeaf({ issuer, names, ips, publicKey: keys.publicKey, ...dates, ...rest });
  return {
    certificateId: 'one',
    issued: { names: [...names, ...ips], leafHash: sha256(Buffer.from(leaf.rawData)) },
    cert: [leaf, ...issuers.map(({ certificate }) => certificate)].map((each) => `${each.toString('pem')}\n`).join(''),
    key: KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}

test('a pair of host names and addresses is taken as it is', async () => {
  const unchecked = await createPair({ ips: ['192.0.2.1', '2001:db8::1'] });
  const { chain, names, notAfter, leafHash } = checkPair(unchecked, { now: NOW });
  expect(chain).toHaveLength(2);
  expect({ names, leafHash }).toEqual(unchecked.issued);
  expect(notAfter).toEqual(new Date('2030-08-01'));
});

test('a key of another certificate, another chain, other dates and other names are refused, each by its name', async () => {
  const good = await createPair();
  const other = await createPair();
  const refused = async (unchecked: UncheckedPair, why: string, now = NOW) => {
    const what = expect.objectContaining({
      code: 'CERTBUS_AGENT_PAIR_REFUSED',
      message: expect.stringContaining(why),
    });
    expect(() => checkPair(unchecked, { now })).toThrow(what);
  };
  await refused({ ...good, key: other.key }, 'its private key belongs to another certificate');
  await refused({ ...good, cert: other.cert }, 'its first certificate is not the one that the bus names');
  await refused(await createPair({ issuers: [root] }), 'certificate 1 of its chain was not issued by the next one');
  const same = await createIssuer('Intermediate', root);
  await refused(await createPair({ issuers: [same] }), 'certificate 1 of its chain');
  await refused(await createPair({ issuers: [issuer, issuer] }), 'certificate 2 of its chain');
  await refused(good, 'it expired on 2030-08-01', new Date('2030-08-01'));
  const early = new Date('2030-04-30');
  await refused(good, 'it is valid from 2030-05-01', early);
  // The clock of this machine is behind: the bus has a commit from after that.
  expect(checkPair(good, { now: early, begun: NOW }).leafHash).toBe(good.issued.leafHash);
  const { leafHash } = good.issued;
  await refused({ ...good, issued: { leafHash, names: ['a.test', 'c.test'] } }, 'it is not for c.test');
  await refused({ ...good, issued: { leafHash, names: ['x.b.test'] } }, 'it is not for x.b.test');
  await refused({ ...good, cert: '' }, 'it holds no certificate');
});

test('what does not parse is refused without a word of it', async () => {
  const good = await createPair();
  const cut = (pem: string) => pem.replace(/\n.{40}/, '\n');
  for (const broken of [
    { ...good, key: cut(good.key) },
    { ...good, cert: cut(good.cert) },
  ])
    expect(() => checkPair(broken, { now: NOW })).toThrow(/^Certificate one is not handed to any balancer: [^-+/=]*$/);
});
