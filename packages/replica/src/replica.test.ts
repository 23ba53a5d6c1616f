import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { nameSetKey, sha256 } from '@certbus/events';
import type { Checkpoint } from '@certbus/events/history';
import { lockFile } from '@certbus/store/sqlite-files';
import { afterAll, expect, onTestFinished, test, vi } from 'vitest';
import { replicaPath, resolveStateDirectory } from './location.ts';
import { createReader } from './reader.ts';
import { beginStory, obtained, type Story } from './replica.builders.ts';
import { openReplica, type Replica } from './replica.ts';
import { synchronize } from './sync.ts';
import { indexesOf, schemaOf } from './writer/schema.ts';

const folder = mkdtempSync(join(tmpdir(), 'certbus-replica-'));
let files = 0;
const newPath = () => {
  files += 1;
  return join(folder, `state${files}`, 'client.db');
};
const ADVANCING = fileURLToPath(new URL('./advancing-process.builders.ts', import.meta.url));

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Gives a replica everything of the story that it has not taken yet. */
async function tell(replica: Replica, { commits, checkpoints }: Story): Promise<void> {
  const { position } = replica.checkpoint();
  const reached = checkpoints.at(-1);
  if (reached && reached.position > position) await replica.apply(commits.slice(position), reached);
}

test('names that several certificates cover are found, page by page and by themselves', async () => {
  const story = await beginStory();
  const many = Array.from({ length: 7 }, (_, n) => `n${n}.test`);
  await story.say(
    obtained('certificate1', ['*.a.test', 'a.test', 'own.b.test', '*.b.test']),
    obtained('certificate2', ['www.a.test', 'n3.test']),
    obtained('certificate3', ['localhost', '192.0.2.7']),
    ...many.map((name, n) => obtained(`several0${n}`, [name])),
  );
  const replica = await openReplica({ path: ':memory:', busId: story.busId });
  await tell(replica, story);
  for (const size of [1, 2, 3, 100]) {
    const found: string[] = [];
    for (let after: string | undefined = ''; after !== undefined; ) {
      const page = replica.sharedNames(after, size);
      found.push(...page.names);
      after = page.last;
    }
    // A certificate that covers one of its names twice shares it with none.
    expect(found).toEqual(['n3.test', 'www.a.test']);
  }
  const all = ['a.test', 'www.a.test', 'n3.test', 'n4.test', '*.a.test', 'own.b.test', 'localhost', '192.0.2.7'];
  expect(all.filter((name) => replica.isShared(name))).toEqual(['www.a.test', 'n3.test']);
  await replica.close();
});

test.each(['file', 'memory'])('a replica in %s answers by id, name, name set and due time', async (kind) => {
  const story = await beginStory();
  await story.say(obtained('certificate1', ['*.a.test', 'a.test']), obtained('certificate2', ['www.a.test']), {
    type: 'IssuerAdded',
    hash: sha256(Buffer.from('issuer')),
    certificate: Buffer.from('issuer').toString('base64'),
  });
  const replica = await openReplica({ path: kind === 'file' ? newPath() : ':memory:', busId: story.busId });
  expect(replica.advancing).toBe(true);
  await tell(replica, story);
  expect(replica.checkpoint().position).toBe(2);
  expect(replica.bus().recipients).toHaveLength(1);
  const idsFor = (name: string) => replica.lookup(name).map(({ certificateId }) => certificateId);
  expect(idsFor('www.a.test')).toEqual(['certificate2', 'certificate1']);
  expect(idsFor('a.test')).toEqual(['certificate1']);
  expect(idsFor('deep.www.a.test')).toEqual([]);
  expect(['a.test', '*.a.test', 'www.a.test', 'shop.a.test'].map((name) => replica.isNamed(name))).toEqual([
    true,
    true,
    true,
    false,
  ]);
  expect(replica.idsByNameSet(nameSetKey(['a.test', '*.a.test']))).toEqual(['certificate1']);
  expect([...replica.due(new Date('2027-01-01'))]).toEqual([]);
  expect([...replica.due(new Date('2027-01-22'))]).toHaveLength(2);
  expect(Buffer.from(replica.issuer(sha256(Buffer.from('issuer'))) ?? []).toString()).toBe('issuer');
  expect([...replica.certificates()]).toHaveLength(2);
  const end = new Date('2027-02-20T00:00:00Z');
  expect([replica.countServed(), replica.countEnding(end), replica.countEnding(new Date(end.getTime() + 1))]).toEqual([
    2, 0, 2,
  ]);
  expect(replica.nextEnd(new Date('2026-12-01'))).toEqual(end);
  await replica.close();
});

const idsOf = (found: Iterable<{ readonly certificateId: string }>): string[] =>
  Array.from(found, ({ certificateId }) => certificateId);

test('what is due is read page by page, the longest due first, also where a thousand are due at the same instant', async () => {
  const story = await beginStory();
  const replica = await openReplica({ path: ':memory:', busId: story.busId });
  const ids = Array.from({ length: 1_200 }, (_, n) => `certificate${n}`);
  for (let n = 0; n < ids.length; n += 300)
    await story.say(...ids.slice(n, n + 300).map((id) => obtained(id, [`${id}.test`])));
  await story.say(obtained('certificateX', ['e.test'], 'leaf', '2027-01-20T00:00:00Z'));
  await tell(replica, story);
  const due = idsOf(replica.due(new Date('2027-01-22')));
  expect(due[0]).toBe('certificateX');
  expect(due.slice(1).toSorted()).toEqual(ids.toSorted());
  expect(idsOf(replica.due(new Date('2027-01-10')))).toEqual(['certificateX']);
  await replica.close();
});

test('what a claim or a back-off puts off is found by how far', async () => {
  const story = await beginStory();
  const replica = await openReplica({ path: ':memory:', busId: story.busId });
  const until = (certificateId: string, instant: string) =>
    ({
      type: 'IssuanceStarted',
      issuanceId: 'issuance0001',
      certificateId,
      names: ['a.test'],
      reason: 'new',
      challengeType: 'dns-01',
      directory: 'https://ca.test/dir',
      holder: 'one',
      until: instant,
      csr: 'Y3Ny',
      sealedKey: 'a2V5',
      recipientsPosition: 1,
    }) as const;
  await story.say(obtained('certificate1', ['b.test']));
  await story.sayAt(new Date('2026-11-30T23:00:00Z'), until('certificate2', '2026-12-01T00:00:00Z'));
  await story.sayAt(new Date('2027-11-30T23:00:00Z'), until('certificate3', '2027-12-01T00:00:00Z'));
  await tell(replica, story);
  const pausedBeyond = (instant: string, wantedBy = '2026-12-01') =>
    idsOf(replica.paused({ until: new Date(instant), wantedBy: new Date(wantedBy) }));
  expect(pausedBeyond('2026-11-30')).toEqual(['certificate2', 'certificate3']);
  expect(pausedBeyond('2026-12-01')).toEqual(['certificate3']);
  expect(pausedBeyond('2027-12-01')).toEqual([]);
  expect(pausedBeyond('2026-11-30', '1969-12-31')).toEqual([]);
  await replica.close();
});

test('certificates whose names are lost are found by since when, until they are ours again or the certificate is removed', async () => {
  const story = await beginStory();
  const manager = await openReplica({ path: ':memory:', busId: story.busId });
  const client = await openReplica({ path: ':memory:', busId: story.busId, role: 'client' });
  const lost = (certificateId: string) =>
    ({
      type: 'NamesLost',
      certificateId,
      names: ['a.test'],
      loss: 'gone',
      detail: 'x',
      notBefore: '2027-01-01T00:00:00Z',
    }) as const;
  const ids = ['certificate1', 'certificate2', 'certificate3', 'certificate4'] as const;
  await story.sayAt(new Date('2026-11-30T00:00:00Z'), ...ids.map((id) => obtained(id, [`${id}.test`])));
  await story.sayAt(new Date('2026-11-30T01:00:00Z'), ...ids.slice(0, 3).map(lost));
  await story.sayAt(new Date('2026-11-30T02:00:00Z'), lost('certificate1'), lost('certificate4'));
  const since = async (instant: string) => {
    await Promise.all([manager, client].map((replica) => tell(replica, story)));
    expect(idsOf(client.lostSince(new Date(instant)))).toEqual([]);
    return idsOf(manager.lostSince(new Date(instant)));
  };
  expect(await since('2026-11-30T00:59:59Z')).toEqual(ids);
  // That it was found again later changes nothing.
  expect(await since('2026-11-30T01:00:00Z')).toEqual(['certificate4']);
  await story.sayAt(
    new Date('2026-11-30T03:00:00Z'),
    { type: 'NamesRegained', certificateId: 'certificate2' },
    { type: 'CertificateRemoved', certificateId: 'certificate3' },
  );
  expect(await since('2026-11-30')).toEqual(['certificate1', 'certificate4']);
  await Promise.all([manager, client].map((replica) => replica.close()));
});

test('only what wants all certificates reads through them; every other query looks in an index', () => {
  using database = new DatabaseSync(':memory:');
  database.exec(schemaOf('served') + indexesOf('served', 'mark'));
  const prepare = vi.spyOn(database, 'prepare');
  createReader(database);
  const queries = prepare.mock.calls.map(([query]) => query);
  prepare.mockRestore();
  const stepsOf = (query: string) =>
    database
      .prepare(`EXPLAIN QUERY PLAN ${query}`)
      .all()
      .map(({ detail }) => String(detail));
  // By its id each certificate is found, so that a range of ids is all of them.
  const isScan = (step: string) => /^SCAN certificates\b/.test(step) || /\(certificate_id>\?\)/.test(step);
  const scans = queries.filter((query) => stepsOf(query).some(isScan));
  expect(scans).toEqual(queries.filter((query) => / WHERE (removed = 0 AND )?certificate_id > \?/.test(query)));
  expect(scans).toHaveLength(2);
  for (const [column, index] of [
    ['retired_until', 'retirement'],
    ['lost_since', 'loss'],
    ['next_action_at', 'next_action'],
    ['paused_until', 'pause'],
  ]) {
    const found = queries.filter((query) => query.includes(`${column} > :after`)).map(stepsOf);
    expect(found.length).toBeGreaterThan(0);
    for (const steps of found) {
      expect(steps[0]).toContain(`certificates_by_${index}_mark (${column}>?`);
      // What is sorted would be read again for each page.
      expect(steps.join()).not.toContain('TEMP B-TREE FOR ORDER BY');
    }
  }
});

test('leaves are read in the order in which certificates changed, both ways, a position as a whole', async () => {
  const story = await beginStory();
  const replica = await openReplica({ path: ':memory:', busId: story.busId });
  await story.say(obtained('certificate1', ['a.test']), obtained('certificate2', ['b.test']));
  await story.say(obtained('certificate3', ['c.test'], 'another'));
  await story.say(obtained('certificate4', ['d.test']), { type: 'CertificateRemoved', certificateId: 'certificate2' });
  await tell(replica, story);
  const at = (leaves: ReturnType<Replica['leavesAfter']>) => leaves.map((each) => [each.certificateId, each.position]);
  expect(at(replica.leavesAfter(0, 1))).toEqual([['certificate1', 2]]);
  expect(at(replica.leavesAfter(2, 2)).toSorted()).toEqual([
    ['certificate2', 4],
    ['certificate3', 3],
    ['certificate4', 4],
  ]);
  expect(at(replica.leavesUpTo(4, 1)).toSorted()).toEqual([
    ['certificate2', 4],
    ['certificate4', 4],
  ]);
  expect(at(replica.leavesUpTo(3, 100))).toEqual([
    ['certificate3', 3],
    ['certificate1', 2],
  ]);
  expect([replica.leavesAfter(4, 10), replica.leavesUpTo(1, 10)]).toEqual([[], []]);
  const leafHash = sha256(Buffer.from('another'));
  expect(replica.leavesAfter(2, 1)[0]?.leaf).toEqual({ leafHash, directory: 'https://ca.test/dir' });
  const removed = replica.leavesAfter(3, 10).find(({ certificateId }) => certificateId === 'certificate2');
  expect(removed?.leaf).toBeUndefined();
  await replica.close();
});

test('a removed certificate is found by nobody, and its removal is told', async () => {
  const story = await beginStory();
  const replica = await openReplica({ path: newPath(), busId: story.busId });
  await story.say(obtained('certificate1', ['a.test']));
  await tell(replica, story);
  const before = replica.version();
  await story.say({ type: 'CertificateRemoved', certificateId: 'certificate1' });
  await tell(replica, story);
  expect(replica.version()).not.toBe(before);
  expect(replica.lookup('a.test')).toEqual([]);
  expect([...replica.certificates()]).toEqual([]);
  expect([...replica.due(new Date('2099-01-01'))]).toEqual([]);
  const change = { certificateId: 'certificate1', names: ['a.test'], removed: true, position: 3, isServed: true };
  expect(replica.changedSince(2, 100)).toEqual([change]);
  await replica.close();
});

test('the leaves of a removed certificate are kept for a manager until they end, so that they can be revoked, and by no client', async () => {
  const story = await beginStory();
  const { busId } = story;
  const manager = await openReplica({ path: ':memory:', busId });
  const client = await openReplica({ path: ':memory:', busId, role: 'client' });
  const read = () => Promise.all([manager, client].map((replica) => synchronize(replica, story.bus)));
  const kept = (end: string) => [...manager.retired(new Date(end))].map(({ certificateId }) => certificateId);
  const ends = ['2027-02-20T00:00:00Z', '2027-03-20T00:00:00Z'];
  const at = new Date('2026-11-24T00:00:00Z');
  for (const [n, end] of ends.entries())
    await story.sayAt(at, obtained(`certificate${n}`, [`n${n}.test`], 'leaf', end));
  await read();
  for (const n of ends.keys()) await story.sayAt(at, { type: 'CertificateRemoved', certificateId: `certificate${n}` });
  await read();
  expect(kept('2027-02-19T00:00:00Z')).toEqual(['certificate0', 'certificate1']);
  expect(kept('2027-02-21T00:00:00Z')).toEqual(['certificate1']);
  expect(client.certificate('certificate0')).toMatchObject({ removed: true });
  expect(client.certificate('certificate0')).not.toHaveProperty('retired');
  await story.sayAt(new Date('2027-02-21T00:00:00Z'), { type: 'Heartbeat' });
  await read();
  // It is still known that it was removed.
  expect(manager.certificate('certificate0')).toMatchObject({ removed: true, removedAt: expect.any(String) });
  expect(manager.certificate('certificate0')).not.toHaveProperty('retired');
  expect(kept('2027-01-01T00:00:00Z')).toEqual(['certificate1']);
  await manager.close();
  await client.close();
});

test('a claim, an order, a failure and a key that is sealed again are no change of what is served', async () => {
  const story = await beginStory();
  const replica = await openReplica({ path: newPath(), busId: story.busId });
  const [certificateId, issuanceId] = ['certificate1', 'issuance0002'];
  const until = new Date(Date.now() + 600_000).toISOString();
  const keys = { csr: 'Y3Ny', sealedKey: 'a2V5', recipientsPosition: 1 };
  const claim = { reason: 'new', challengeType: 'dns-01', directory: 'https://ca.test/dir', holder: 'one' } as const;
  await story.say({ type: 'IssuanceStarted', issuanceId, certificateId, names: ['a.test'], until, ...claim, ...keys });
  await tell(replica, story);
  expect(replica.changedSince(1, 9)).toMatchObject([{ position: 2, isServed: false }]);
  await story.say(obtained(certificateId, ['a.test']));
  const leafHash = sha256(Buffer.from('leaf'));
  await story.say({ type: 'OrderCreated', issuanceId, certificateId, holder: 'one', orderUrl: 'https://ca.test/1' });
  await story.say({
    type: 'PrivateKeyResealed',
    certificateId,
    leafHash,
    sealedKey: Buffer.from('x').toString('base64'),
  });
  await tell(replica, story);
  expect(replica.changedSince(2, 9)).toMatchObject([{ position: 5, isServed: true }]);
  expect(replica.changedSince(3, 9)).toMatchObject([{ position: 5, isServed: false }]);
  expect(replica.certificate(certificateId)?.current?.sealedKey).toBe(Buffer.from('x').toString('base64'));
  await replica.close();
});

/** All that a replica says of certificates, for comparing. */
const contentOf = (replica: Replica) => ({
  checkpoint: replica.checkpoint(),
  records: [...replica.records()],
  rootEvents: replica.rootEvents(),
  served: replica.countServed(),
});

test.each(['file', 'memory'])(
  'commits that do not follow on a replica in %s are refused, and nothing of them is taken',
  async (kind) => {
    const story = await beginStory();
    const replica = await openReplica({ path: kind === 'file' ? newPath() : ':memory:', busId: story.busId });
    await story.say(obtained('certificate1', ['a.test']));
    await tell(replica, story);
    const before = contentOf(replica);
    const reached = story.checkpoints.at(-1) as Checkpoint;
    await story.say(obtained('certificate2', ['b.test']));
    await story.say(obtained('certificate1', ['a.test'], 'renewed'), obtained('certificate3', ['c.test']));
    // Refused by its position alone, once all that it says of certificates was worked out.
    const skipped = story.commits.slice(3);
    const refused = { code: 'CERTBUS_REPLICA_BEHIND' };
    await expect(replica.apply(skipped, { ...reached, position: 4 })).rejects.toMatchObject(refused);
    expect(contentOf(replica)).toEqual(before);
    expect(replica.lookup('c.test')).toEqual([]);
    await tell(replica, story);
    expect(replica.countServed()).toBe(3);
    await replica.close();
  },
);

test('what was taken is there after a restart, and one position is never taken twice', async () => {
  const story = await beginStory();
  const path = newPath();
  const replica = await openReplica({ path, busId: story.busId });
  await story.say(obtained('certificate1', ['a.test']));
  await story.say(obtained('certificate1', ['a.test'], 'renewed'));
  await tell(replica, story);
  const taken = contentOf(replica);
  expect(replica.certificate('certificate1')?.predecessors).toHaveLength(1);
  const again = async (on: Replica) => {
    for (const first of [0, 1, 2]) {
      const commits = story.commits.slice(first);
      // The root events of the first commit are refused before its position is looked at.
      const refused = first === 0 ? { name: 'ReplicaError' } : { code: 'CERTBUS_REPLICA_BEHIND' };
      await expect(on.apply(commits, story.checkpoints.at(-1) as Checkpoint)).rejects.toMatchObject(refused);
      // A commit alone, with the checkpoint behind it.
      const alone = on.apply(commits.slice(0, 1), story.checkpoints[first] as Checkpoint);
      await expect(alone).rejects.toMatchObject(refused);
    }
    expect(contentOf(on)).toEqual(taken);
  };
  await again(replica);
  await replica.close();
  const reopened = await openReplica({ path, busId: story.busId });
  expect(reopened.lookup('a.test')).toHaveLength(1);
  await again(reopened);
  await reopened.close();
});

test.skipIf(process.platform === 'win32').each([
  ['the folder', (path: string) => dirname(path)],
  ['the file', (path: string) => path],
  ['the lock', (path: string) => `${path}.lock`],
])('a replica is refused where others can write %s, and read again once they cannot', async (_, what) => {
  const { busId } = await beginStory();
  const path = newPath();
  await (await openReplica({ path, busId })).close();
  const exposed = what(path);
  const { mode } = statSync(exposed);
  chmodSync(exposed, mode | 0o002);
  await expect(openReplica({ path, busId })).rejects.toMatchObject({
    code: 'CERTBUS_REPLICA_FILE_OPEN',
    message: expect.stringContaining(`chmod go-w ${exposed}`),
  });
  chmodSync(exposed, mode);
  await (await openReplica({ path, busId })).close();
});

test('one that is opened for a moment starts no thread, keeps what it takes, and leaves the right to advance to the next', async () => {
  const threads: unknown[] = [];
  const take = (thread: unknown) => void threads.push(thread);
  process.on('worker', take);
  onTestFinished(() => void process.off('worker', take));
  const story = await beginStory();
  await story.say(obtained('certificate1', ['a.test']));
  const options = { path: newPath(), busId: story.busId };
  const brief = await openReplica({ ...options, isBrief: true });
  expect(brief).toMatchObject({ advancing: true, unthreaded: undefined });
  await tell(brief, story);
  const taken = contentOf(brief);
  await brief.close();
  expect(threads).toEqual([]);
  const next = await openReplica(options);
  expect(threads).toHaveLength(1);
  expect(next.advancing).toBe(true);
  expect(contentOf(next)).toEqual(taken);
  // It reads along where another one advances.
  const beside = await openReplica({ ...options, isBrief: true });
  expect(beside.advancing).toBe(false);
  expect(contentOf(beside)).toEqual(taken);
  await beside.close();
  await next.close();
  expect(threads).toHaveLength(1);
});

test('its file and folder are for this user only', async () => {
  const { busId } = await beginStory();
  const path = newPath();
  const replica = await openReplica({ path, busId });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
  await replica.close();
});

/** What a query of the table `names` would never come back from. */
const ENDLESS = `CREATE VIEW names AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
  SELECT 'a' AS name, 'b' AS certificate_id FROM n WHERE i < 0`;

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

test('a damaged file that never reached the head of its bus is begun again: nothing was served of it', async () => {
  const story = await beginStory();
  const path = newPath();
  const replica = await openReplica({ path, busId: story.busId, role: 'client' });
  await story.say(obtained('certificate1', ['a.test']));
  await tell(replica, story);
  await replica.close();
  change(path, 'CREATE TRIGGER t BEFORE UPDATE ON bus BEGIN SELECT 1; END');
  const again = await openReplica({ path, busId: story.busId, role: 'client' });
  expect(again.damage.replaced).toMatchObject({ salvage: undefined });
  expect([again.isComplete(), again.checkpoint().position]).toEqual([false, 0]);
  await again.close();
});

test.each([
  [
    'damaged',
    (path: string) =>
      writeFileSync(path, Buffer.concat([readFileSync(path).subarray(0, 4096), Buffer.alloc(20_000, 7)])),
  ],
  ['no database', (path: string) => writeFileSync(path, 'hello')],
  ['empty', (path: string) => writeFileSync(path, '')],
  [
    'one with a view without end in the place of a table',
    (path: string) => change(path, `DROP TABLE names; ${ENDLESS}`),
  ],
  ['one with a trigger', (path: string) => change(path, 'CREATE TRIGGER t BEFORE UPDATE ON bus BEGIN SELECT 1; END')],
])('a file that is %s is set aside, and what can be read of it is served', async (kind, damage) => {
  const story = await beginStory();
  const path = newPath();
  const replica = await openReplica({ path, busId: story.busId });
  await story.say(obtained('certificate1', ['a.test']));
  await tell(replica, story);
  await replica.complete();
  await replica.close();
  damage(path);
  const again = await openReplica({ path, busId: story.busId });
  const { aside = '', salvage } = again.damage.replaced ?? {};
  expect(aside).toMatch(/damaged-\d+$/);
  expect(existsSync(aside)).toBe(true);
  const isReadable = kind.startsWith('one with');
  expect(salvage).toEqual(isReadable ? { kept: 1, lost: 0 } : undefined);
  expect(again.countLost()).toBe(isReadable ? 0 : undefined);
  expect(again.isComplete()).toBe(isReadable);
  expect(again.checkpoint().position).toBe(isReadable ? 2 : 0);
  await tell(again, story);
  expect(again.lookup('a.test')).toHaveLength(1);
  await again.close();
});

test('the replica of another bus is refused, not overwritten', async () => {
  const path = newPath();
  const [one, two] = [await beginStory(), await beginStory()];
  const replica = await openReplica({ path, busId: one.busId });
  await tell(replica, one);
  await replica.close();
  await expect(openReplica({ path, busId: two.busId })).rejects.toMatchObject({ code: 'CERTBUS_REPLICA_OTHER_BUS' });
  const again = await openReplica({ path, busId: one.busId });
  expect(again.checkpoint().position).toBe(1);
  await again.close();
});

test('one of two advances, the other reads along with what the first notes, and takes over when the first has closed', async () => {
  const story = await beginStory();
  const path = newPath();
  const first = await openReplica({ path, busId: story.busId });
  const second = await openReplica({ path, busId: story.busId });
  expect([first.advancing, second.advancing]).toEqual([true, false]);
  await expect(second.apply([], story.checkpoints[0] as never)).rejects.toMatchObject({
    code: 'CERTBUS_REPLICA_READ_ONLY',
  });
  const before = second.version();
  const written = second.whenWritten(before, { withinMs: 3_600_000, signal: new AbortController().signal });
  await story.say(obtained('certificate1', ['a.test']));
  await tell(first, story);
  await written;
  expect(second.version()).not.toBe(before);
  expect(second.lookup('a.test')).toHaveLength(1);
  expect(second.following()).toBeUndefined();
  const seen = second.version();
  const note = {
    everyMs: 1_000,
    lastContactAt: new Date(1),
    caughtUpAt: undefined,
    live: true,
    trouble: { code: undefined, message: 'the bus is away' },
  };
  await first.note(note);
  await first.note(note);
  expect(second.following()).toEqual({ ...note, beat: 2, holder: `process ${process.pid}` });
  expect(second.version()).toBe(seen);
  await expect(second.note(note)).rejects.toMatchObject({ code: 'CERTBUS_REPLICA_READ_ONLY' });
  await first.close();
  expect(await second.tryAdvance()).toBe(true);
  await story.say(obtained('certificate2', ['b.test']));
  await tell(second, story);
  expect(second.lookup('b.test')).toHaveLength(1);
  await second.close();
});

test('a process that is killed leaves the right to advance to others at once', async () => {
  const { busId } = await beginStory();
  const path = newPath();
  const child = spawn(process.execPath, ['--conditions=certbus:source', ADVANCING, path, busId], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [said] = await once(child.stdout, 'data');
  expect(String(said)).toBe('true\n');
  const replica = await openReplica({ path, busId });
  expect(replica.advancing).toBe(false);
  child.kill('SIGKILL');
  await once(child, 'close');
  expect(await replica.tryAdvance()).toBe(true);
  await replica.close();
});

test('a snapshot does not move while it is read', async () => {
  const story = await beginStory();
  const path = newPath();
  const writer = await openReplica({ path, busId: story.busId });
  const reader = await openReplica({ path, busId: story.busId });
  await tell(writer, story);
  reader.snapshot((at) => {
    const before = at.checkpoint().position;
    expect(at.checkpoint().position).toBe(before);
  });
  expect(reader.checkpoint().position).toBe(1);
  await Promise.all([writer.close(), reader.close()]);
  expect(readdirSync(dirname(path)).some((name) => name.endsWith('.new'))).toBe(false);
});

test('a replica lies where the environment and the platform say, one file a role and address', () => {
  const home = '/home/alice';
  expect(
    resolveStateDirectory({ env: { CERTBUS_STATE_DIR: '/x', STATE_DIRECTORY: '/y' }, platform: 'linux', home }),
  ).toBe('/x');
  expect(resolveStateDirectory({ env: { STATE_DIRECTORY: '/y:/z' }, platform: 'linux', home })).toBe('/y');
  expect(resolveStateDirectory({ env: {}, platform: 'linux', home })).toBe('/home/alice/.local/state/certbus');
  expect(resolveStateDirectory({ env: {}, platform: 'darwin', home })).toContain('Application Support');
  const homeless = {
    env: { CERTBUS_STATE_DIR: '/x' },
    platform: 'linux',
    get home(): string {
      throw new Error('this user has no home');
    },
  } as const;
  expect(resolveStateDirectory(homeless)).toBe('/x');
  const at = (role: 'client' | 'manager', address: string) => replicaPath({ stateDirectory: '/s', role, address });
  expect(at('client', 'sqlite:a')).toMatch(/^\/s\/client-[0-9a-f]{16}\.db$/);
  expect(new Set([at('client', 'sqlite:a'), at('client', 'sqlite:b'), at('manager', 'sqlite:a')]).size).toBe(3);
});

test.each([
  ['removed', (path: string) => rmSync(path)],
  [
    'replaced',
    (path: string) => {
      rmSync(path);
      writeFileSync(path, 'something else');
    },
  ],
  ['removed with its folder', (path: string) => rmSync(dirname(path), { recursive: true })],
])('a file that is %s while it is in use is made again, with all that it had', async (_, remove) => {
  const story = await beginStory();
  await story.say(obtained('certificate1', ['a.test']));
  const path = newPath();
  const replica = await openReplica({ path, busId: story.busId });
  await tell(replica, story);
  const reported = new Promise<Error>((resolve) => replica.onProblem(resolve));
  remove(path);
  expect(await reported).toMatchObject({
    code: 'CERTBUS_REPLICA_DAMAGED',
    message: expect.stringContaining('made again'),
  });
  await story.say(obtained('certificate2', ['b.test']));
  await tell(replica, story);
  expect(replica.countServed()).toBe(2);
  await replica.close();
  const again = await openReplica({ path, busId: story.busId });
  expect([again.damage.found, again.countServed()]).toEqual([0, 2]);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  await again.close();
});

test('a lock that another process took in the place of the one that is held is left to that process', async () => {
  const story = await beginStory();
  const path = newPath();
  const replica = await openReplica({ path, busId: story.busId });
  await tell(replica, story);
  const reported = new Promise<Error>((resolve) => replica.onProblem(resolve));
  const other = lockFile(`${path}.other`);
  renameSync(`${path}.other`, `${path}.lock`);
  expect(await reported).toMatchObject({
    code: 'CERTBUS_REPLICA_FAILED',
    message: expect.stringContaining('another process has taken one in its place'),
  });
  expect([replica.advancing, await replica.tryAdvance()]).toEqual([false, false]);
  expect(replica.checkpoint().position).toBe(1);
  other?.[Symbol.dispose]();
  expect(await replica.tryAdvance()).toBe(true);
  await replica.close();
});
