/** Tests of certificates that come from other programs: imported, watched, renewed, and exported again. */
import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { createIssuer, createKeys, createLeaf, privateKeyPem, requirePart, temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';
import { commitsOf, sealedKeysIn } from './site.builders.ts';

const DAY_MS = 86_400_000;
const folder = temporaryFolder();
const at = (...names: string[]) => join(folder.path, ...names);
const run = (...args: string[]) => certbus(folder.path, args);
const issuer = await createIssuer('Purchased', await createIssuer('Root'));
let dns: DnsServer;
let ca: AcmeServer;

/** Files of a pair: both in one. */
async function writePair(
  file: string,
  name: string,
  { days = 90, from = -1, by = issuer, others = [] as readonly string[] } = {},
): Promise<string> {
  const keys = await createKeys();
  const day = (count: number) => new Date(Date.now() + count * DAY_MS);
  const dates = { notBefore: day(from), notAfter: day(days) };
  const leaf = await createLeaf({ issuer: by, names: [name, ...others], publicKey: keys.publicKey, ...dates });
  const key = await privateKeyPem(keys);
  writeFileSync(at(file), `${leaf.toString('pem')}\n${by.certificate.toString('pem')}\n${key}`);
  return createPrivateKey(key).export({ type: 'pkcs8', format: 'pem' }).toString();
}

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
  writeFileSync(at('roots.pem'), ca.roots);
  const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url, '--resolver', dns.address];
  const init = await run('init', '--agree-tos', '--directory', ca.directory, '--roots', 'roots.pem', ...provider);
  expect(init.status).toBe(0);
  mkdirSync(at('shop'));
});
afterAll(async () => {
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

const outcomesOf = (ended: Awaited<ReturnType<typeof run>>): Record<string, string> =>
  Object.fromEntries(
    resultOf(ended).certificates.map((each: { source: string; outcome: string }) => [each.source, each.outcome]),
  );

test('a folder is imported once: what is good, each for itself; the keys are on the bus sealed, and nowhere else', async () => {
  const key = await writePair('shop/a.pem', 'a.import.test');
  await writePair('shop/b.pem', 'b.import.test', { days: 10, from: -80 });
  await writePair('shop/ended.pem', 'c.import.test', { days: -1, from: -90 });
  await writePair('shop/older.pem', 'a.import.test', { from: -5 });
  writeFileSync(at('shop/twice.pem'), readFileSync(at('shop/a.pem')));
  writeFileSync(
    at('shop/stray.key'),
    generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
  );
  const expected = {
    'a.pem': 'imported',
    'b.pem': 'imported',
    'ended.pem': 'skipped',
    'older.pem': 'skipped',
    'twice.pem': 'skipped',
    'stray.key': 'refused',
  };
  const dry = await run('cert', 'import', 'shop', '--dry-run', '--json');
  expect([dry.status, outcomesOf(dry)]).toEqual([3, expected]);
  expect((await run('bus', 'log', '--type', 'CertificateImported')).stdout).toBe('');
  const first = await run('cert', 'import', 'shop');
  expect(first).toMatchObject({ status: 3, stderr: expect.stringContaining('2 imported, 3 skipped, 1 refused') });
  expect(first.stderr).toContain('stray.key: no certificate here belongs to its private key');
  expect(first.stderr).toContain('2 imported certificates watched but not renewed');
  const again = await run('cert', 'import', 'shop', '--json');
  expect(outcomesOf(again)).toEqual({ ...expected, 'a.pem': 'unchanged', 'b.pem': 'unchanged' });
  const commits = await commitsOf(folder.path);
  expect(await sealedKeysIn(commits, [readFileSync(at('loadbalancer.key'), 'utf8')])).toContain(key);
  expect(await sealedKeysIn(commits, [readFileSync(at('manager.key'), 'utf8')])).not.toContain(key);
  const written = [dry, first, again].map(({ stdout, stderr }) => stdout + stderr).join('');
  expect(written + commits).not.toContain('PRIVATE KEY');
});

test('what the bus cannot hold is refused by itself, and keeps none of the others from it', async () => {
  mkdirSync(at('odd'));
  writeFileSync(at('odd/a.pem'), readFileSync(at('shop/a.pem')));
  await writePair('odd/many.pem', 'many.test', { others: Array.from({ length: 100 }, (_, n) => `n${n}.test`) });
  await writePair('odd/large.pem', 'large.test', { by: await createIssuer('x'.repeat(120_000), issuer) });
  const odd = await run('cert', 'import', 'odd', '--json');
  expect([odd.status, outcomesOf(odd)]).toEqual([
    3,
    { 'a.pem': 'unchanged', 'many.pem': 'refused', 'large.pem': 'refused' },
  ]);
  expect(JSON.parse(odd.stdout).error.message).toMatch(/large\.pem: it is larger.*many\.pem: it has 101 names/);
});

test('what is imported is watched: listed, checked, counted, and not renewed by a run', async () => {
  const rows = resultOf(await run('cert', 'ls', '--json')).certificates;
  const statuses = rows.map((row: { names: string[]; status: string }) => [row.names.join(), row.status]);
  expect(Object.fromEntries(statuses)).toEqual({ 'a.import.test': 'valid', 'b.import.test': 'expiring' });
  const checked = await run('cert', 'check');
  expect(checked.status).toBe(10);
  expect(checked.stdout).toContain('it was imported, and is not renewed here');
  expect((await run('cert', 'status', 'b.import.test')).stdout).toMatch(/status +expiring: it was imported/);
  expect((await run('cert', 'renewable', '--renew-all')).status).toBe(0);
  expect((await run('bus', 'log', '--type', 'IssuanceStarted')).stdout).toBe('');
});

test('with --manage it is renewed from now on, by the certificate that it has, also where it was imported before', async () => {
  const managed = await run('cert', 'import', 'shop/b.pem', '--manage', '--json');
  expect(resultOf(managed).certificates).toMatchObject([{ outcome: 'managed', renewedAt: ca.directory }]);
  const renewed = await run('cert', 'renewable', '--renew-all');
  expect(renewed).toMatchObject({ status: 0, stdout: expect.stringContaining('b.import.test') });
  const [, made] = [await run('cert', 'mk', '--subdomain', 'a.import.test'), await run('cert', 'ls', '--json')];
  const rows = resultOf(made).certificates;
  expect(rows).toHaveLength(2);
  for (const row of rows) expect(row).toMatchObject({ status: 'valid', directory: ca.directory });
  expect(outcomesOf(await run('cert', 'import', 'shop/b.pem', '--json'))).toEqual({ 'shop/b.pem': 'skipped' });
});

test('what no CA would issue stays as it was imported where it is to be renewed', async () => {
  await writePair('service.pem', '_service.import.test');
  expect((await run('cert', 'import', 'service.pem')).status).toBe(0);
  const renewed = await run('cert', 'renew', '_service.import.test', '--yes');
  expect(renewed).toMatchObject({ status: 2, stderr: expect.stringContaining('has an underscore') });
  const { status, directory } = resultOf(await run('cert', 'ls', '--json', '--name', '_service.*')).certificates[0];
  expect({ status, directory }).toEqual({ status: 'valid', directory: undefined });
  expect((await run('cert', 'rm', '_service.import.test', '--yes')).status).toBe(0);
});

describe('what is exported', () => {
  const PASSWORD = 'pass word';
  const modeOf = (file: string) => statSync(at(file)).mode & 0o777;
  const read = (program: string, ...args: string[]) =>
    execFileSync(program, args, {
      cwd: folder.path,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, PASSWORD },
    });

  test('is the pair that the bus has, for the holder of an identity and nobody else', async () => {
    const [first] = resultOf(await run('cert', 'export', 'a.import.test', '--out', 'a.pem', '--json')).files;
    expect([first, modeOf('a.pem')]).toEqual(['a.pem', 0o600]);
    const both = readFileSync(at('a.pem'), 'utf8');
    expect(new X509Certificate(both).checkPrivateKey(createPrivateKey(both))).toBe(true);
    const apart = ['--identity', 'backup.key', '--out', 'chain.pem', '--key-out', 'key.pem'];
    const told = await run('cert', 'export', 'a.import.test', ...apart);
    expect(told).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/^wrote key\.pem and chain\.pem: a\.import\.test/),
    });
    expect(readFileSync(at('chain.pem'), 'utf8') + readFileSync(at('key.pem'), 'utf8')).toBe(both);
    writeFileSync(at('other.key'), (await run('keygen', 'loadbalancer')).stdout, { mode: 0o600 });
    const other = await run(
      'cert',
      'export',
      'a.import.test',
      '--identity',
      'other.key',
      '--out',
      'none.pem',
      '--json',
    );
    expect(JSON.parse(other.stdout).error.code).toBe('CERTBUS_EVENTS_NOT_OPENED');
    expect(readdirSync(folder.path)).not.toContain('none.pem');
    expect(told.stdout + told.stderr + other.stderr).not.toContain('PRIVATE KEY');
  });

  test('never takes the place of a file unasked, and then all of it at once', async () => {
    writeFileSync(at('mine.pem'), 'mine', { mode: 0o644 });
    const args = ['cert', 'export', 'a.import.test', '--out', 'chain2.pem', '--key-out', 'mine.pem'];
    const refused = await run(...args);
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining('mine.pem is there already') });
    expect([readFileSync(at('mine.pem'), 'utf8'), readdirSync(folder.path).includes('chain2.pem')]).toEqual([
      'mine',
      false,
    ]);
    expect((await run(...args, '--force')).status).toBe(0);
    expect([modeOf('mine.pem'), readFileSync(at('mine.pem'), 'utf8')]).toEqual([
      0o600,
      readFileSync(at('key.pem'), 'utf8'),
    ]);
  });

  test('as PKCS#12 opens with openssl, and with its password alone', async () => {
    writeFileSync(at('password.txt'), `${PASSWORD}\n`, { mode: 0o600 });
    const args = ['cert', 'export', 'a.import.test', '--format', 'pkcs12', '--out', 'a.p12'];
    expect((await run(...args)).status).toBe(2);
    expect((await run(...args, '--password-file', 'password.txt')).status).toBe(0);
    expect(modeOf('a.p12')).toBe(0o600);
    const open = (...more: string[]) => read('openssl', 'pkcs12', '-in', 'a.p12', '-passin', 'env:PASSWORD', ...more);
    const leaf = new X509Certificate(open('-nokeys', '-clcerts'));
    expect(leaf.raw.equals(new X509Certificate(readFileSync(at('a.pem'), 'utf8')).raw)).toBe(true);
    expect(leaf.checkPrivateKey(createPrivateKey(open('-nocerts', '-nodes')))).toBe(true);
    expect(() => read('openssl', 'pkcs12', '-in', 'a.p12', '-passin', 'pass:other', '-noout')).toThrow();
  });

  const keytool = requirePart('keytool');
  test.skipIf(keytool.skip)(keytool.title('as PKCS#12 is listed by Java under its name'), () => {
    const listed = read('keytool', '-list', '-v', '-keystore', 'a.p12', '-storepass:env', 'PASSWORD');
    expect(listed).toContain('Alias name: a.import.test');
    expect(listed).toContain('Entry type: PrivateKeyEntry');
  });
});
