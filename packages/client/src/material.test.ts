import { execFile } from 'node:child_process';
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { promisify } from 'node:util';
import { createIdentity, parseIdentityFile, parseTrust, seal } from '@certbus/events';
import { openReplica, synchronize } from '@certbus/replica';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { type MaterialSource, openMaterial } from './material.ts';
import { createTestBus, type TestBus } from './testing.ts';

async function newBus(): Promise<TestBus> {
  const bus = await createTestBus();
  onTestFinished(() => bus.close());
  return bus;
}

async function follow({ bus, identity, trust }: TestBus): Promise<MaterialSource> {
  const source = await openMaterial({ bus, identity, trust, replica: ':memory:', intervalMs: 100 });
  onTestFinished(() => source.close());
  return source;
}

const changeOf = (source: MaterialSource, certificateId: string): Promise<{ readonly removed: boolean }> =>
  new Promise((resolve) => {
    source.on('changed', (change) => {
      if (change.certificateId === certificateId) resolve(change);
    });
  });

test('lists certificates, with the chain and the opened key of each as PEM', async () => {
  const bus = await newBus();
  const one = await bus.issue(['one.test', 'www.one.test']);
  const two = await bus.issue(['two.test']);
  const source = await follow(bus);
  const listed = [...source.certificates()];
  expect(new Set(listed.map(({ serialNumber }) => serialNumber))).toEqual(
    new Set([one.serialNumber, two.serialNumber]),
  );
  for (const { certificateId, names, notAfter } of listed) {
    const material = await source.material(certificateId);
    const leaf = new X509Certificate(material?.cert ?? '');
    expect(leaf.checkPrivateKey(createPrivateKey(material?.key ?? ''))).toBe(true);
    expect(leaf.subjectAltName).toBe(names.map((name) => `DNS:${name}`).join(', '));
    expect(leaf.validToDate.getTime()).toBe(notAfter.getTime());
    expect(material?.cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    expect(new X509Certificate(bus.roots).fingerprint256).toBe(
      new X509Certificate(material?.cert.replace(/^.*?END CERTIFICATE-----\n/s, '') ?? '').fingerprint256,
    );
  }
});

test('ranks what can be served for a name, exact names before wildcards', async () => {
  const bus = await newBus();
  await bus.issue(['*.a.test', 'a.test']);
  const exact = await bus.issue(['www.a.test']);
  const source = await follow(bus);
  expect(source.ranking('www.a.test').candidates.map(({ issued }) => issued.names)).toEqual([
    ['www.a.test'],
    ['*.a.test', 'a.test'],
  ]);
  const [best] = source.ranking('www.a.test').candidates;
  expect(best && (await source.open(best)).certificateId).toBe(exact.certificateId);
  expect(source.isCovered('other.test')).toBe(false);
  expect(source.ranking('other.test')).toEqual({ candidates: [], until: undefined, hasKeyTypes: false });
});

test('signals a renewal and a removal, and gives what is to be served from then on', async () => {
  const bus = await newBus();
  const { certificateId } = await bus.issue(['a.test']);
  const source = await follow(bus);
  const renewed = changeOf(source, certificateId);
  const { serialNumber } = await bus.issue(['a.test']);
  expect(await renewed).toMatchObject({ removed: false });
  expect((await source.material(certificateId))?.issued.serialNumber).toBe(serialNumber);
  const removed = new Promise((resolve) => {
    source.on('changed', (change) => change.removed && resolve(change));
  });
  await bus.remove(certificateId);
  expect(await removed).toMatchObject({ certificateId, names: ['a.test'] });
  expect(await source.material(certificateId)).toBeUndefined();
  expect([...source.certificates()]).toEqual([]);
});

/** The certificates whose keys are in the vaults of a state folder. */
function keptKeys(folder: string): string[] {
  const vaults = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.keys'));
  return vaults.flatMap((name) => {
    using database = new DatabaseSync(join(folder, name), { readOnly: true });
    return database
      .prepare('SELECT certificate_id FROM keys')
      .all()
      .map((row) => String(row['certificate_id']));
  });
}

test('the key of a certificate that was removed is kept no longer, and those of others are', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const bus = await newBus();
  const [kept, removed] = [await bus.issue(['kept.test']), await bus.issue(['removed.test'])];
  const { identity, trust } = bus;
  const source = await openMaterial({ bus: bus.bus, identity, trust, stateDirectory: folder.path, intervalMs: 100 });
  onTestFinished(() => source.close());
  for (const { certificateId } of [kept, removed])
    expect((await source.material(certificateId))?.certificateId).toBe(certificateId);
  const all = [kept.certificateId, removed.certificateId].toSorted();
  await expect.poll(() => keptKeys(folder.path).toSorted()).toEqual(all);
  const change = changeOf(source, removed.certificateId);
  await bus.remove(removed.certificateId);
  expect(await change).toMatchObject({ removed: true });
  await expect.poll(() => keptKeys(folder.path)).toEqual([kept.certificateId]);
});

test('the key of a certificate that was removed while nothing ran is gone once the client has caught up', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const bus = await newBus();
  const [kept, removed] = [await bus.issue(['kept.test']), await bus.issue(['removed.test'])];
  const { identity, trust } = bus;
  const options = { bus: bus.bus, identity, trust, stateDirectory: folder.path, intervalMs: 100 };
  const before = await openMaterial(options);
  for (const { certificateId } of [kept, removed]) await before.material(certificateId);
  await before.close();
  expect(keptKeys(folder.path).toSorted()).toEqual([kept.certificateId, removed.certificateId].toSorted());
  await bus.remove(removed.certificateId);
  const [replica = ''] = readdirSync(folder.path).filter((name) => name.endsWith('.db'));
  const other = await openReplica({ path: join(folder.path, replica), busId: parseTrust(trust).busId });
  await synchronize(other, bus.bus);
  await other.close();
  const source = await openMaterial(options);
  onTestFinished(() => source.close());
  await expect.poll(() => keptKeys(folder.path)).toEqual([kept.certificateId]);
});

test('a successor whose key does not open leaves its predecessor in service, with one alarm', async () => {
  const bus = await newBus();
  const before = await bus.issue(['a.test']);
  const source = await follow(bus);
  const alarms: Error[] = [];
  source.on('alarm', (error) => alarms.push(error));
  const stranger = await parseIdentityFile(await createIdentity());
  const changed = changeOf(source, before.certificateId);
  const other = await bus.issue(['other.test']);
  const { certificateId } = before;
  await bus.append({
    type: 'CertificateObtained',
    issuanceId: 'issuance0001',
    certificateId,
    reason: 'renewal',
    names: ['a.test'],
    leaf: new X509Certificate(other.certificate).raw.toString('base64'),
    issuers: [],
    sealedKey: await seal(other.privateKey, [{ name: 'stranger', recipient: stranger.recipient }]),
    serialNumber: 'BAD0',
    notBefore: new Date(Date.now() - 1_000).toISOString(),
    notAfter: new Date(Date.now() + 86_400_000 * 90).toISOString(),
    challengeType: 'dns-01',
    directory: 'https://ca.test/directory',
  });
  await changed;
  expect((await source.material(certificateId))?.issued.serialNumber).toBe(before.serialNumber);
  await source.material(certificateId);
  expect(alarms).toMatchObject([{ code: 'CERTBUS_CLIENT_KEY_NOT_OPENED', message: expect.stringContaining('BAD0') }]);
});

test('importing it loads no TLS', async () => {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import(${JSON.stringify(new URL('./material.ts', import.meta.url).href)});
    console.log(JSON.stringify(loaded));`;
  const run = promisify(execFile);
  const args = ['--conditions=certbus:source', '--input-type=module', '-e', script];
  const loaded: string[] = JSON.parse((await run(process.execPath, args)).stdout);
  expect(loaded.some((url) => url.endsWith('/serving/material-source.ts'))).toBe(true);
  expect(loaded.filter((url) => /^node:(tls|https)$|\/client\/src\/tls\//.test(url))).toEqual([]);
});
