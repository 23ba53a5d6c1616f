/** Tests that no secret of a manager is on its bus, in its replica, in its log at any level, or in an error. */
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { type KeyType, open, parseIdentityFile } from '@certbus/events';
import { openReplica, synchronize } from '@certbus/replica';
import { openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { findSecrets, type ScannedSecret, secretsOfKey, secretText, temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Manager } from '../index.ts';
import { configFor, createSite, type Site, withManager } from './manager.builders.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let dns: DnsServer;
let ca: AcmeServer;

/** How an age file begins, in base64. */
const SEALED = /YWdlLWVuY3J5cHRpb24ub3JnL3Yx[A-Za-z0-9+/]+=*/g;
const eab = { kid: 'kid-1', hmacKey: Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url') };

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({
    validation: { dnsServer: dns.address },
    externalAccountRequired: true,
    externalAccounts: [eab],
  });
});
afterAll(async () => {
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

/** Every commit's text, and the bytes of the store's files and of a replica that has taken all. */
async function readEverything({ address, trust }: Site): Promise<{ readonly commits: string; readonly files: string }> {
  const path = `${folder.path}/replica/client.db`;
  const log = await openLog(address);
  const replica = await openReplica({ path, busId: trust.busId });
  try {
    await synchronize(replica, openBus(log, 'test', { trust }));
    const { commits, end } = await log.read('test', 0, { limit: 10_000, consistent: true });
    expect(end).toBe(true);
    const text = commits.map(({ bytes }) => Buffer.from(bytes).toString()).join('');
    await replica.close();
    const bus = address.replace(/^sqlite:|#.*$/g, '');
    const files = [bus, `${bus}-wal`, path].map((file) => readFileSync(file).toString('latin1')).join('\n');
    return { commits: text, files };
  } finally {
    await replica.close();
    await log.close();
  }
}

/** Whatever is sealed in a text and opens for one of these age files. */
async function opened(text: string, files: readonly string[]): Promise<string[]> {
  const identities = await Promise.all(files.map((file) => parseIdentityFile(file)));
  const found = [...new Set(text.match(SEALED))].flatMap((sealed) =>
    identities.map(({ identity }) => open(sealed, identity).catch(() => '')),
  );
  return (await Promise.all(found)).filter(Boolean);
}

/** Does everything that makes, uses or changes a key; what fails is noted. */
async function liveThrough(manager: Manager, note: (...words: unknown[]) => void): Promise<void> {
  const keyTypes: readonly KeyType[] = ['P-256', 'P-384', 'RSA-2048'];
  for (const keyType of keyTypes) {
    const names = [`${keyType.toLowerCase()}.test`];
    const { certificateId } = await manager.issue({ names, keyType, challengeType: 'dns-01' }, { signal });
    await manager.renew(certificateId, { signal });
  }
  const { certificateId } = await manager.issue({ names: ['revoked.test'] }, { signal });
  await manager.rollOverAccounts({ signal });
  await manager.revoke({ certificateId, reason: 'keyCompromise' }, { signal });
  await manager.issue({ names: ['a.test'], profile: 'none-such' }, { signal }).catch(note);
  ca.faults.inject({ kind: 'status', status: 500 }, { resource: 'finalize', times: 20 });
  await manager.issue({ names: ['failing.test'] }, { signal }).catch(note);
  ca.faults.clear();
  await manager.runOnce({ signal }).then(note, note);
}

test('no secret is on the bus, in a replica, in the log of any level or in an error, in any form', async () => {
  const config = configFor(ca, { url: dns.url, dns: dns.address }) as { authorities: { pebble: object } };
  const authorities = { pebble: { ...config.authorities.pebble, eab } };
  const site = await createSite(`${folder.path}/bus.db`, { ...config, authorities });
  const said: string[] = [];
  const note = (...words: unknown[]) =>
    void said.push(inspect(words, { depth: 10, showHidden: true, maxArrayLength: null }));
  const logger = { debug: note, info: note, warn: note, error: note };
  await withManager(site, { holder: 'one', logger }, (manager) => liveThrough(manager, note));

  const { commits, files } = await readEverything(site);
  const texts = await opened(commits, [site.managerKey, ...site.identities]);
  const keys = [...new Set(texts.filter((text) => text.includes('PRIVATE KEY')))];
  // Eight certificates' and those that failed; the account's, and the one after it.
  expect(keys.length).toBeGreaterThanOrEqual(11);
  expect(texts.some((text) => text.includes(eab.hmacKey))).toBe(true);
  const lines = [site.managerKey, site.rootKey, ...site.identities].flatMap((file) => file.split('\n'));
  const secrets: ScannedSecret[] = [
    ...keys.flatMap((pem, n) => secretsOfKey(`key ${n}`, pem)),
    ...lines
      .filter((line) => /^(AGE-SECRET-KEY|CERTBUS-(SIGNING|ROOT)-KEY)/.test(line))
      .map((line) => secretText('a key file', line)),
    secretText('the key of the account binding', eab.hmacKey),
    { name: 'the key of the account binding, decoded', bytes: Buffer.from(eab.hmacKey, 'base64url') },
  ];
  expect(secrets.length).toBeGreaterThan(keys.length + 4);
  expect(said.some((line) => line.includes('ACME request'))).toBe(true);
  expect(findSecrets(commits, secrets)).toEqual([]);
  expect(findSecrets(said.join('\n'), secrets)).toEqual([]);
  expect(findSecrets(files, secrets)).toEqual([]);
});
