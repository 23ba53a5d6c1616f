/** Tests of PEM files as other programs and hostile users leave them. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, KeyObject, X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createIssuer, createKeys, createLeaf, privateKeyPem, temporaryFolder } from 'certbus-services';
import { afterAll, expect, test, vi } from 'vitest';
import { toCandidates } from './candidates.ts';
import { findPairs, readPemFolder } from './formats/pem-files.ts';
import { openTree, walk } from './tree.ts';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());
const issuer = await createIssuer('Intermediate', await createIssuer('Root'));
const nobody = async () => undefined;
const asked = (passphrase: string) => async () => passphrase;

async function createPair(name: string) {
  const keys = await createKeys();
  const leaf = await createLeaf({ issuer, names: [name], publicKey: keys.publicKey });
  return { leaf: `${leaf.toString('pem')}\n`, key: await privateKeyPem(keys) };
}
const chain = `${issuer.certificate.toString('pem')}\n`;

/** What a manager would be asked to import, in short. */
async function found(...args: Parameters<typeof findPairs>) {
  const reading = await findPairs(...args);
  const { certificates, notTaken } = await toCandidates(reading, args[1]);
  const names = certificates.map(({ leaf, others, source }) => [source, leaf.subjectAltName, others.length]);
  return { names, notTaken };
}

test('a pair is found with CR LF, a byte order mark, text around it, in any order and in any file', async () => {
  const [a, b] = [await createPair('a.test'), await createPair('b.test')];
  const windows = `\ufeffBag Attributes\r\n    friendlyName: a\r\n${`${chain}${a.leaf}`.replaceAll('\n', '\r\n')}`;
  const files = [
    { source: 'a.key', text: `\ufeff${a.key.replaceAll('\n', '\r\n')}` },
    { source: 'a.crt', text: windows },
    { source: 'both.pem', text: `${b.key}${b.leaf}` },
    { source: 'bundle.ca-bundle', text: chain },
  ];
  expect(await found(files, nobody)).toEqual({
    names: [
      ['a.crt', 'DNS:a.test', 2],
      ['both.pem', 'DNS:b.test', 1],
    ],
    notTaken: [],
  });
});

test('keys of each form are read, encrypted ones with their passphrase alone', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const cryptoKey = await crypto.subtle.importKey(
    'spki',
    Uint8Array.from(publicKey.export({ type: 'spki', format: 'der' })),
    { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' },
    true,
    ['verify'],
  );
  const leaf = (await createLeaf({ issuer, names: ['a.test'], publicKey: cryptoKey })).toString('pem');
  const cipher = { cipher: 'aes-256-cbc', passphrase: 'open sesame' };
  const forms = [
    privateKey.export({ type: 'pkcs8', format: 'pem' }),
    privateKey.export({ type: 'pkcs1', format: 'pem' }),
    privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher }),
    privateKey.export({ type: 'pkcs1', format: 'pem', ...cipher }),
  ].map(String);
  for (const [index, key] of forms.entries()) {
    const files = [{ source: 'a.pem', text: `${leaf}\n${key}` }];
    expect((await found(files, asked('open sesame'))).names).toHaveLength(1);
    if (index < 2) continue;
    const refused = (await found(files, asked('close sesame'))).notTaken;
    expect(refused[0]).toMatchObject({ outcome: 'refused', why: 'the passphrase does not open its private key' });
    expect((await found(files, nobody)).notTaken[0]?.why).toContain('--password-file');
  }
});

test('what belongs to nothing, and what is broken, is refused by itself', async () => {
  const [a, b] = [await createPair('a.test'), await createPair('b.test')];
  const broken = a.leaf.replace(/\n.{20}/, '\n');
  const files = [
    { source: 'a.pem', text: a.leaf },
    { source: 'b.key', text: b.key },
    { source: 'broken.pem', text: broken },
    { source: 'c.key', text: a.key.replace(/\n.{20}/, '\n') },
  ];
  const { names, notTaken } = await found(files, nobody);
  expect(names).toEqual([]);
  expect(notTaken.map(({ source, why }) => [source, why])).toEqual([
    ['broken.pem', 'a certificate in it does not parse'],
    ['c.key', 'its private key does not parse'],
    ['a.pem', 'no private key here belongs to its certificate'],
    ['b.key', 'no certificate here belongs to its private key'],
  ]);
  expect(JSON.stringify(notTaken)).not.toContain('PRIVATE KEY');
});

test('a folder of a stranger: links that lead out, pipes, what is huge or cannot be read keep none of the others from it', async () => {
  const root = join(temporary.path, 'hostile');
  const outside = join(temporary.path, 'outside');
  for (const folder of [root, join(root, 'deep'), outside]) mkdirSync(folder);
  const secret = await createPair('secret.test');
  writeFileSync(join(outside, 'secret.pem'), `${secret.leaf}${secret.key}`);
  symlinkSync(join(outside, 'secret.pem'), join(root, 'secret.pem'));
  symlinkSync(outside, join(root, 'folder.pem'));
  symlinkSync('loop.pem', join(root, 'loop.pem'));
  execFileSync('mkfifo', [join(root, 'pipe.pem')]);
  writeFileSync(join(root, 'huge.pem'), '');
  truncateSync(join(root, 'huge.pem'), 2 ** 40);
  writeFileSync(join(root, 'README'), secret.key);
  const good = await createPair('good.test');
  writeFileSync(join(root, 'deep', 'good.pem'), `${good.leaf}${good.key}`);
  symlinkSync(join('deep', 'good.pem'), join(root, 'link.pem'));
  const { certificates, notTaken } = await readPemFolder(openTree(root), nobody);
  expect(certificates.map(({ source }) => source)).toEqual(['deep/good.pem', 'link.pem']);
  expect(Object.fromEntries(notTaken.map(({ source, why }) => [source, why]))).toEqual({
    'folder.pem': expect.stringContaining('leads out of the folder'),
    'huge.pem': 'it is larger than 1 MiB',
    'loop.pem': expect.any(String),
    'pipe.pem': 'it is not a regular file',
    'secret.pem': expect.stringContaining('leads out of the folder'),
  });
  const [first] = certificates;
  expect(new X509Certificate(first?.certificate ?? '').checkPrivateKey(createPrivateKey(first?.key ?? ''))).toBe(true);
});

test('links that lead back, or to one another, make no folder that has no end', () => {
  const root = join(temporary.path, 'links');
  const places = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
  for (const place of places) mkdirSync(join(root, place), { recursive: true });
  writeFileSync(join(root, 'a', 'file.pem'), 'x'.repeat(600));
  for (let n = 0; n < 20; n += 1) symlinkSync('.', join(root, `l${n}`));
  symlinkSync(join('..', 'a'), join(root, 'b', 'twice'));
  symlinkSync('..', join(root, 'a', 'up'));
  const paths = () => [...walk(openTree(root), '', 6)].map(({ path }) => path);
  // By each name that leads there, and not through a folder a second time.
  expect(paths()).toEqual(['a/file.pem', 'b/twice/file.pem']);
  for (const [index, place] of places.entries())
    for (let n = 0; n < 20; n += 1) symlinkSync(join('..', places[index + 1] ?? 'file'), join(root, place, `next${n}`));
  expect(() => [...walk(openTree(root, { maxEntries: 1_000 }), '', 6)]).toThrow(
    expect.objectContaining({ code: 'CERTBUS_CLI_FILE_PROBLEM', message: expect.stringContaining('1000 entries') }),
  );
  const tree = openTree(root, { maxBytes: 1_000 });
  expect([tree.read('a/file.pem'), tree.read('a/file.pem')]).toEqual([
    { text: 'x'.repeat(600) },
    { why: expect.stringContaining('as much as is read') },
  ]);
});

test('blocks that do not end, as many as a file has room for, are looked at once each', async () => {
  const { leaf, key } = await createPair('a.test');
  // A pattern that looks for each one's end to the end of the file takes hours for these.
  const begun = '-----BEGIN CERTIFICATE REQUEST-----\n'.repeat(29_000);
  expect(await found([{ source: 'a.pem', text: `${begun}${key}${begun}${leaf}` }], nobody)).toEqual({
    names: [['a.pem', 'DNS:a.test', 0]],
    notTaken: [],
  });
  const torn = [
    { source: 'a.crt', text: leaf.slice(0, -20) },
    { source: 'a.key', text: `${key.slice(0, -20)}\n${key}` },
  ];
  expect((await found(torn, nobody)).notTaken).toEqual([
    { source: 'a.crt', outcome: 'refused', why: 'a certificate in it does not parse' },
    { source: 'a.key', outcome: 'refused', why: 'its private key does not parse' },
    { source: 'a.key', outcome: 'refused', why: 'no certificate here belongs to its private key' },
  ]);
});

/** A certificate whose public key is of an algorithm that no program knows: the object identifier of elliptic curves with another end. */
function ofUnknownKey(pem: string): string {
  const der = Buffer.from(new X509Certificate(pem).raw);
  der.write('7f', der.indexOf('06072a8648ce3d0201', 'hex') + 8, 'hex');
  return `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
}

test('a certificate whose key no program here knows keeps none of the others from it, be it a leaf or one of a CA', async () => {
  const [a, b] = [await createPair('a.test'), await createPair('b.test')];
  expect(() => new X509Certificate(ofUnknownKey(a.leaf)).publicKey).toThrow();
  const files = [
    { source: 'odd.pem', text: `${ofUnknownKey(a.leaf)}${a.key}` },
    { source: 'odd-ca.pem', text: ofUnknownKey(chain) },
    { source: 'b.pem', text: `${b.leaf}${b.key}` },
  ];
  expect(await found(files, nobody)).toEqual({
    names: [['b.pem', 'DNS:b.test', 0]],
    notTaken: [
      { source: 'odd.pem', outcome: 'refused', why: 'no private key here belongs to its certificate' },
      { source: 'odd.pem', outcome: 'refused', why: 'no certificate here belongs to its private key' },
    ],
  });
});

test('a CA without a name keeps nothing from what is next to it, and is found for what it issued', async () => {
  const pem = (name: string) => readFileSync(join(temporary.path, name), 'utf8');
  const openssl = (line: string) => execFileSync('openssl', line.split(' '), { cwd: temporary.path, stdio: 'ignore' });
  const key = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 10 -subj /';
  openssl(`req -x509 ${key} -keyout root.key -out root.crt -addext basicConstraints=critical,CA:TRUE`);
  const signed = '-CA root.crt -CAkey root.key';
  openssl(`req -x509 ${key} -keyout own.key -out own.crt ${signed} -addext subjectAltName=critical,DNS:own.test`);
  expect(new X509Certificate(pem('root.crt')).subject).toBeUndefined();
  const a = await createPair('a.test');
  const files = [
    { source: 'root.crt', text: pem('root.crt') },
    { source: 'own.pem', text: `${pem('own.crt')}${pem('own.key')}` },
    { source: 'a.pem', text: `${a.leaf}${a.key}` },
  ];
  expect(await found(files, nobody)).toEqual({
    names: [
      ['own.pem', 'DNS:own.test', 0],
      ['a.pem', 'DNS:a.test', 0],
    ],
    notTaken: [],
  });
});

test('a key is compared by its public half once, however many certificates there are', async () => {
  const pairs = await Promise.all(Array.from({ length: 40 }, (_, n) => createPair(`n${n}.test`)));
  const files = pairs.flatMap(({ leaf, key }, n) => [
    { source: `${n}.crt`, text: `${leaf}${chain}` },
    { source: `${n}.key`, text: key },
  ]);
  const halves = vi.spyOn(KeyObject.prototype, 'equals');
  const { certificates, notTaken } = await findPairs(files, nobody);
  expect([certificates.length, notTaken, halves.mock.calls.length]).toEqual([40, [], expect.any(Number)]);
  // Those of the chain; each certificate with each key would be 820.
  expect(halves.mock.calls.length).toBeLessThan(200);
  halves.mockRestore();
  expect(
    certificates.every(({ certificate, key }) =>
      new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key)),
    ),
  ).toBe(true);
});
