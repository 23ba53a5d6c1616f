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

/** What a vault's file holds, read as anybody with the file would. */
function keptIn(path: string): { readonly certificateId: string; readonly sealed: Buffer }[] {
  using database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare('SELECT certificate_id, sealed FROM keys').all();
  return rows.map((row) => ({
    certificateId: String(row['certificate_id']),
    sealed: Buffer.from(row['sealed'] as Uint8Array),
  }));
}

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

test('a key that opens but belongs to another certificate is refused, and not kept', async () => {
  const path = join(folder.path, 'mismatch.keys');
  const other = await bus.issue(['other.test']);
  const swapped = { ...issued, sealedKey: await seal(other.privateKey, [{ name: 'self', ...self }]) };
  const vault = await openKeyVault({ path, busId, ...self });
  const refused = { code: 'CERTBUS_EVENTS_KEY_MISMATCH' };
  await expect(vault.privateKey('certificate1', swapped)).rejects.toMatchObject(refused);
  await nextTurn();
  expect(keptIn(path)).toEqual([]);
  await expect(vault.privateKey('certificate1', swapped)).rejects.toMatchObject(refused);
  expect(await vault.privateKey('certificate1', issued)).toBe(made.privateKey);
  vault.close();
});

test('every key is sealed with a nonce of its own, the same key again as well', async () => {
  const path = join(folder.path, 'nonces.keys');
  const vault = await openKeyVault({ path, busId, ...self });
  const ids = Array.from({ length: 20 }, (_, n) => `certificate${n}`);
  for (const id of ids) await vault.privateKey(id, issued);
  await nextTurn();
  vault.close();
  const kept = keptIn(path);
  expect(kept.map(({ certificateId }) => certificateId).toSorted()).toEqual(ids.toSorted());
  expect(new Set(kept.map(({ sealed }) => sealed.subarray(0, 12).toString('hex'))).size).toBe(ids.length);
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
