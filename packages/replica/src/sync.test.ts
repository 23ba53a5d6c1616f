import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { createManagerKey, parseManagerKey, sha256 } from '@certbus/events';
import { type Checkpoint, encodeCommit, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { type Bus, openBus, publishSnapshot, writeSnapshot } from '@certbus/store';
import { openFolder } from '@certbus/store/folder';
import { createMemoryLog } from '@certbus/store/memory';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, expect, test } from 'vitest';
import { digestOf } from './checking/digest.ts';
import { beginStory, obtained, type Story, takeSnapshot } from './replica.builders.ts';
import { openReplica, type Replica } from './replica.ts';
import { prepare, rebuild } from './sync.ts';
import type { ReplicaRole } from './writer/role.ts';

const folder = temporaryFolder();
const replicas: Replica[] = [];
let files = 0;
const newPath = () => {
  files += 1;
  return join(folder.path, `${files}`, 'replica.db');
};
afterEach(async () => {
  for (const replica of replicas.splice(0)) await replica.close();
});
afterAll(() => folder.remove());

const issuer = Buffer.from('issuer');

/** A bus with some history: certificates that were renewed, one that was removed. */
async function beginBus(): Promise<Story> {
  const story = await beginStory();
  await story.say({ type: 'IssuerAdded', hash: sha256(issuer), certificate: issuer.toString('base64') });
  for (let n = 1; n <= 30; n += 1)
    await story.say(obtained(`certificate${n}`, [`n${n}.test`, `www.n${n}.test`], `leaf ${n}`));
  await story.say({ type: 'CertificateRemoved', certificateId: 'certificate7' });
  await story.say(obtained('certificate8', ['n8.test', 'www.n8.test'], 'leaf 8 renewed'));
  return story;
}

async function newReplica({ busId }: Story, path = newPath(), role: ReplicaRole = 'manager'): Promise<Replica> {
  const replica = await openReplica({ path, busId, role });
  replicas.push(replica);
  return replica;
}

async function follow(replica: Replica, bus: Bus): Promise<void> {
  for (;;) {
    const { commits, checkpoint, end } = await bus.read(replica.checkpoint(), { consistent: true });
    if (commits.length > 0) await replica.apply(commits, checkpoint);
    if (end) return;
  }
}

/** Everything that a replica says, for comparing. */
const contentOf = (replica: Replica) => ({
  checkpoint: replica.checkpoint(),
  bus: replica.bus(),
  rootEvents: replica.rootEvents(),
  records: [...replica.records()],
  served: replica.countServed(),
  found: replica.lookup('www.n8.test').map(({ current }) => current?.leafHash),
  due: [...replica.due(new Date('2027-02-19'))].map(({ certificateId }) => certificateId).sort(),
});

/** A replica by the log, and a snapshot of it in a directory, said on the bus unless that is left out. */
async function withSnapshot({ say = true } = {}) {
  const story = await beginBus();
  const first = await newReplica(story);
  await follow(first, story.bus);
  const root = newPath();
  const place = openFolder(root);
  await takeSnapshot(first, place, { busId: story.busId, ...(say && { say: story.say }) });
  await story.say(obtained('certificate31', ['n31.test'], 'leaf 31'));
  await follow(first, story.bus);
  return { story, first, place, root };
}

test.each(['file', 'memory'])(
  'a newcomer in %s takes the snapshot and ends where the log would have taken it',
  async (kind) => {
    const { story, first, place } = await withSnapshot();
    const newcomer = await newReplica(story, kind === 'file' ? newPath() : ':memory:');
    expect(await prepare(newcomer, story.bus, { archive: place })).toBe(true);
    const removed = (content: ReturnType<typeof contentOf>) => ({ ...content, records: content.records.length });
    expect(removed(contentOf(newcomer))).toEqual(removed(contentOf(first)));
    expect(contentOf(newcomer)).toEqual(contentOf(first));
    expect(Buffer.from(newcomer.issuer(sha256(issuer)) ?? []).toString()).toBe('issuer');
    await story.say({ type: 'CertificateRemoved', certificateId: 'certificate31' });
    await follow(newcomer, story.bus);
    expect(newcomer.lookup('n31.test')).toEqual([]);
  },
);

test('a disk that fills up while the next records are unpacked is told, and the replica stays empty', async () => {
  const { story, place } = await withSnapshot();
  const newcomer = await newReplica(story);
  const full = Object.create(newcomer, {
    build: {
      value: async (state: Parameters<Replica['build']>[0]) => {
        const building = await newcomer.build(state);
        return { ...building, load: () => Promise.reject(new Error('the disk is full')) };
      },
    },
  }) as Replica;
  const troubles: Error[] = [];
  const onError = (error: Error) => troubles.push(error);
  expect(await prepare(full, story.bus, { archive: place, onError })).toBe(false);
  expect(troubles.map(({ message }) => message)).toEqual(['the disk is full']);
  expect(newcomer.checkpoint().position).toBe(0);
  await follow(newcomer, story.bus);
  expect(newcomer.countServed()).toBe(30);
});

test.each([
  { role: 'client', most: 1.5 },
  // It has indexes of what is due, urgent and failing besides.
  { role: 'manager', most: 1.55 },
] as const)(
  'a replica of a $role that a snapshot began wastes little room around the states in it',
  async ({ role, most }) => {
    const { story, first } = await withSnapshot();
    const [sample] = [...first.records()].flatMap((record) => ('certificate' in record ? [record.certificate] : []));
    if (!sample?.current) throw new TypeError('a certificate was obtained');
    const current = { ...sample.current, sealedKey: 'k'.repeat(2_500) };
    const records = Array.from({ length: 2_000 }, (_, n) => ({
      position: 1,
      certificate: { ...sample, certificateId: `certificate${n}`, names: [`${n}.test`], current },
    }));
    const path = newPath();
    const newcomer = await newReplica(story, path, role);
    const building = await newcomer.build({
      checkpoint: first.checkpoint(),
      bus: first.bus(),
      rootEvents: first.rootEvents(),
    });
    await building.load(records);
    await building.serve();
    expect(newcomer.countServed()).toBe(2_000);
    const stated = records.reduce((sum, { certificate }) => sum + JSON.stringify(certificate).length, 0);
    await newcomer.close();
    // One state fills most of a page, so that a renewal writes one page.
    expect(statSync(path).size).toBeLessThan(stated * most);
  },
);

test('a snapshot that no commit vouches for is refused, and the log is read instead', async () => {
  const { story, place } = await withSnapshot({ say: false });
  const newcomer = await newReplica(story);
  const troubles: unknown[] = [];
  const onError = (error: Error) => troubles.push(error);
  expect(await prepare(newcomer, story.bus, { archive: place, onError })).toBe(false);
  expect(troubles).toMatchObject([{ code: 'CERTBUS_STORE_SNAPSHOT_REFUSED' }]);
  expect(newcomer.checkpoint().position).toBe(0);
  await follow(newcomer, story.bus);
  expect(newcomer.countServed()).toBe(30);
});

test('a snapshot that was made by a thief of the archive is refused', async () => {
  const { story, first, place } = await withSnapshot();
  const held = first.hold();
  const checkpoint = held.checkpoint();
  const records = [...held.records()].filter((record) => !('certificate' in record) || record.position % 2 === 0);
  const content = { checkpoint, bus: held.bus(), rootEvents: held.rootEvents(), records };
  held.close();
  const forged = await writeSnapshot(place, story.busId, content);
  await publishSnapshot(place, story.busId, forged, { restored: checkpoint.restored, head: checkpoint });
  const newcomer = await newReplica(story);
  expect(await prepare(newcomer, story.bus, { archive: place })).toBe(false);
  expect(newcomer.countServed()).toBe(0);
});

/** Says a snapshot on the bus as one of its managers, and makes it the one that is found. */
async function vouchFor(
  { story, place }: Pick<Awaited<ReturnType<typeof withSnapshot>>, 'story' | 'place'>,
  content: Parameters<typeof writeSnapshot>[2],
): Promise<void> {
  const taken = await writeSnapshot(place, story.busId, content);
  await story.say({ type: 'SnapshotTaken', ...taken });
  // Anyone who can write to the archive can put any pointer there.
  const pointer = { position: taken.position, restored: 0, place: taken.place };
  await place.update(`snapshots/${story.busId}/latest`, () => Buffer.from(JSON.stringify(pointer)));
}

type Content = Parameters<typeof writeSnapshot>[2];
const MALLORY = { name: 'mallory', recipient: 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p' };

/** Everything in a snapshot that only the root can say, said by a manager. */
const rootOnly: [string, (content: Content, story: Story) => Partial<Content>][] = [
  ['one recipient more', ({ bus }) => ({ bus: { ...bus, recipients: [...bus.recipients, MALLORY] } })],
  [
    'another recipient of the same name',
    ({ bus }) => ({ bus: { ...bus, recipients: [{ ...MALLORY, name: 'edge' }] } }),
  ],
  [
    'another name of a recipient',
    ({ bus }) => ({ bus: { ...bus, recipients: bus.recipients.map((one) => ({ ...one, name: 'x' })) } }),
  ],
  ['no recipients', ({ bus }) => ({ bus: { ...bus, recipients: [], recipientsPosition: 0 } })],
  ['another position of the recipients', ({ bus }) => ({ bus: { ...bus, recipientsPosition: 2 } })],
  [
    'recipients that a manager signed as the root',
    ({ bus, rootEvents }, { signer, busId }) => {
      const recipients = [MALLORY];
      const root = signRootEvent(signer, busId, 3, { type: 'RecipientsUpdated', recipients });
      return { bus: { ...bus, recipients, recipientsPosition: 2 }, rootEvents: [...rootEvents, { position: 2, root }] };
    },
  ],
  [
    'managers that a manager signed as the root',
    ({ rootEvents }, { signer, busId }) => {
      const managers = [{ ...MALLORY, signingKey: signer.publicKey }];
      const root = signRootEvent(signer, busId, 3, { type: 'ManagersUpdated', managers });
      return { rootEvents: [...rootEvents, { position: 2, root }] };
    },
  ],
  [
    'another format',
    ({ rootEvents }, { signer, busId }) => {
      const root = signRootEvent(signer, busId, 3, { type: 'FormatRaised', format: 2 });
      return { rootEvents: [...rootEvents, { position: 2, root }] };
    },
  ],
  [
    'another restore',
    ({ rootEvents }, { signer, busId }) => {
      const root = signRootEvent(signer, busId, 9, { type: 'BusRestored', position: 1, hash: 'A'.repeat(43) });
      return { rootEvents: [...rootEvents, { position: 2, root }] };
    },
  ],
  [
    'a body that the root did not sign',
    ({ rootEvents }) => ({
      rootEvents: rootEvents.map((one) => ({
        ...one,
        root: { ...one.root, body: one.root.body.replace('alice', 'bob') },
      })),
    }),
  ],
  [
    'root events of another sequence',
    ({ rootEvents }) => ({
      rootEvents: rootEvents.map((one) => ({ ...one, root: { ...one.root, rootSequence: one.root.rootSequence + 1 } })),
    }),
  ],
  [
    'the root events of another bus',
    ({ rootEvents }, { root }) => ({
      rootEvents: rootEvents.map(({ position, root: { body, rootSequence } }) => ({
        position,
        root: signRootEvent(root, sha256(Buffer.from('another bus')), rootSequence, JSON.parse(body)),
      })),
    }),
  ],
  ['root events in another order', ({ rootEvents }) => ({ rootEvents: [...rootEvents].reverse() })],
  ['no first root event', ({ rootEvents }) => ({ rootEvents: rootEvents.slice(1) })],
  ['no root events', () => ({ rootEvents: [] })],
  ['no last root event', ({ rootEvents }) => ({ rootEvents: rootEvents.slice(0, -1) })],
  [
    'a root event of a later commit',
    ({ rootEvents }) => ({ rootEvents: rootEvents.map((one) => ({ ...one, position: 1_000 })) }),
  ],
  [
    'root events at falling positions',
    ({ rootEvents, bus }) => ({
      rootEvents: rootEvents.map((one, index) => ({ ...one, position: 2 - index })),
      bus: { ...bus, recipientsPosition: 1 },
    }),
  ],
  [
    'the signature of the root in another encoding',
    ({ rootEvents }) => ({
      rootEvents: rootEvents.map((one) => ({
        ...one,
        root: { ...one.root, rootSignature: inOtherEncoding(one.root.rootSignature) },
      })),
    }),
  ],
  ['another commit', ({ checkpoint }) => ({ checkpoint: { ...checkpoint, hash: 'A'.repeat(43) } })],
];

/** The same 64 bytes: the last character of their base64url holds four bits too many. */
const inOtherEncoding = (signature: string): string =>
  signature.slice(0, -1) + String.fromCharCode(signature.charCodeAt(signature.length - 1) + 1);

/** A bus with a snapshot that is right, and what is in it. */
async function withGood() {
  const { story, first, place } = await withSnapshot();
  const held = first.hold();
  const good: Content = {
    checkpoint: held.checkpoint(),
    bus: held.bus(),
    rootEvents: held.rootEvents(),
    records: [...held.records()],
  };
  held.close();
  return { story, place, good };
}

/** Of one bus, which every newcomer reads from its beginning: only the snapshot that was said last is found. */
let begun: ReturnType<typeof withGood> | undefined;

test.each(rootOnly)('a snapshot with %s is refused, though a manager vouches for it', async (_, change) => {
  begun ??= withGood();
  const { story, place, good } = await begun;
  await vouchFor({ story, place }, { ...good, ...change(good, story) });
  const newcomer = await newReplica(story);
  const refusals: unknown[] = [];
  const onError = (error: Error) => refusals.push(error);
  expect(await prepare(newcomer, story.bus, { archive: place, onError })).toBe(false);
  expect(refusals).toEqual([
    expect.objectContaining({
      code: expect.stringMatching(/^CERTBUS_(STORE_SNAPSHOT_REFUSED|EVENTS_HISTORY_FORKED)$/),
    }),
  ]);
  expect(newcomer.checkpoint().position).toBe(0);
});

test('a snapshot that is what the bus says is taken, whichever of its managers vouches for it', async () => {
  const made = await withSnapshot();
  const { story, first, place } = made;
  const held = first.hold();
  const [checkpoint, bus, rootEvents] = [held.checkpoint(), held.bus(), held.rootEvents()];
  await vouchFor(made, { checkpoint, bus, rootEvents, records: [...held.records()] });
  held.close();
  const newcomer = await newReplica(story);
  expect(await prepare(newcomer, story.bus, { archive: place })).toBe(true);
});

/** Names other managers than alice, who stays one where `andAlice` is set. */
async function nameBob({ root, busId, signer, say }: Story, { andAlice }: { readonly andAlice: boolean }) {
  const bob = parseManagerKey(await createManagerKey()).signer;
  const named = (name: string, { publicKey }: typeof bob) => ({ ...MALLORY, name, signingKey: publicKey });
  const managers = [named('bob', bob), ...(andAlice ? [named('alice', signer)] : [])];
  await say(signRootEvent(root, busId, 3, { type: 'ManagersUpdated', managers }));
  return bob;
}

test('the snapshot of a manager who was removed since is refused, and nothing of it is opened', async () => {
  const { story, place } = await withSnapshot();
  await nameBob(story, { andAlice: false });
  const asked: string[] = [];
  const watched: typeof place = {
    ...place,
    get(key, options) {
      asked.push(key);
      return place.get(key, options);
    },
  };
  const newcomer = await newReplica(story);
  const refusals: unknown[] = [];
  const onError = (error: Error) => refusals.push(error);
  expect(await prepare(newcomer, story.bus, { archive: watched, onError })).toBe(false);
  expect(refusals).toMatchObject([{ code: 'CERTBUS_STORE_SNAPSHOT_REFUSED' }]);
  expect(asked.filter((key) => key.endsWith('.zst'))).toEqual([]);
});

test('the snapshot of a manager who is one still, or is vouched for again, is taken', async () => {
  const { story, place } = await withSnapshot();
  await nameBob(story, { andAlice: true });
  expect(await prepare(await newReplica(story), story.bus, { archive: place })).toBe(true);
});

test('a commit in the name of another manager vouches for nothing', async () => {
  const made = await withSnapshot({ say: false });
  const { story, first, place } = made;
  const bob = await nameBob(story, { andAlice: true });
  const from = story.checkpoints.at(-1) as Checkpoint;
  const pointer = await place.get(`snapshots/${story.busId}/latest`);
  const { place: key, position } = JSON.parse(Buffer.from(pointer ?? []).toString());
  const manifest = (await place.get(key)) ?? new Uint8Array();
  const hash = story.checkpoints[position - 1]?.hash ?? '';
  const event = { type: 'SnapshotTaken' as const, position, hash, manifest: sha256(manifest), place: key };
  const content = { format: 1, bus: story.busId, at: new Date(), by: 'alice', events: [event] };
  // Alice's name and key id, bob's signature: a follower that checks one signature a page takes it, behind a commit of bob's own.
  const signedByBob = { ...bob, keyId: story.signer.keyId };
  const bytes = encodeCommit({ ...content, position: from.position + 1, previous: from.hash }, signedByBob);
  await story.log.append('test', from.position, bytes);
  const heartbeat = { ...content, by: 'bob', events: [{ type: 'Heartbeat' as const }] };
  const last = encodeCommit({ ...heartbeat, position: from.position + 2, previous: sha256(bytes) }, bob);
  await story.log.append('test', from.position + 1, last);
  const back = signRootEvent(story.root, story.busId, 4, {
    type: 'ManagersUpdated',
    managers: [{ ...MALLORY, name: 'alice', signingKey: story.signer.publicKey }],
  });
  const behind = { ...from, position: from.position + 2, hash: sha256(last) };
  await openBus(story.log, 'test', { trust: story.trust, signer: story.root }).append(behind, [back], {
    at: new Date(),
  });
  await follow(first, story.bus);
  const newcomer = await newReplica(story);
  expect(await prepare(newcomer, story.bus, { archive: place })).toBe(false);
});

test('nothing of a snapshot is opened before a commit vouches for it', async () => {
  const { story, place, first } = await withSnapshot({ say: false });
  const asked: string[] = [];
  const watched: typeof place = {
    ...place,
    get(key, options) {
      asked.push(key);
      return place.get(key, options);
    },
  };
  const version = first.version();
  await rebuild(first, story.bus, { archive: watched });
  expect(asked.filter((key) => key.endsWith('.zst'))).toEqual([]);
  expect(first.version()).not.toBe(version);
  expect(first.countServed()).toBe(30);
});

test('a torn snapshot leaves nothing behind, and the log is read instead', async () => {
  const { story, place, root } = await withSnapshot();
  const chunk = readdirSync(root, { recursive: true, withFileTypes: true }).find(({ name }) => name.endsWith('.zst'));
  const path = join(chunk?.parentPath ?? '', chunk?.name ?? '');
  writeFileSync(path, readFileSync(path).subarray(0, 40));
  const newcomer = await newReplica(story);
  expect(await prepare(newcomer, story.bus, { archive: place })).toBe(false);
  await follow(newcomer, story.bus);
  expect(newcomer.countServed()).toBe(30);
});

test('what is served stays served while a replica is built again, and all readers see the new one at once', async () => {
  const { story, first } = await withSnapshot();
  const reader = await newReplica(story, newPath());
  await follow(reader, story.bus);
  const building = await first.build();
  expect(first.countServed()).toBe(30);
  await building.apply(story.commits, story.checkpoints.at(-1) as Checkpoint);
  expect(first.countServed()).toBe(30);
  const version = first.version();
  await building.serve();
  expect(first.version()).not.toBe(version);
  expect(contentOf(first)).toEqual(contentOf(reader));
  const again = await first.build();
  await again.abandon();
  await rebuild(first, story.bus);
  expect(contentOf(first)).toEqual(contentOf(reader));
});

test('a build that its process did not end is let go of by the next one', async () => {
  const story = await beginBus();
  const path = newPath();
  const replica = await openReplica({ path, busId: story.busId });
  await follow(replica, story.bus);
  await (await replica.build()).apply(story.commits.slice(0, 5), story.checkpoints[4] as Checkpoint);
  await replica.close();
  const next = await newReplica(story, path);
  expect(next.countServed()).toBe(29);
  await rebuild(next, story.bus);
  expect(next.countServed()).toBe(29);
});

test('a history that is refused on the way changes nothing', async () => {
  const story = await beginBus();
  const replica = await newReplica(story);
  await follow(replica, story.bus);
  const before = contentOf(replica);
  const forged = createMemoryLog();
  const { commits } = await story.log.read('test', 0, { limit: 100 });
  for (const { position, bytes } of commits)
    await forged.append('test', position - 1, position === 20 ? Buffer.from('forged') : bytes);
  await expect(rebuild(replica, openBus(forged, 'test', story))).rejects.toMatchObject({ position: 20 });
  expect(contentOf(replica)).toEqual(before);
});

test('a replica of a release that did not know an event is built again by one that does', async () => {
  const story = await beginBus();
  const path = newPath();
  const old = await openReplica({ path, busId: story.busId });
  await follow(old, story.bus);
  await old.close();
  // As a release would have left it that did not know how a certificate is removed.
  const database = new DatabaseSync(path);
  const { busId } = story;
  const { position, checkpoint, ...bus } = database.prepare('SELECT position, checkpoint, state FROM bus').get() ?? {};
  const state = JSON.stringify({ ...JSON.parse(String(bus['state'])), unknown: ['CertificateRemoved', 'Later'] });
  const digest = digestOf({ busId, build: 1, position: Number(position) }, String(checkpoint), state);
  database.prepare('UPDATE bus SET state = ?, digest = ?').run(state, digest);
  const update = database.prepare('UPDATE states SET state = ?, digest = ? WHERE number = ?');
  const removed = 'SELECT number, of_position, state FROM certificates JOIN states USING (number) WHERE removed = 1';
  for (const row of database.prepare(removed).all()) {
    const kept = JSON.stringify({ ...JSON.parse(String(row['state'])), removed: false });
    update.run(kept, digestOf({ busId, build: 1, position: Number(row['of_position']) }, kept), Number(row['number']));
  }
  database.exec('UPDATE certificates SET removed = 0 WHERE removed = 1');
  database.close();
  const replica = await newReplica(story, path);
  expect(replica.certificate('certificate7')?.removed).toBe(false);
  expect(await prepare(replica, story.bus)).toBe(true);
  expect(replica.certificate('certificate7')?.removed).toBe(true);
  expect(await prepare(replica, story.bus)).toBe(false);
});

test('an event of a later release is skipped and noted, and what is known goes on', async () => {
  const story = await beginBus();
  const later = { type: 'CertificatePinned', certificateId: 'certificate1' } as unknown as WrittenEvent;
  await story.say(later, obtained('certificate32', ['n32.test']));
  const replica = await newReplica(story);
  await follow(replica, story.bus);
  expect(replica.bus().unknown).toEqual(['CertificatePinned']);
  expect(replica.lookup('n32.test')).toHaveLength(1);
  expect(await prepare(replica, story.bus)).toBe(false);
});

test('a raised format stops a reader of this release with its code, and what it has stays', async () => {
  const story = await beginBus();
  const raise = signRootEvent(story.root, story.busId, 3, { type: 'FormatRaised', format: 2 });
  await story.say(raise);
  await expect(story.say({ type: 'Heartbeat' })).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_FORMAT_UNKNOWN' });
  const replica = await newReplica(story);
  await follow(replica, story.bus);
  expect(replica.checkpoint()).toMatchObject({ format: 2, position: story.commits.length });
  const { checkpoint } = { checkpoint: replica.checkpoint() };
  const text = Buffer.from((await story.log.read('test', checkpoint.position - 1)).commits[0]?.bytes ?? []).toString();
  const next = text
    .replace('{"format":1', '{"format":2')
    .replace(`"position":${checkpoint.position}`, `"position":${checkpoint.position + 1}`);
  await story.log.append('test', checkpoint.position, Buffer.from(next));
  const page = await story.bus.read(checkpoint);
  expect(page.refused?.code).toBe('CERTBUS_EVENTS_FORMAT_UNKNOWN');
  expect(replica.countServed()).toBe(29);
});
