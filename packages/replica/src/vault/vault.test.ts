import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createIdentity, type ManagedCertificate, parseIdentityFile } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { beginStory, obtained } from '../replica.builders.ts';
import { openReplica } from '../replica.ts';
import { startKeeper } from '../writer/calls.ts';
import { answerOver, type VaultCall } from './calls.ts';
import { createNoteWriter, openVaultToWrite } from './file.ts';
import { keyedLeaf } from './vault.builders.ts';
import { type KeyVault, openKeyVault, type StartKeeper } from './vault.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const { owner, privateKey, leaf, unreadable } = await keyedLeaf();
const busId = 'b'.repeat(43);
const NOT_OPENED = { code: 'CERTBUS_EVENTS_NOT_OPENED' };
const pathOf = (name: string) => join(folder.path, `${name}.keys`);

/** A vault whose keeper is on this thread. */
const open = (path: string, more: { replica?: string; busId?: string; owner?: typeof owner } = {}): Promise<KeyVault> =>
  openKeyVault({ path, busId: more.busId ?? busId, replica: more.replica, ...(more.owner ?? owner) }, startKeeper);

/** A vault in memory, whose keeper opens nothing but answers what it is told to. */
async function openWith(answer: (call: VaultCall) => unknown): Promise<KeyVault> {
  const start: StartKeeper = (port) => answerOver(port, (call) => (call.kind === 'begin' ? {} : answer(call)));
  return openKeyVault({ path: undefined, replica: undefined, busId, ...owner }, start);
}

/** What a vault's file holds, read as anybody with the file would. */
function keptIn(path: string): { readonly id: string; readonly leafHash: string; readonly sealed: Buffer }[] {
  using database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare('SELECT certificate_id, leaf_hash, sealed FROM keys ORDER BY certificate_id').all();
  return rows.map((row) => ({
    id: String(row['certificate_id']),
    leafHash: String(row['leaf_hash']),
    sealed: Buffer.from(row['sealed'] as Uint8Array),
  }));
}

const idsIn = (path: string): string[] => keptIn(path).map(({ id }) => id);

test('a key that was sealed again, and does not open, is opened by the text before', async () => {
  const vault = await open(pathOf('resealed'));
  const resealed = { ...unreadable, formerSealedKey: leaf.sealedKey };
  expect(await vault.privateKey('certificate1', resealed)).toBe(privateKey);
  await expect(vault.privateKey('certificate2', { ...unreadable, formerSealedKey: 'AAAA' })).rejects.toMatchObject(
    NOT_OPENED,
  );
  await vault.close();
});

test("a key that was opened once is opened again without the bus's sealed text, after a restart too", async () => {
  const path = pathOf('one');
  const vault = await open(path);
  await expect(vault.privateKey('certificate1', unreadable)).rejects.toMatchObject(NOT_OPENED);
  expect(await vault.privateKey('certificate1', leaf)).toBe(privateKey);
  await expect.poll(() => idsIn(path)).toEqual(['certificate1']);
  expect(await vault.privateKey('certificate1', unreadable)).toBe(privateKey);
  await vault.close();
  const again = await open(path);
  expect(await again.privateKey('certificate1', unreadable)).toBe(privateKey);
  await expect(again.privateKey('certificate2', unreadable)).rejects.toMatchObject(NOT_OPENED);
  await again.close();
});

test('a key that opens but belongs to another certificate is refused, and not kept', async () => {
  const path = pathOf('mismatch');
  const other = await keyedLeaf(owner);
  const swapped = { ...leaf, sealedKey: other.leaf.sealedKey };
  const vault = await open(path);
  const refused = { code: 'CERTBUS_EVENTS_KEY_MISMATCH' };
  await expect(vault.privateKey('certificate1', swapped)).rejects.toMatchObject(refused);
  await expect(vault.privateKey('certificate1', swapped)).rejects.toMatchObject(refused);
  await vault.close();
  expect(keptIn(path)).toEqual([]);
});

test('every key is sealed with a nonce of its own, the same key again as well', async () => {
  const path = pathOf('nonces');
  const vault = await open(path);
  const ids = Array.from({ length: 20 }, (_, n) => `certificate${n}`);
  await Promise.all(ids.map((id) => vault.privateKey(id, leaf)));
  await vault.close();
  const kept = keptIn(path);
  expect(kept.map(({ id }) => id).toSorted()).toEqual(ids.toSorted());
  expect(new Set(kept.map(({ sealed }) => sealed.subarray(0, 12).toString('hex'))).size).toBe(ids.length);
});

/** How many transactions are in a write-ahead log: its frames with a size of the database (sqlite.org/fileformat2.html#walformat). */
function commitsIn(log: Buffer): number {
  const frameBytes = 24 + log.readUInt32BE(8);
  const frames = Array.from({ length: Math.floor((log.length - 32) / frameBytes) }, (_, n) => 32 + n * frameBytes);
  return frames.filter((at) => log.readUInt32BE(at + 4) > 0).length;
}

test('what was opened is written many at a time, and is not flushed', async () => {
  const path = pathOf('together');
  await (await open(path)).close();
  using database = openVaultToWrite(path);
  expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 1 });
  expect(database.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' });
  const write = createNoteWriter(database);
  const sealed = Buffer.from('sealed');
  const notes = Array.from({ length: 100 }, (_, n) => ({
    kind: 'opened' as const,
    certificateId: `certificate${n}`,
    leafHash: 'leaf',
    sealed,
  }));
  write(notes);
  expect(commitsIn(readFileSync(`${path}-wal`))).toBe(1);
  expect(idsIn(path)).toHaveLength(notes.length);
});

test('the file is for its user only, and holds no key in the clear', async () => {
  const path = pathOf('two');
  const vault = await open(path);
  await vault.privateKey('certificate1', leaf);
  await expect.poll(() => idsIn(path)).toEqual(['certificate1']);
  for (const file of [path, `${path}-wal`, `${path}-shm`]) expect(statSync(file).mode & 0o777).toBe(0o600);
  await vault.close();
  const bytes = readFileSync(path).toString('latin1');
  expect(bytes).toContain('certificate1');
  expect(bytes).not.toContain('PRIVATE KEY');
  expect(bytes).not.toContain(privateKey.split('\n')[1]);
});

test('two processes that begin one vault at the same moment share its key', async () => {
  const path = pathOf('three');
  const [one, two] = await Promise.all([open(path), open(path)]);
  expect([one.problem, two.problem]).toEqual([undefined, undefined]);
  await one.privateKey('certificate1', leaf);
  await expect.poll(() => idsIn(path)).toEqual(['certificate1']);
  expect(await two.privateKey('certificate1', unreadable)).toBe(privateKey);
  await Promise.all([one.close(), two.close()]);
});

test.each([
  ['removed', (path: string) => rmSync(path)],
  [
    'removed with its log',
    (path: string) => {
      for (const end of ['', '-wal', '-shm']) rmSync(path + end, { force: true });
    },
  ],
] as const)(
  'a vault that is %s while it is in use is made again, with all that it had, for all that use it',
  async (what, remove) => {
    const path = pathOf(`gone-${what.replaceAll(' ', '-')}`);
    const [one, two] = await Promise.all([open(path), open(path)]);
    await one.privateKey('certificate1', leaf);
    await expect.poll(() => idsIn(path)).toEqual(['certificate1']);
    remove(path);
    await one.privateKey('certificate2', leaf);
    await expect.poll(() => existsSync(path) && idsIn(path)).toEqual(['certificate1', 'certificate2']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await two.privateKey('certificate3', leaf);
    await expect.poll(() => idsIn(path)).toEqual(['certificate1', 'certificate2', 'certificate3']);
    for (const vault of [one, two])
      for (const id of idsIn(path)) expect(await vault.privateKey(id, unreadable)).toBe(privateKey);
    await Promise.all([one.close(), two.close()]);
    const again = await open(path);
    for (const id of idsIn(path)) expect(await again.privateKey(id, unreadable)).toBe(privateKey);
    await again.close();
    expect(readdirSync(folder.path).filter((name) => name.includes('.new-'))).toEqual([]);
  },
);

test('what a process that was killed left of a copy goes at a start, and one that is being made stays', async () => {
  const path = pathOf('copied');
  const left = [`${path}.new-left`, `${path}.new-left-wal`];
  const made = `${path}.new-made`;
  for (const file of [...left, made]) writeFileSync(file, 'copied');
  for (const file of left) utimesSync(file, new Date(0), new Date(0));
  const vault = await open(path);
  expect([...left, made].map((file) => existsSync(file))).toEqual([false, false, true]);
  await vault.close();
});

const asideOf = (path: string): string[] =>
  readdirSync(folder.path).filter((name) => name.startsWith(`${basename(path)}.damaged-`));

test('of vaults that were damaged the last one is kept', async () => {
  const path = pathOf('damaged-twice');
  for (const what of ['no database', 'none either']) {
    writeFileSync(path, what);
    await (await open(path)).close();
  }
  expect(asideOf(path).map((name) => readFileSync(join(folder.path, name), 'utf8'))).toEqual(['none either']);
});

test('another identity, another bus or a damaged file get nothing out of it, and it is begun again', async () => {
  const path = pathOf('four');
  const vault = await open(path);
  await vault.privateKey('certificate1', leaf);
  await vault.close();
  const elsewhere = await open(path, { busId: 'c'.repeat(43) });
  await expect(elsewhere.privateKey('certificate1', unreadable)).rejects.toMatchObject(NOT_OPENED);
  await elsewhere.close();
  const stranger = await open(path, { owner: await parseIdentityFile(await createIdentity()) });
  await expect(stranger.privateKey('certificate1', unreadable)).rejects.toMatchObject(NOT_OPENED);
  await stranger.close();
  writeFileSync(path, 'no database');
  const again = await open(path);
  expect(await again.privateKey('certificate1', leaf)).toBe(privateKey);
  await again.close();
});

/** Where a table or an index of a vault begins in its file. */
function rootOf(path: string, name: string): number {
  using database = new DatabaseSync(path, { readOnly: true });
  const root = database.prepare('SELECT rootpage FROM sqlite_schema WHERE name = ?').get(name)?.['rootpage'];
  const size = database.prepare('PRAGMA page_size').get()?.['page_size'];
  return (Number(root) - 1) * Number(size);
}

function overwrite(path: string, at: number): void {
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(64, 0xff), 0, 64, at);
  closeSync(file);
}

test('a kept key that a bit of flipped in is opened again and kept again', async () => {
  const path = pathOf('flipped');
  const vault = await open(path);
  await vault.privateKey('certificate1', leaf);
  await vault.close();
  const [before] = keptIn(path);
  using database = new DatabaseSync(path);
  const flipped = Buffer.from(before?.sealed ?? []);
  flipped.writeUInt8(flipped.readUInt8(20) ^ 1, 20);
  database.prepare('UPDATE keys SET sealed = ?').run(flipped);
  const again = await open(path);
  await expect(again.privateKey('certificate1', unreadable)).rejects.toMatchObject(NOT_OPENED);
  expect(await again.privateKey('certificate1', leaf)).toBe(privateKey);
  await expect.poll(() => keptIn(path)[0]?.sealed.equals(flipped)).toBe(false);
  expect(await again.privateKey('certificate1', unreadable)).toBe(privateKey);
  await again.close();
});

test.each(['keys', 'sqlite_autoindex_keys_1'])(
  'a vault whose page of %s is damaged is begun again with the same key while it is in use, and what is opened from then on is kept for all',
  async (name) => {
    const path = pathOf(`page-of-${name}`);
    const before = await open(path);
    await before.privateKey('certificate1', leaf);
    // It takes the write-ahead log into the file.
    await before.close();
    overwrite(path, rootOf(path, name));
    const [one, two] = await Promise.all([open(path), open(path)]);
    expect([one.problem, two.problem]).toEqual([undefined, undefined]);
    expect(await one.privateKey('certificate1', leaf)).toBe(privateKey);
    await expect.poll(() => asideOf(path)).toHaveLength(1);
    await expect.poll(() => idsIn(path)).toEqual(['certificate1']);
    expect(await one.privateKey('certificate1', unreadable)).toBe(privateKey);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(await two.privateKey('certificate2', leaf)).toBe(privateKey);
    await expect.poll(() => idsIn(path)).toEqual(['certificate1', 'certificate2']);
    // What is removed is removed there.
    two.update('certificate1', undefined);
    await expect.poll(() => idsIn(path)).toEqual(['certificate2']);
    await Promise.all([one.close(), two.close()]);
    expect(asideOf(path)).toHaveLength(1);
    const again = await open(path);
    expect(await again.privateKey('certificate2', unreadable)).toBe(privateKey);
    await again.close();
  },
);

test('what is put in the place of a vault while that is in use is set aside, and what is opened from then on is kept', async () => {
  const path = pathOf('put-there');
  const vault = await open(path);
  await vault.privateKey('certificate1', leaf);
  await expect.poll(() => idsIn(path)).toEqual(['certificate1']);
  rmSync(path);
  writeFileSync(path, 'no database', { mode: 0o600 });
  await vault.privateKey('certificate2', leaf);
  await expect.poll(() => asideOf(path)).toHaveLength(1);
  await expect.poll(() => idsIn(path)).toEqual(['certificate2']);
  await vault.close();
  const again = await open(path);
  expect(await again.privateKey('certificate2', unreadable)).toBe(privateKey);
  await again.close();
});

test('a sweep that meets a damaged page has the vault begun again', async () => {
  const path = pathOf('swept-damaged');
  const replica = await openReplica({ path: join(folder.path, 'swept-damaged.db'), busId });
  onTestFinished(() => replica.close());
  await replica.complete();
  const vault = await open(path);
  await vault.privateKey('certificate1', leaf);
  await vault.close();
  overwrite(path, rootOf(path, 'sqlite_autoindex_keys_1'));
  const again = await open(path, { replica: join(folder.path, 'swept-damaged.db') });
  again.sweep();
  await expect.poll(() => asideOf(path)).toHaveLength(1);
  await expect.poll(() => idsIn(path)).toEqual([]);
  await again.close();
});

test('a vault whose own key does not read is begun again', async () => {
  const path = pathOf('no-key');
  const vault = await open(path);
  await vault.privateKey('certificate1', leaf);
  await vault.close();
  overwrite(path, rootOf(path, 'vault'));
  const again = await open(path);
  expect(again.problem).toBeUndefined();
  await again.privateKey('certificate2', leaf);
  await again.close();
  expect(idsIn(path)).toEqual(['certificate2']);
});

test('a vault with a view without end in the place of its keys is begun again', async () => {
  const path = pathOf('view');
  await (await open(path)).close();
  const database = new DatabaseSync(path);
  database.exec(`DROP TABLE keys; CREATE VIEW keys AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
    SELECT 'a' AS certificate_id, 'b' AS leaf_hash, x'61' AS sealed FROM n WHERE i < 0`);
  database.close();
  const vault = await open(path);
  expect(await vault.privateKey('certificate1', leaf)).toBe(privateKey);
  await vault.close();
  expect(idsIn(path)).toEqual(['certificate1']);
});

test('of a renewed certificate the keys of old leaves go, of a removed one all of them, out of every byte of the files', async () => {
  const path = pathOf('removed');
  const vault = await open(path);
  const ids = { renewed: 'renewed-certificate', removed: 'removed-certificate' };
  for (const [id, leafHash] of [
    [ids.renewed, 'current'],
    [ids.renewed, 'predecessor'],
    [ids.renewed, 'outdated'],
    [ids.removed, 'current'],
  ] as const)
    await vault.privateKey(id, { ...leaf, leafHash });
  await expect.poll(() => keptIn(path)).toHaveLength(4);
  const [first] = keptIn(path).filter(({ id }) => id === ids.removed);
  const issued = (leafHash: string) => ({ leafHash }) as ManagedCertificate['current'];
  vault.update(ids.renewed, {
    current: issued('current'),
    predecessors: [issued('predecessor')],
    removed: false,
  } as unknown as ManagedCertificate);
  vault.update(ids.removed, undefined);
  await expect
    .poll(() => keptIn(path).map(({ id, leafHash }) => `${id} ${leafHash}`))
    .toEqual([`${ids.renewed} current`, `${ids.renewed} predecessor`]);
  const bytes = Buffer.concat([readFileSync(path), readFileSync(`${path}-wal`)]);
  expect(bytes.includes(ids.removed)).toBe(false);
  expect(bytes.includes(first?.sealed ?? '')).toBe(false);
  await vault.close();
});

test('a key whose certificate is removed while it is being opened is not kept', async () => {
  const path = pathOf('in-work');
  const vault = await open(path);
  const opening = vault.privateKey('certificate1', leaf);
  vault.update('certificate1', undefined);
  expect(await opening).toBe(privateKey);
  await vault.close();
  expect(keptIn(path)).toEqual([]);
});

test('a sweep removes what the replica no longer has, and nothing before its first replay is complete', async () => {
  const story = await beginStory();
  const replicaPath = join(folder.path, 'swept.db');
  const replica = await openReplica({ path: replicaPath, busId: story.busId });
  onTestFinished(() => replica.close());
  const path = `${replicaPath}.keys`;
  const vault = await replica.openVault(owner);
  for (const certificateId of ['certificate1', 'certificate2', 'unknown'])
    await vault.privateKey(certificateId, { ...leaf, leafHash: 'old' });
  await expect.poll(() => keptIn(path)).toHaveLength(3);
  vault.sweep();
  await story.say(obtained('certificate1', ['one.test']), obtained('certificate2', ['two.test']));
  await story.say({ type: 'CertificateRemoved', certificateId: 'certificate2' });
  const checkpoint = story.checkpoints.at(-1);
  if (!checkpoint) throw new TypeError('the story has commits');
  await replica.apply(story.commits, checkpoint);
  await replica.complete();
  const leafHash = replica.certificate('certificate1')?.current?.leafHash ?? '';
  await vault.privateKey('certificate1', { ...leaf, leafHash });
  await expect.poll(() => keptIn(path)).toHaveLength(4);
  vault.sweep();
  await expect.poll(() => keptIn(path)).toMatchObject([{ id: 'certificate1', leafHash }]);
  await vault.close();
});

test('while another process writes, keys open, and what was opened is written afterwards', async () => {
  const path = pathOf('busy');
  const vault = await open(path);
  const other = new DatabaseSync(path);
  other.exec('BEGIN IMMEDIATE');
  expect(await vault.privateKey('certificate1', leaf)).toBe(privateKey);
  expect(await vault.privateKey('certificate2', leaf)).toBe(privateKey);
  other.exec('COMMIT');
  await expect.poll(() => idsIn(path)).toEqual(['certificate1', 'certificate2']);
  other.close();
  await vault.close();
});

test('a vault that another process holds for a moment when it is opened is waited for', async () => {
  const path = pathOf('held');
  await (await open(path)).close();
  const other = new DatabaseSync(path);
  other.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
  const began = performance.now();
  const opening = open(path);
  // A try takes half a second, in which it blocks the thread that both are on here.
  while (performance.now() - began < 600) await new Promise((resolve) => setTimeout(resolve, 10));
  other.close();
  const vault = await opening;
  expect(vault.problem).toBeUndefined();
  await vault.close();
});

test('a file without a write-ahead log stays one; while it is locked, a kept key is opened again instead of waited for', async () => {
  const path = pathOf('rollback');
  const first = await open(path);
  await first.privateKey('certificate1', leaf);
  await first.close();
  const other = new DatabaseSync(path);
  other.exec('PRAGMA journal_mode = DELETE');
  const vault = await open(path);
  expect(await vault.privateKey('certificate1', unreadable)).toBe(privateKey);
  other.exec('BEGIN EXCLUSIVE');
  await expect(vault.privateKey('certificate1', unreadable)).rejects.toMatchObject(NOT_OPENED);
  expect(await vault.privateKey('certificate1', leaf)).toBe(privateKey);
  expect(vault.recentNames()).toEqual([]);
  other.exec('COMMIT');
  expect(other.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'delete' });
  other.close();
  await vault.close();
});

test('a vault without a write-ahead log that is removed while it is in use is made again without one', async () => {
  const path = pathOf('rollback-gone');
  await (await open(path)).close();
  const modeOf = () => {
    using database = new DatabaseSync(path, { timeout: 5_000 });
    return database.prepare('PRAGMA journal_mode').get();
  };
  const other = new DatabaseSync(path);
  other.exec('PRAGMA journal_mode = DELETE');
  other.close();
  const vault = await open(path);
  rmSync(path);
  await vault.privateKey('certificate1', leaf);
  await expect.poll(() => existsSync(path) && idsIn(path)).toEqual(['certificate1']);
  expect(modeOf()).toEqual({ journal_mode: 'delete' });
  await vault.close();
});

test('names in use are kept over a restart, the last list of them', async () => {
  const path = pathOf('names');
  const vault = await open(path);
  vault.keepRecentNames(['a.test', 'b.test']);
  vault.keepRecentNames(['b.test']);
  await vault.close();
  const again = await open(path);
  expect(again.recentNames()).toEqual(['b.test']);
  await again.close();
});

test('eight keys are opened at once; those behind them wait, and a kept one does not', async () => {
  const asked: string[] = [];
  let answer = (_: string) => {};
  const opened = new Promise<string>((resolve) => {
    answer = resolve;
  });
  const vault = await openWith((call) => {
    if (call.kind !== 'open') return undefined;
    asked.push(call.certificateId);
    return call.certificateId === 'kept' ? privateKey : opened;
  });
  expect(await vault.privateKey('kept', leaf)).toBe(privateKey);
  const cold = Array.from({ length: 20 }, (_, n) => vault.privateKey(`cold${n}`, leaf));
  await expect.poll(() => asked).toHaveLength(9);
  expect(await vault.privateKey('kept', unreadable)).toBe(privateKey);
  expect(asked).toHaveLength(9);
  answer(privateKey);
  expect(new Set(await Promise.all(cold))).toEqual(new Set([privateKey]));
  expect(asked).toHaveLength(21);
  await vault.close();
});

test('a key is opened on this thread where its keeper is busy, or has ended', async () => {
  const busy = await openWith(({ kind }) => (kind === 'open' ? new Promise(() => {}) : undefined));
  expect(await busy.privateKey('certificate1', leaf)).toBe(privateKey);
  await expect(busy.privateKey('certificate2', unreadable)).rejects.toMatchObject(NOT_OPENED);
  await busy.close();
  const start: StartKeeper = (port) => answerOver(port, ({ kind }) => (kind === 'begin' ? {} : port.close()));
  const ended = await openKeyVault({ path: undefined, replica: undefined, busId, ...owner }, start);
  expect(await ended.privateKey('certificate1', leaf)).toBe(privateKey);
  ended.update('certificate1', undefined);
  ended.sweep();
  await ended.close();
  const never = await openKeyVault({ path: pathOf('never'), replica: undefined, busId, ...owner }, (port) =>
    port.close(),
  );
  expect(never.problem).toContain('has ended');
  expect(await never.privateKey('certificate1', leaf)).toBe(privateKey);
  expect(await never.privateKey('certificate1', unreadable)).toBe(privateKey);
  await never.close();
});

test.each([
  ['its certificate is removed', (vault: KeyVault) => vault.update('certificate1', undefined)],
  ['the replica is built again', (vault: KeyVault) => vault.sweep()],
] as const)('in memory a key is not kept where %s while it is being opened', async (_, change) => {
  const asked: string[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const vault = await openWith((call) => {
    if (call.kind !== 'open') return undefined;
    asked.push(call.certificateId);
    return promise;
  });
  const opening = vault.privateKey('certificate1', leaf);
  await expect.poll(() => asked).toHaveLength(1);
  change(vault);
  resolve(privateKey);
  expect(await opening).toBe(privateKey);
  for (const expected of [2, 2]) {
    expect(await vault.privateKey('certificate1', leaf)).toBe(privateKey);
    expect(asked).toHaveLength(expected);
  }
  await vault.close();
});

test('a key whose certificate is removed while it waits for its turn is not kept in the file', async () => {
  const path = pathOf('waiting');
  const vault = await open(path);
  const ids = Array.from({ length: 12 }, (_, n) => `certificate${n}`);
  const openings = ids.map((id) => vault.privateKey(id, leaf));
  for (const id of ids.slice(8)) vault.update(id, undefined);
  await Promise.all(openings);
  await vault.close();
  expect(idsIn(path)).toEqual(ids.slice(0, 8));
});

test('in memory a key is kept for as long as its certificate needs it', async () => {
  const vault = await openKeyVault({ path: undefined, replica: undefined, busId, ...owner }, startKeeper);
  await vault.privateKey('certificate1', leaf);
  await vault.privateKey('certificate2', leaf);
  vault.update('certificate1', undefined);
  await expect(vault.privateKey('certificate1', unreadable)).rejects.toMatchObject(NOT_OPENED);
  expect(await vault.privateKey('certificate2', unreadable)).toBe(privateKey);
  vault.sweep();
  await expect(vault.privateKey('certificate2', unreadable)).rejects.toMatchObject(NOT_OPENED);
  await vault.close();
});
