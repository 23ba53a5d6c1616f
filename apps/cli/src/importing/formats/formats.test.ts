/** Tests of the folders and files of other programs, as these write them. */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createIssuer, createKeys, createLeaf, privateKeyPem, temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { toCandidates } from '../candidates.ts';
import { type ImportFormat, readSource } from '../read-source.ts';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());
const issuer = await createIssuer('Intermediate', await createIssuer('Root'));
const nobody = async () => undefined;
const account = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const accountPem = account.export({ type: 'pkcs1', format: 'pem' }).toString();
const DIRECTORY = 'https://acme.example.test/directory';

async function createPair(name: string) {
  const keys = await createKeys();
  const leaf = await createLeaf({ issuer, names: [name], publicKey: keys.publicKey });
  const sec1 = createPrivateKey(await privateKeyPem(keys)).export({ type: 'sec1', format: 'pem' });
  return { chain: `${leaf.toString('pem')}\n${issuer.certificate.toString('pem')}\n`, key: sec1.toString() };
}
const pair = await createPair('a.test');

let folders = 0;
/** A folder with these files. */
function folderOf(files: Readonly<Record<string, string | Buffer>>): string {
  folders += 1;
  const root = join(temporary.path, `folder${folders}`);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return root;
}

/** What a manager would be asked to import, in short. */
async function read(path: string, format?: ImportFormat) {
  const found = await toCandidates(await readSource([path], { format, passphrase: nobody }), nobody);
  const accounts = found.accounts.map(({ source, ca, key }) => [source, ca, key.equals(account)]);
  const certificates = found.certificates.map(({ source, ca, leaf, others }) => [
    source,
    ca,
    leaf.subjectAltName,
    others.length,
  ]);
  return { certificates, accounts, notTaken: found.notTaken.map(({ source, outcome }) => [source, outcome]) };
}

test("certbot's folder, with its links, its accounts, and a lineage that lacks its key", async () => {
  const root = folderOf({
    'archive/a.test/fullchain1.pem': pair.chain,
    'archive/a.test/privkey1.pem': pair.key,
    'live/README': 'about this folder',
    'live/b.test/fullchain.pem': pair.chain,
    'renewal/a.test.conf': `cert = x\n[renewalparams]\naccount = 1a\nserver = ${DIRECTORY}\n`,
    'renewal/b.test.conf': '',
    'accounts/acme.example.test/directory/0f/private_key.json': '{"kty":"RSA"}',
    'accounts/acme.example.test/directory/1a/private_key.json': JSON.stringify(account.export({ format: 'jwk' })),
  });
  mkdirSync(join(root, 'live/a.test'));
  for (const name of ['fullchain', 'privkey'])
    symlinkSync(`../../archive/a.test/${name}1.pem`, join(root, `live/a.test/${name}.pem`));
  expect(await read(root)).toEqual({
    certificates: [['live/a.test/fullchain.pem', { directory: DIRECTORY }, 'DNS:a.test', 1]],
    accounts: [['accounts/acme.example.test/directory/1a/private_key.json', { directory: DIRECTORY }, true]],
    notTaken: [
      ['live/b.test/privkey.pem', 'refused'],
      ['accounts/acme.example.test/directory/0f/private_key.json', 'refused'],
    ],
  });
  const one = readSource([join(root, 'live/a.test')], { format: undefined, passphrase: nobody });
  await expect(one).rejects.toMatchObject({ code: 'CERTBUS_CLI_USAGE', message: expect.stringContaining(root) });
});

test("acme.sh's folder", async () => {
  const root = folderOf({
    'account.conf': "LOG_FILE='/dev/null'\n",
    'a.test_ecc/a.test.conf': `Le_Domain='a.test'\nLe_API='${DIRECTORY}'\n`,
    'a.test_ecc/a.test.key': pair.key,
    'a.test_ecc/fullchain.cer': pair.chain,
    'ca/acme.example.test/directory/account.key': accountPem,
    'ca/acme.example.test/directory/ca.conf': "ACCOUNT_URL='https://acme.example.test/acct/7'\n",
    'ca/other.test/account.key': accountPem,
    'dnsapi/dns_pdns.sh': '',
  });
  expect(await read(root)).toEqual({
    certificates: [['a.test_ecc/fullchain.cer', { directory: DIRECTORY }, 'DNS:a.test', 1]],
    accounts: [
      ['ca/acme.example.test/directory/account.key', { url: 'https://acme.example.test/acct/7' }, true],
      ['ca/other.test/account.key', { directory: 'https://other.test' }, true],
    ],
    notTaken: [],
  });
});

test("Traefik's acme.json", async () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const resolver = {
    Account: {
      Email: 'ops@a.test',
      Registration: { body: { status: 'valid' }, uri: 'https://acme.example.test/acct/7' },
      PrivateKey: account.export({ type: 'pkcs1', format: 'der' }).toString('base64'),
      KeyType: '4096',
    },
    Certificates: [
      { domain: { main: 'a.test' }, certificate: base64(pair.chain), key: base64(pair.key), Store: 'default' },
      { domain: { main: 'b.test' }, certificate: base64(pair.chain), key: '', Store: 'default' },
    ],
  };
  const root = folderOf({
    'acme.json': JSON.stringify({ le: resolver, unused: { Account: null, Certificates: null } }),
  });
  const ca = { url: 'https://acme.example.test/acct/7' };
  expect(await read(join(root, 'acme.json'))).toEqual({
    certificates: [['le: a.test', ca, 'DNS:a.test', 1]],
    accounts: [['le: account', ca, true]],
    notTaken: [['le: b.test', 'refused']],
  });
});

test("cert-manager's Secrets with their Issuer, in YAML and in JSON; what is not YAML is refused without a word of it", async () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64');
  const yaml = `apiVersion: v1
kind: Secret
type: kubernetes.io/tls
metadata:
  name: shop-tls
  namespace: shop
  annotations:
    cert-manager.io/issuer-name: le
    cert-manager.io/issuer-kind: ClusterIssuer
data:
  tls.crt: ${base64(pair.chain)}
  tls.key: ${base64(pair.key)}
---
apiVersion: v1
kind: Secret
type: Opaque
metadata: { name: le-account, namespace: cert-manager }
stringData:
  tls.key: |
${accountPem.replaceAll(/^/gm, '    ')}
---
apiVersion: v1
kind: Secret
type: Opaque
metadata: { name: password }
data: { password: c2VjcmV0 }
---
apiVersion: cert-manager.io/v1
kind: ClusterIssuer
metadata: { name: le }
spec: { acme: { server: ${DIRECTORY}, privateKeySecretRef: { name: le-account } } }
`;
  const secret = {
    kind: 'Secret',
    apiVersion: 'v1',
    type: 'kubernetes.io/tls',
    metadata: { name: 'shop-tls' },
    data: { 'tls.crt': base64(pair.chain), 'tls.key': base64(pair.key) },
  };
  const root = folderOf({
    'secrets.yaml': yaml,
    'secrets.json': JSON.stringify({ kind: 'List', apiVersion: 'v1', items: [secret] }),
    'alias.yaml': `kind: Secret\na: &a ${pair.key.slice(40, 60)}\nb: *a\n`,
  });
  expect(await read(join(root, 'secrets.yaml'))).toEqual({
    certificates: [['secret shop/shop-tls', { directory: DIRECTORY }, 'DNS:a.test', 1]],
    accounts: [['secret cert-manager/le-account', { directory: DIRECTORY }, true]],
    notTaken: [['secret password', 'skipped']],
  });
  expect((await read(join(root, 'secrets.json'))).certificates).toEqual([
    ['secret shop-tls', { directory: undefined }, 'DNS:a.test', 1],
  ]);
  const alias = join(root, 'alias.yaml');
  await expect(read(alias)).rejects.toMatchObject({ message: `${alias} is not YAML as kubectl prints it.` });
});
