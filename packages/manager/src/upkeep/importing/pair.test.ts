/** Tests of the checks of a certificate that comes from elsewhere, and of the choice among several. */
import { KeyObject, X509Certificate } from 'node:crypto';
import { createIssuer, createKeys, createLeaf, type Issuer, type LeafOptions } from 'certbus-services';
import { expect, test } from 'vitest';
import { type CheckedPair, checkImportedPair, type FoundPair, type PairFault } from './pair.ts';
import { passOver } from './selection.ts';

const NOW = new Date();
const DAY_MS = 86_400_000;
const inDays = (days: number) => new Date(NOW.getTime() + days * DAY_MS);
const root = await createIssuer('Root');
const issuer = await createIssuer('Intermediate', root);
const nodeOf = ({ rawData }: { readonly rawData: ArrayBuffer }) => new X509Certificate(Buffer.from(rawData));

async function createPair({
  names = ['A.test', '*.b.test'],
  others = [issuer, root],
  ...rest
}: Partial<Omit<LeafOptions, 'publicKey'>> & { readonly others?: readonly Issuer[] } = {}): Promise<FoundPair> {
  const keys = await createKeys();
  const leaf = nodeOf(await createLeaf({ issuer, names, publicKey: keys.publicKey, ...rest }));
  return { leaf, others: others.map(({ certificate }) => nodeOf(certificate)), key: KeyObject.from(keys.privateKey) };
}

/** What is taken. Throws where it is not. */
function taken(pair: FoundPair): CheckedPair {
  const checked: CheckedPair | PairFault = checkImportedPair(pair, NOW);
  if ('outcome' in checked) throw new Error(checked.why);
  return checked;
}

test('a good pair is taken with its names in one form and its chain in order, without the root', async () => {
  const { names, issuers, keyKind, note, key } = taken(
    await createPair({ ips: ['2001:DB8::1'], others: [root, issuer] }),
  );
  expect({ names, keyKind, note }).toEqual({
    names: ['*.b.test', '2001:db8::1', 'a.test'],
    keyKind: 'P-256',
    note: undefined,
  });
  expect(issuers.map((der) => nodeOf({ rawData: Uint8Array.from(der).buffer }).subject)).toEqual(['CN=Intermediate']);
  expect(key).toMatch(/^-----BEGIN PRIVATE KEY-----/);
  expect(taken(await createPair({ others: [] })).note).toContain('unless they have "Intermediate"');
  expect(taken(await createPair({ names: namesOf(100), serialNumber: `7${'a'.repeat(63)}` })).names).toHaveLength(100);
});

const namesOf = (count: number) => Array.from({ length: count }, (_, n) => `n${n}.test`);

test('what is wrong is refused, each by its name, and what has ended is of no use', async () => {
  const long = [root];
  for (let n = 1; n <= 11; n += 1) long.push(await createIssuer(`Issuer ${n}`, long.at(-1)));
  const good = await createPair();
  const other = await createPair();
  const stranger = await createIssuer('Stranger', root);
  const ca: FoundPair = { ...good, leaf: nodeOf(issuer.certificate), key: KeyObject.from(issuer.keys.privateKey) };
  const faults: [FoundPair, string, string][] = [
    [{ ...good, key: other.key }, 'refused', 'its private key belongs to another certificate'],
    [
      { ...good, others: [nodeOf(stranger.certificate), nodeOf(issuer.certificate)] },
      'refused',
      'not part of its chain',
    ],
    [await createPair({ others: [await createIssuer('Intermediate', root)] }), 'refused', 'not part of its chain'],
    [await createPair({ notBefore: inDays(1), notAfter: inDays(2) }), 'refused', 'in the future'],
    [await createPair({ notBefore: inDays(-2), notAfter: inDays(-1) }), 'skipped', 'it ended'],
    [await createPair({ names: [] }), 'refused', 'no host name'],
    [await createPair({ names: ['a b.test'] }), 'refused', 'cannot be served'],
    [ca, 'refused', 'the certificate of a CA'],
    [await createPair({ names: namesOf(101) }), 'refused', 'it has 101 names'],
    [await createPair({ serialNumber: 'ab'.repeat(33) }), 'refused', 'its serial number is negative or longer'],
    [await createPair({ issuer: long.at(-1) ?? issuer, others: long }), 'refused', '11 issuers came with it'],
  ];
  for (const [pair, outcome, why] of faults)
    expect(checkImportedPair(pair, NOW)).toEqual({ outcome, why: expect.stringContaining(why) });
});

test('of the same certificate the first is taken, and of the same names and key type the newest', async () => {
  const [one, newer] = [taken(await createPair()), taken(await createPair({ notBefore: inDays(-0.01) }))];
  const sourced = (source: string, pair: CheckedPair) => ({ source, pair });
  const rsa = sourced('rsa', { ...taken(await createPair()), keyKind: 'RSA-2048' });
  const found = [sourced('newer', newer), sourced('again', newer), sourced('one', one), rsa];
  expect([...passOver(found)].map(([{ source }, why]) => [source, why])).toEqual([
    ['again', 'it is the same certificate as newer'],
    ['one', 'newer has a newer one for the same names'],
  ]);
});
