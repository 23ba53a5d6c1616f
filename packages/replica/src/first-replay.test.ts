/** Tests of a replica that is filled for the first time: in bulk, interrupted, and marked once it is whole. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { sha256 } from '@certbus/events';
import { openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { type BusSource, type FollowerListener, keepUp } from './follower.ts';
import { beginStory, obtained, type Story } from './replica.builders.ts';
import { openReplica, type Replica } from './replica.ts';
import { synchronize } from './sync.ts';

const folder = temporaryFolder();
let files = 0;
afterAll(() => folder.remove());
const newPath = (name: string) => {
  files += 1;
  return join(folder.path, String(files), name);
};

async function newReplica(story: Story, path = newPath('client.db')): Promise<Replica> {
  const replica = await openReplica({ path, busId: story.busId, role: 'client' });
  onTestFinished(() => replica.close());
  return replica;
}

const sourceOf = ({ bus }: Story): BusSource => ({
  open: async () => ({ bus, archive: undefined, close: async () => {} }),
});

/** Follows until something is heard that ends it, and returns what was. */
async function followUntil(replica: Replica, source: BusSource, isEnd: (heard: string) => boolean): Promise<string[]> {
  const stop = new AbortController();
  const heard: string[] = [];
  const hear = (what: string) => {
    heard.push(what);
    if (isEnd(what)) stop.abort();
  };
  const listener: FollowerListener = {
    contact: ({ live }) => hear(live ? 'live' : 'contact'),
    moved: (changes) => hear(`moved ${changes.map(({ certificateId }) => certificateId).join()}`),
    rebuilt: () => hear('rebuilt'),
    watching: (following) => hear(following?.live ? 'told to serve' : 'watching'),
    failed: (error) => hear(`failed ${error.message}`),
  };
  await keepUp({ replica, source, intervalMs: 100, signal: stop.signal, listener });
  return heard;
}

/** A bus on which names came, moved from one certificate to another, and went. */
async function beginChanging(): Promise<Story> {
  const story = await beginStory();
  await story.say(obtained('certificate1', ['a.test', 'b.test']), obtained('certificate2', ['c.test']));
  await story.say(obtained('certificate1', ['b.test', 'd.test'], 'renewed'), obtained('certificate3', ['a.test']));
  await story.say(
    { type: 'CertificateRemoved', certificateId: 'certificate2' },
    obtained('certificate4', ['c.test', 'c.test']),
  );
  return story;
}

const NAMES = ['a.test', 'b.test', 'c.test', 'd.test'];
const idsOf = (replica: Replica) => NAMES.map((name) => replica.lookup(name).map(({ certificateId }) => certificateId));
const FOUND = [['certificate3'], ['certificate1'], ['certificate4'], ['certificate1']];

test.each(['file', ':memory:'])(
  'what a first replay in bulk leaves is what commits one by one leave: %s',
  async (kind) => {
    const story = await beginChanging();
    const path = kind === 'file' ? newPath('client.db') : kind;
    const replica = await newReplica(story, path);
    for (const [index, commit] of story.commits.entries()) {
      const checkpoint = story.checkpoints[index];
      if (checkpoint) await replica.apply([commit], checkpoint, { isMore: true });
    }
    expect(replica.isComplete()).toBe(false);
    await replica.complete();
    expect(replica.isComplete()).toBe(true);
    expect(idsOf(replica)).toEqual(FOUND);
    const later = await newReplica(story);
    await synchronize(later, story.bus);
    expect([...later.records()]).toEqual([...replica.records()]);
    await story.say(obtained('certificate3', ['e.test'], 'another'));
    await synchronize(replica, story.bus);
    expect([replica.lookup('a.test'), replica.lookup('e.test').length]).toEqual([[], 1]);
    if (kind === ':memory:') return;
    await replica.close();
    const database = new DatabaseSync(path);
    onTestFinished(() => database.close());
    const strays = database.prepare(
      'SELECT count(*) AS n FROM names WHERE number NOT IN (SELECT number FROM certificates)',
    );
    expect(strays.get()).toEqual({ n: 0 });
  },
);

test('a replica whose first replay was interrupted is not complete, goes on where it was, and reports no change before', async () => {
  const story = await beginChanging();
  const path = newPath('client.db');
  const interrupted = await newReplica(story, path);
  const [first, second] = story.commits;
  const reached = story.checkpoints[1];
  if (!first || !second || !reached) throw new TypeError('the story has more commits');
  await interrupted.apply([first, second], reached);
  await interrupted.close();
  const replica = await newReplica(story, path);
  expect([replica.checkpoint().position, replica.isComplete()]).toEqual([2, false]);
  const read: number[] = [];
  const bus = {
    ...story.bus,
    read: (...call: Parameters<typeof story.bus.read>) => {
      read.push(call[0].position);
      return story.bus.read(...call);
    },
  };
  const heard = await followUntil(replica, sourceOf({ ...story, bus }), (what) => what === 'live');
  expect(read[0]).toBe(2);
  expect(heard.filter((what) => what !== 'contact')).toEqual(['rebuilt', 'live']);
  expect([replica.isComplete(), idsOf(replica)]).toEqual([true, FOUND]);
});

test('one that reads along is not told to serve before the replica is complete', async () => {
  const story = await beginChanging();
  const path = newPath('client.db');
  const advancing = await newReplica(story, path);
  const along = await newReplica(story, path);
  expect(along.advancing).toBe(false);
  let wasComplete: boolean | undefined;
  const heard = followUntil(along, sourceOf(story), (what) => {
    if (what !== 'told to serve') return false;
    wasComplete = along.isComplete();
    return true;
  });
  const [first] = story.commits;
  const [reached] = story.checkpoints;
  if (!first || !reached) throw new TypeError('the story has a beginning');
  await advancing.apply([first], reached);
  await synchronize(advancing, story.bus);
  const now = new Date();
  await advancing.note({ everyMs: 1_000, lastContactAt: now, caughtUpAt: now, live: true, trouble: undefined });
  expect((await heard).filter((what) => what.startsWith('moved certificate'))).toEqual([]);
  expect(wasComplete).toBe(true);
});

test('a bus by its address is followed in the thread of the replica, and its errors are what they are here', async () => {
  const story = await beginStory();
  await story.say(obtained('certificate1', ['a.test']));
  const path = newPath('bus.db');
  const place = { address: `sqlite:${path}#test`, trust: story.trust, archive: undefined, proxy: undefined };
  const replica = await newReplica(story, newPath('client.db'));
  const errors: Error[] = [];
  const stop = new AbortController();
  const heard: unknown[] = [];
  const listener: FollowerListener = {
    contact: ({ live }) => live && heard.push('live'),
    moved: (changes) => heard.push(...changes),
    rebuilt: () => heard.push('rebuilt'),
    watching() {},
    failed: (error) => errors.push(error),
  };
  const following = keepUp({ replica, source: { place }, intervalMs: 100, signal: stop.signal, listener });
  await expect.poll(() => errors.length).toBeGreaterThan(0);
  expect(errors[0]).toMatchObject({
    name: 'StoreError',
    code: 'CERTBUS_STORE_NOT_FOUND',
    message: expect.stringContaining(path),
  });
  mkdirSync(dirname(path), { recursive: true });
  const log = await openLog(place.address, { create: true });
  onTestFinished(() => log.close());
  const copy = async () => {
    const { commits } = await story.log.read('test', (await log.read('test', 0, { consistent: true })).commits.length);
    for (const { position, bytes } of commits) await log.append('test', position - 1, bytes);
  };
  await copy();
  await expect.poll(() => heard).toContain('live');
  expect(heard.slice(0, 2)).toEqual(['rebuilt', 'live']);
  await story.say(obtained('certificate1', ['a.test'], 'renewed'), {
    type: 'CertificateRemoved',
    certificateId: 'certificate1',
  });
  await copy();
  const change = { certificateId: 'certificate1', names: ['a.test'], removed: true, isServed: true, position: 3 };
  await expect.poll(() => heard).toContainEqual(change);
  errors.splice(0);
  await log.append('test', 3, Buffer.from('not a commit'));
  await expect.poll(() => errors.length).toBeGreaterThan(0);
  const { refused } = await openBus(log, 'test', story).read(replica.checkpoint());
  expect(errors[0]).toEqual(refused);
  expect(errors[0]?.constructor).toBe(refused?.constructor);
  expect(errors[0]).toMatchObject({ code: refused?.code, position: 4 });
  stop.abort();
  await following;
  expect(replica.checkpoint().position).toBe(3);
});

test('a client keeps of claims which are open: no row changes for them, and challenges end with them', async () => {
  const story = await beginStory();
  const claim = (issuanceId: string) =>
    ({
      type: 'IssuanceStarted',
      issuanceId,
      certificateId: 'certificate1',
      names: ['a.test'],
      reason: 'renewal',
      challengeType: 'tls-alpn-01',
      directory: 'https://ca.test/dir',
      holder: 'one',
      until: new Date(Date.now() + 60_000).toISOString(),
      csr: 'Y3Ny',
      sealedKey: 'a2V5',
      recipientsPosition: 1,
    }) as const;
  const challenge = (issuanceId: string) =>
    ({
      type: 'ChallengePresented',
      issuanceId,
      challengeType: 'tls-alpn-01',
      identifier: 'a.test',
      token: `token-${issuanceId}`,
      thumbprint: sha256(Buffer.from('key')),
      expiresAt: new Date(Date.now() + 600_000).toISOString(),
    }) as const;
  const replica = await newReplica(story);
  const take = () => synchronize(replica, story.bus);
  const answered = () => replica.bus().challenges.map(({ issuanceId }) => issuanceId);
  await story.say(claim('issuance0001'), challenge('issuance0001'));
  await take();
  expect([replica.certificate('certificate1'), replica.changedSince(0, 9), answered()]).toEqual([
    undefined,
    [],
    ['issuance0001'],
  ]);
  await story.say(obtained('certificate1', ['a.test']));
  await take();
  expect(answered()).toEqual([]);
  const served = replica.certificate('certificate1');
  await story.say(claim('issuance0002'), challenge('issuance0002'));
  await story.say({
    type: 'OrderCreated',
    issuanceId: 'issuance0002',
    certificateId: 'certificate1',
    holder: 'one',
    orderUrl: 'https://ca.test/1',
  });
  await take();
  expect([replica.certificate('certificate1'), replica.changedSince(3, 9), answered()]).toEqual([
    served,
    [],
    ['issuance0002'],
  ]);
  // The claim after it says that the one before is over.
  await story.say(claim('issuance0003'), challenge('issuance0003'));
  await take();
  expect(answered()).toEqual(['issuance0003']);
  await story.say({ type: 'CertificateRemoved', certificateId: 'certificate1' });
  await take();
  expect([answered(), replica.changedSince(3, 9)]).toMatchObject([[], [{ removed: true, position: 7 }]]);
});

test('a snapshot leaves a client what the log does: what is served, and which issuances are open', async () => {
  const story = await beginChanging();
  const until = new Date(Date.now() + 60_000).toISOString();
  const open = {
    reason: 'new',
    challengeType: 'dns-01',
    directory: 'https://ca.test/dir',
    holder: 'one',
    until,
  } as const;
  const keys = { csr: 'Y3Ny', sealedKey: 'a2V5', recipientsPosition: 1 };
  for (const [certificateId, issuanceId] of [
    ['certificate1', 'issuance0002'],
    ['certificate9', 'issuance0003'],
  ] as const)
    await story.say({ type: 'IssuanceStarted', issuanceId, certificateId, names: ['a.test'], ...open, ...keys });
  const manager = await openReplica({ path: ':memory:', busId: story.busId });
  onTestFinished(() => manager.close());
  await synchronize(manager, story.bus);
  const [byLog, bySnapshot] = [await newReplica(story, ':memory:'), await newReplica(story, ':memory:')];
  await synchronize(byLog, story.bus);
  const building = await bySnapshot.build({
    checkpoint: manager.checkpoint(),
    bus: manager.bus(),
    rootEvents: manager.rootEvents(),
  });
  await building.load([...manager.records()]);
  await building.serve();
  const served = (replica: Replica) =>
    [...replica.certificates()].map(({ certificateId, current, issuance }) => [certificateId, current, issuance]);
  expect(served(bySnapshot)).toEqual(served(byLog));
  expect(bySnapshot.certificate('certificate9')).toBeUndefined();
  expect([bySnapshot.isComplete(), idsOf(bySnapshot)]).toEqual([true, FOUND]);
});
