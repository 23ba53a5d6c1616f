import { X509Certificate } from 'node:crypto';
import { createCsr, createIssuer, createLeaf } from 'certbus-services';
import { expect, test } from 'vitest';
import { at, createFakeCa, say } from '../tests/acme.builders.ts';
import { obtainFor, startStrictCa } from '../tests/strict-ca.builders.ts';
import { publicKeyOfCsr } from '../x509/certificate.ts';
import { commonNameOf, fingerprintOf } from '../x509/chain.ts';
import { downloadChain } from './download.ts';

const nameOf = (pem: string) => commonNameOf(new X509Certificate(pem).subject);

test("without a preference it is the CA's default chain, without a warning", async () => {
  const { openRegistered, server } = await startStrictCa({ roots: 3 });
  const obtained = await obtainFor(await openRegistered(), ['a.test']);
  expect(obtained).toMatchObject({ rootName: nameOf(server.issuedRoots[0] ?? ''), warnings: [] });
  expect(server.requests.filter(({ resource }) => resource === 'certificate')).toHaveLength(1);
});

test('a chain is chosen by the name of its root, also the last of several Link lines', async () => {
  const { openRegistered, server } = await startStrictCa({ roots: 3, intermediates: 2 });
  const wanted = server.issuedRoots[2] ?? '';
  const obtained = await obtainFor(await openRegistered(), ['a.test'], { preferredChain: nameOf(wanted) });
  expect(obtained).toMatchObject({ rootName: nameOf(wanted), warnings: [] });
  const last = new X509Certificate(obtained.issuers.at(-1) ?? obtained.leaf);
  expect(last.verify(new X509Certificate(wanted).publicKey)).toBe(true);
});

test('no chain to the preferred root: the default one, and a warning', async () => {
  const { openRegistered, server } = await startStrictCa({ roots: 2 });
  const warned: unknown[] = [];
  const logger = { debug() {}, info() {}, warn: (message: string) => void warned.push(message), error() {} };
  const ca = await openRegistered({ logger });
  const obtained = await obtainFor(ca, ['a.test'], { preferredChain: 'Root of dreams' });
  expect(obtained.rootName).toBe(nameOf(server.issuedRoots[0] ?? ''));
  expect(obtained.warnings).toEqual([expect.stringContaining('Root of dreams')]);
  expect(warned).not.toEqual([]);
});

const names = ['a.test'];
const { csr, keys } = await createCsr(names);
const acceptKey = (spki: Uint8Array) => Buffer.compare(spki, publicKeyOfCsr(csr)) === 0;
const [one, two] = [await createIssuer('Root one'), await createIssuer('Root two')];
const below = await createIssuer('Issuing', one);
const crossSigned = await createIssuer('Issuing', two, below.keys);
const leaf = await createLeaf({ issuer: below, names, publicKey: keys.publicKey });
const pemOf = (issuer: typeof below) => `${leaf.toString('pem')}\n${issuer.certificate.toString('pem')}`;

async function download(
  preferredChain: string,
  { alternates, pems }: { alternates: number; pems: Record<number, string> },
) {
  const urls = Array.from({ length: alternates }, (_, index) => at(`cert/${index + 1}`));
  const script = Object.fromEntries(
    [...urls.keys()].map((index) => [`read cert/${index + 1}`, [say(pems[index + 1] ?? 'nothing')]]),
  );
  const ca = createFakeCa({
    ...script,
    'read cert/0': [{ body: pemOf(below), alternates: urls }],
  });
  using session = await ca.engine.open({ signal: new AbortController().signal });
  const expectation = { names, acceptKey, now: new Date() };
  const found = await downloadChain(ca.engine, session, { url: at('cert/0'), preferredChain, ...expectation });
  return { ...found, ca };
}

test.each([
  ['bare', (text: string) => text],
  ['with colons and in capitals', (text: string) => text.toUpperCase().replace(/..(?!$)/g, '$&:')],
])('a chain is chosen by the fingerprint of an issuer, %s', async (_, spell) => {
  const fingerprint = fingerprintOf(new X509Certificate(Buffer.from(crossSigned.certificate.rawData)));
  const found = await download(spell(fingerprint), { alternates: 1, pems: { 1: pemOf(crossSigned) } });
  expect(found).toMatchObject({ isPreferred: true, chain: { rootName: 'Root two' } });
});

test('a chain that is broken, or is of another leaf, costs nothing but a line in the log', async () => {
  const found = await download('Root two', { alternates: 3, pems: { 1: '<html>', 3: pemOf(crossSigned) } });
  expect(found).toMatchObject({ isPreferred: true, chain: { rootName: 'Root two' } });
});

test('a CA with a thousand chains is asked for eight', async () => {
  const found = await download('Root two', { alternates: 1000, pems: { 1000: pemOf(crossSigned) } });
  expect(found).toMatchObject({ isPreferred: false, chain: { rootName: 'Root one' } });
  expect(found.ca.calls).toHaveLength(9);
});
