import { beforeAll, expect, test } from 'vitest';
import { sha256 } from '../hash.ts';
import { EMPTY_BUS, evolveBus } from './bus-state.ts';
import { decodeCommit, encodeCommit, type WrittenEvent } from './codec.ts';
import { beginning, createKeys, type Keys } from './history.builders.ts';
import { verifyCommits } from './segments.ts';
import { BEGINNING } from './verify.ts';

const POSITION = 12;
const at = new Date('2026-11-24T03:00:00Z');
const after = (ms: number) => new Date(at.getTime() + ms).toISOString();
const [HOUR, DAY] = [3_600_000, 86_400_000];
const der = Buffer.from('issuer');
const hash = sha256(der);
const manifest = sha256(Buffer.from('manifest'));
const [issuanceId, certificateId, holder] = ['issuance1', 'certificate1', 'alice'];

const issuer = (name: string): WrittenEvent => ({
  type: 'IssuerAdded',
  hash: name,
  certificate: der.toString('base64'),
});
const challenge = (expiresAt: string): WrittenEvent => ({
  type: 'ChallengePresented',
  issuanceId,
  challengeType: 'tls-alpn-01',
  identifier: 'a.test',
  token: 'token',
  thumbprint: hash,
  expiresAt,
});
const csr = { csr: 'AAAA', sealedKey: 'AAAA' };
const claim = (until: string, recipientsPosition = 1): WrittenEvent => ({
  type: 'IssuanceStarted',
  issuanceId,
  certificateId,
  names: ['a.test'],
  reason: 'new',
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
  holder,
  until,
  ...csr,
  recipientsPosition,
});
const takenOver = (until: string): WrittenEvent => ({
  type: 'IssuanceTakenOver',
  issuanceId,
  certificateId,
  holder,
  until,
});
const replaced = (recipientsPosition: number): WrittenEvent => ({
  type: 'CsrReplaced',
  issuanceId,
  certificateId,
  ...csr,
  recipientsPosition,
});
const range = (first: number, last: number): WrittenEvent => ({
  type: 'RangeArchived',
  first,
  last,
  hash,
  manifest,
  place: 'x',
});
const snapshot = (position: number): WrittenEvent => ({ type: 'SnapshotTaken', position, hash, manifest, place: 'x' });

let keys: Keys;
beforeAll(async () => {
  keys = await createKeys();
});

const commitOf = (...events: WrittenEvent[]) => {
  const content = { format: 1, bus: keys.trust.busId, position: POSITION, previous: hash, at, by: 'alice', events };
  return decodeCommit(encodeCommit(content, keys.signer));
};

test.each<[string, WrittenEvent]>([
  ['an issuer under its own hash', issuer(hash)],
  ['a challenge of an hour', challenge(after(HOUR))],
  ['a challenge that has lapsed', challenge(after(-DAY))],
  ['a claim of a day', claim(after(DAY))],
  ['a claim of a day that was taken over', takenOver(after(DAY))],
  ['recipients of the same commit', claim(after(HOUR), POSITION)],
  ['a key for recipients of the same commit', replaced(POSITION)],
  ['a range that ends right before it', range(1, POSITION - 1)],
  ['a range of one commit', range(3, 3)],
  ['a snapshot of the commit before', snapshot(POSITION - 1)],
])('%s counts', (_, event) => {
  expect(commitOf(event).events).toMatchObject([{ type: event.type, event }]);
  expect(commitOf(event).events[0]?.broken).toBeUndefined();
});

const broken: [string, WrittenEvent][] = [
  ['an issuer under the hash of another', issuer(manifest)],
  ['a challenge of a moment more than an hour', challenge(after(HOUR + 1))],
  ['a challenge until 2099', challenge('2099-01-01T00:00:00Z')],
  ['a claim of a moment more than a day', claim(after(DAY + 1))],
  ['a claim until 9999', claim('9999-12-31T23:59:59Z')],
  ['a claim that was taken over until 9999', takenOver('9999-12-31T23:59:59Z')],
  ['a claim for recipients to come', claim(after(HOUR), POSITION + 1)],
  ['a key for recipients to come', replaced(POSITION + 1)],
  ['a range with its own commit', range(1, POSITION)],
  ['a range of commits to come', range(1, 9e12)],
  ['a range that ends before it begins', range(7, 6)],
  ['a snapshot of its own commit', snapshot(POSITION)],
  ['a snapshot of a commit to come', snapshot(9e12)],
];

test.each(broken)('%s is void, and what else its commit says counts', (_, event) => {
  const removal: WrittenEvent = { type: 'CertificateRemoved', certificateId };
  const commit = commitOf(event, removal);
  expect(commit.events).toEqual([
    { type: event.type, event: undefined, unknown: [], broken: expect.any(String) },
    { type: 'CertificateRemoved', event: removal, unknown: [] },
  ]);
  const state = evolveBus(EMPTY_BUS, commit);
  expect(state).toEqual({
    ...EMPTY_BUS,
    newestAt: at.toISOString(),
    voided: [{ type: event.type, position: POSITION, rule: commit.events[0]?.broken }],
  });
});

test('no number of such events stops a follower, or fills its state', () => {
  const content = { format: 1, bus: keys.trust.busId, at };
  const stored = [
    encodeCommit({ ...content, position: 1, previous: null, by: 'root', events: beginning(keys) }, keys.root),
  ];
  for (let position = 2; position <= 40; position += 1) {
    const previous = sha256(stored.at(-1) ?? der);
    const [, event] = broken[position % broken.length] ?? ['', issuer(manifest)];
    stored.push(encodeCommit({ ...content, position, previous, by: 'alice', events: [event] }, keys.signer));
  }
  const { commits, refused } = verifyCommits(
    keys.trust,
    BEGINNING,
    stored.map((bytes, index) => ({ position: index + 1, bytes })),
  );
  expect(refused).toBeUndefined();
  const { voided } = commits.reduce(evolveBus, EMPTY_BUS);
  expect(voided).toHaveLength(20);
  expect(voided.at(-1)?.position).toBe(40);
});
