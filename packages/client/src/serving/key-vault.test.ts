import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createIdentity, type IssuedCertificate, parseIdentityFile, seal } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { createTestBus } from '../testing.ts';
import { openKeyVault } from './key-vault.ts';

const folder = temporaryFolder();
const bus = await createTestBus();
const made = await bus.issue(['a.test']);
const leaf = made.certificate.replace(/-----[^-]+-----|\s/g, '');
const self = await parseIdentityFile(await createIdentity());
const sealedKey = await seal(made.privateKey, [{ name: 'self', ...self }]);
const issued = { leaf, leafHash: 'h'.repeat(43), sealedKey } as IssuedCertificate;
/** The same certificate with a key on the bus that nobody can open: only the vault can answer for it. */
const unreadable = { ...issued, sealedKey: 'AAAA' };
const busId = 'b'.repeat(43);
const nextTurn = () => new Promise((resolve) => setTimeout(resolve, 20));

afterAll(async () => {
  await bus.close();
  folder.remove();
});

test("a key that was opened once is opened again without the bus's sealed text, after a restart too", async () => {
  const path = join(folder.path, 'one.keys');
  const vault = await openKeyVault({ path, busId, ...self });
  await expect(vault.privateKey('certificate1', unreadable)).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_NOT_OPENED',
  });
  expect(await vault.privateKey('certificate1', issued)).toBe(made.privateKey);
  await nextTurn();
  vault.close();
  const again = await openKeyVault({ path, busId, ...self });
  expect(await again.privateKey('certificate1', unreadable)).toBe(made.privateKey);
  await expect(again.privateKey('certificate2', unreadable)).rejects.toThrow();
  again.forget('certificate1');
  await nextTurn();
  await expect(again.privateKey('certificate1', unreadable)).rejects.toThrow();
  again.close();
});

test('the file is for its user only, and holds no key in the clear', async () => {
  const path = join(folder.path, 'two.keys');
  const vault = await openKeyVault({ path, busId, ...self });
  await vault.privateKey('certificate1', issued);
  await nextTurn();
  vault.close();
  expect(statSync(path).mode & 0o777).toBe(0o600);
  const bytes = readFileSync(path).toString('latin1');
  expect(bytes).toContain('certificate1');
  expect(bytes).not.toContain('PRIVATE KEY');
  expect(bytes).not.toContain(made.privateKey.split('\n')[1]);
});

test('two processes that begin one vault at the same moment share its key', async () => {
  const path = join(folder.path, 'three.keys');
  const [one, two] = await Promise.all([
    openKeyVault({ path, busId, ...self }),
    openKeyVault({ path, busId, ...self }),
  ]);
  await one.privateKey('certificate1', issued);
  await nextTurn();
  expect(await two.privateKey('certificate1', unreadable)).toBe(made.privateKey);
  one.close();
  two.close();
});

test('another identity, another bus or a damaged file get nothing out of it, and it is begun anew', async () => {
  const path = join(folder.path, 'four.keys');
  const vault = await openKeyVault({ path, busId, ...self });
  await vault.privateKey('certificate1', issued);
  await nextTurn();
  vault.close();
  const elsewhere = await openKeyVault({ path, busId: 'c'.repeat(43), ...self });
  await expect(elsewhere.privateKey('certificate1', unreadable)).rejects.toThrow();
  elsewhere.close();
  const stranger = await openKeyVault({ path, busId, ...(await parseIdentityFile(await createIdentity())) });
  await expect(stranger.privateKey('certificate1', unreadable)).rejects.toThrow();
  stranger.close();
  writeFileSync(path, 'no database');
  const anew = await openKeyVault({ path, busId, ...self });
  expect(await anew.privateKey('certificate1', issued)).toBe(made.privateKey);
  anew.close();
});

test('a vault with a view without end in the place of its keys is begun again', async () => {
  const path = join(folder.path, 'view.keys');
  (await openKeyVault({ path, busId, ...self })).close();
  const database = new DatabaseSync(path);
  database.exec(`DROP TABLE keys; CREATE VIEW keys AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
    SELECT 'a' AS certificate_id, 'b' AS leaf_hash, x'61' AS sealed FROM n WHERE i < 0`);
  database.close();
  const vault = await openKeyVault({ path, busId, ...self });
  expect(await vault.privateKey('certificate1', issued)).toBe(made.privateKey);
  vault.close();
});
