/** Tests of what is in force, and of what counts, once a manager was expelled. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CertificateObtained } from '../event-types/certificate-events.ts';
import { sha256 } from '../hash.ts';
import { createManagerKey, parseManagerKey } from '../keys.ts';
import type { ManagedCertificate } from '../managed-certificate.ts';
import { readEvent, type WrittenEvent } from './codec.ts';
import { evolve, MAX_RETIRED, servedNames } from './evolve.ts';
import { isRewritten, isTainted, lineOf } from './expulsion.ts';
import { beginning, commitBehind, createKeys, RECIPIENT, type Stored } from './history.builders.ts';
import { type RootBody, signRootEvent } from './root-event.ts';
import { verifyCommits } from './segments.ts';
import { BEGINNING, type Checkpoint, checkpointOf } from './verify.ts';

const keys = await createKeys();
const { signer: thief } = parseManagerKey(await createManagerKey());
const bus = keys.trust.busId;
const root = { bus, by: 'root', signer: keys.root };
const alice = { bus, by: 'alice', signer: keys.signer };
const mallory = { bus, by: 'mallory', signer: thief };
const managers = [
  { name: 'alice', signingKey: keys.signer.publicKey, recipient: RECIPIENT },
  { name: 'mallory', signingKey: thief.publicKey, recipient: RECIPIENT },
];
const signed = (sequence: number, body: RootBody) => signRootEvent(keys.root, bus, sequence, body);
const expelled = (sequence: number, since: number) =>
  signed(sequence, { type: 'ManagerExpelled', manager: 'mallory', key: thief.publicKey, since });

/** Writes a history of whatever is given; the first commit names alice and mallory. */
function write(...commits: readonly (readonly [typeof root, ...WrittenEvent[]])[]): Stored[] {
  const stored: Stored[] = [];
  for (const [by, ...events] of [
    [root, ...beginning(keys), signed(3, { type: 'ManagersUpdated', managers })] as const,
    ...commits,
  ]) {
    const last = stored.at(-1);
    const from = { position: last?.position ?? 0, hash: last ? sha256(last.bytes) : null };
    stored.push(commitBehind(from, events, by));
  }
  return stored;
}

const verify = (stored: readonly Stored[], from: Checkpoint = BEGINNING) => verifyCommits(keys.trust, from, stored);
const beat: WrittenEvent = { type: 'Heartbeat' };

test('an expelled key is out of force, and no list of managers brings it back', () => {
  const stored = write(
    [alice, beat],
    [root, expelled(4, 2)],
    [root, signed(5, { type: 'ManagersUpdated', managers })],
    [mallory, beat],
  );
  const { checkpoint, refused } = verify(stored);
  expect(checkpoint.managers.map(({ name }) => name)).toEqual(['alice']);
  expect(checkpoint.expelled).toEqual([
    { manager: 'mallory', key: thief.publicKey, since: 2, position: 3, sequence: 4 },
  ]);
  expect(refused).toMatchObject({ code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE', position: 5 });
});

test('an expulsion needs the envelope of the root', () => {
  const bare = { type: 'ManagerExpelled', rootSequence: 4, manager: 'mallory', key: thief.publicKey, since: 2 };
  expect(() => readEvent(bare)).toThrow('is not signed by the root');
});

test('the root events of a snapshot prove the same expulsions', () => {
  const stored = write([alice, beat], [root, expelled(4, 2)], [alice, beat]);
  const { commits, checkpoint } = verify(stored);
  const rootEvents = commits.flatMap(({ events, position }) =>
    events.flatMap((read) => (read.root ? [{ position, root: read.root }] : [])),
  );
  const { position, hash } = checkpoint;
  expect(checkpointOf(keys.trust, { position, hash: String(hash) }, rootEvents)).toEqual(checkpoint);
});

/** What counts of the commits of a history that is read with its expulsions known. */
function counting(stored: readonly Stored[]) {
  const { checkpoint } = verify(stored);
  const again = verify(stored, { ...BEGINNING, expelled: checkpoint.expelled });
  expect(again.refused).toBeUndefined();
  expect(again.checkpoint).toEqual(checkpoint);
  return again.commits.map(({ events }) =>
    events.map(({ event, distrusted, unknown }) => [event?.type, distrusted ?? false, unknown.length]),
  );
}

test('what the key signed counts up to the position, by the key and not by the name', () => {
  const odd = { type: 'MoonPhaseChanged' } as unknown as WrittenEvent;
  const stored = write([mallory, beat], [mallory, beat, odd], [alice, beat, odd], [root, expelled(4, 3)]);
  expect(counting(stored).slice(1)).toEqual([
    [['Heartbeat', false, 0]],
    [
      [undefined, true, 0],
      [undefined, true, 0],
    ],
    [
      ['Heartbeat', false, 0],
      [undefined, false, 1],
    ],
    [['ManagerExpelled', false, 0]],
  ]);
});

test('a root event counts in whatever commit it came', () => {
  const carried = write([mallory, beat, expelled(4, 2)], [alice, beat]);
  expect(counting(carried).slice(1)).toEqual([
    [
      [undefined, true, 0],
      ['ManagerExpelled', false, 0],
    ],
    [['Heartbeat', false, 0]],
  ]);
});

test('a history without the expulsion that was met before is refused', () => {
  const { checkpoint } = verify(write([alice, beat], [root, expelled(4, 2)]));
  const other = write([alice, beat], [alice, beat]);
  const { refused } = verify(other, { ...BEGINNING, expelled: checkpoint.expelled });
  expect(refused).toMatchObject({ code: 'CERTBUS_EVENTS_HISTORY_FORKED', position: 3 });
});

test('a state is to be made again where an expulsion reaches back, and is on another line then', () => {
  const expulsion = { manager: 'm', key: 'k', since: 5, position: 9, sequence: 7 };
  const none = { expelled: [], restored: 3 };
  const one = { expelled: [expulsion], restored: 3 };
  expect([isRewritten(none, one), isRewritten(one, one), isRewritten(one, none)]).toEqual([true, false, false]);
  expect(isRewritten(none, { expelled: [{ ...expulsion, since: 10 }] })).toBe(false);
  expect([4, 5, 8, 9].map((position) => isTainted(position, [expulsion]))).toEqual([false, true, true, false]);
  expect([lineOf(none), lineOf(one)]).toEqual([3, 7]);
});

const obtained = (leaf: string, names: readonly string[] = ['a.test']): CertificateObtained => ({
  type: 'CertificateObtained',
  issuanceId: 'issuance0001',
  certificateId: 'certificate1',
  reason: 'new',
  names,
  leaf: Buffer.from(leaf).toString('base64'),
  issuers: [],
  sealedKey: Buffer.from('sealed').toString('base64'),
  serialNumber: '0A',
  notBefore: '2026-11-22T00:00:00Z',
  notAfter: '2027-02-20T00:00:00Z',
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
});

describe('a certificate of an expelled manager', () => {
  const at = new Date('2026-11-24T00:00:00Z');
  const fold = (...steps: readonly (readonly [string, true?, (readonly string[])?])[]) =>
    steps.reduce<ManagedCertificate | undefined>(
      (state, [leaf, distrusted, names]) => evolve(state, obtained(leaf, names), { at, distrusted }),
      undefined,
    );
  const leavesOf = (state: ManagedCertificate | undefined) =>
    [state?.current, ...(state?.predecessors ?? [])].map((issued) => issued?.leafHash);
  const hashOf = (leaf: string) => sha256(Buffer.from(leaf));

  test('stands behind one that is trusted, and in its place where there is none', () => {
    expect(leavesOf(fold(['good'], ['evil', true]))).toEqual([hashOf('good'), hashOf('evil')]);
    expect(leavesOf(fold(['evil', true], ['worse', true]))).toEqual([hashOf('worse'), hashOf('evil')]);
    expect(leavesOf(fold(['evil', true], ['good']))).toEqual([hashOf('good'), hashOf('evil')]);
  });

  test('pushes no trusted one out, whatever the instant of its commit', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 30 }), (trusted) => {
        let state = evolve(undefined, obtained('first'), { at });
        let alone = state;
        for (const [index, isTrusted] of trusted.entries()) {
          const event = obtained(`leaf ${index}`);
          if (isTrusted) alone = evolve(alone, event, { at });
          state = isTrusted
            ? evolve(state, event, { at })
            : evolve(state, event, { at: new Date('2099-01-01'), distrusted: true });
        }
        const good = [state?.current, ...(state?.predecessors ?? [])].filter((issued) => !issued?.distrusted);
        expect(good).toEqual([alone?.current, ...(alone?.predecessors ?? [])]);
        expect(state?.predecessors.length).toBeLessThanOrEqual(7);
      }),
    );
  });

  test('pushes no trusted one out of those that are kept to be revoked, however many there are', () => {
    const good = fold(...Array.from({ length: 9 }, (_, n) => [`good ${n}`] as const));
    expect(good?.retired).toHaveLength(5);
    let state = good;
    for (let n = 0; n < MAX_RETIRED + 9; n += 1) {
      const event = { ...obtained(`evil ${n}`), notAfter: '9999-12-31T00:00:00Z' };
      state = evolve(state, event, { at, distrusted: true });
    }
    expect(state?.retired?.slice(0, 5)).toEqual(good?.retired);
    const others = state?.retired?.slice(5).map(({ distrusted, leafHash }) => [distrusted, leafHash]);
    // The four after the four that are predecessors.
    const newest = [5, 6, 7, 8].map((n) => [true, hashOf(`evil ${MAX_RETIRED + 9 - n}`)]);
    expect(others).toEqual(newest);
  });

  test('is found by its names, next to those of the trusted one', () => {
    const state = fold(['good'], ['evil', true, ['a.test', 'b.test']]);
    expect(state && servedNames(state)).toEqual(['a.test', 'b.test']);
    expect(state?.names).toEqual(['a.test']);
  });

  test('leaves issuance, failure and settings of a trusted certificate alone', () => {
    const started = evolve(
      fold(['good']),
      {
        type: 'IssuanceStarted',
        issuanceId: 'issuance0001',
        certificateId: 'certificate1',
        names: ['a.test'],
        reason: 'renewal',
        challengeType: 'http-01',
        directory: 'https://ca.test/dir',
        holder: 'alice',
        until: '2026-11-24T00:05:00Z',
        csr: 'AAAA',
        sealedKey: 'AAAA',
        recipientsPosition: 1,
      },
      { at },
    );
    const after = evolve(started, obtained('evil'), { at, distrusted: true });
    expect({ ...after, predecessors: [] }).toEqual({ ...started, predecessors: [] });
  });

  test('is a certificate that a manager renews where there is no other', () => {
    expect(fold(['evil', true])).toMatchObject({ directory: 'https://ca.test/dir', challengeType: 'dns-01' });
  });
});
