import { beforeAll, describe, expect, test } from 'vitest';
import { HistoryError } from '../errors.ts';
import { sha256 } from '../hash.ts';
import { createManagerKey, parseManagerKey, type Signer } from '../keys.ts';
import { createBusId } from '../trust.ts';
import type { WrittenEvent } from './codec.ts';
import { beginning, commitBehind, createKeys, type Keys, RECIPIENT, type Stored } from './history.builders.ts';
import { type PlacedRootEvent, signRootEvent } from './root-event.ts';
import { verifyCommits } from './segments.ts';
import { BEGINNING, type Checkpoint, checkpointOf } from './verify.ts';

let keys: Keys;
let stranger: Signer;
const removed = (n: number): WrittenEvent => ({ type: 'CertificateRemoved', certificateId: `certificate${n}` });

/** A bus of `length` commits, with the checkpoint behind each. */
function write(length: number): { stored: Stored[]; checkpoints: Checkpoint[] } {
  const stored = [commitBehind(BEGINNING, beginning(keys), { bus: keys.trust.busId, by: 'root', signer: keys.root })];
  const checkpoints = [verifyCommits(keys.trust, BEGINNING, stored).checkpoint];
  while (stored.length < length) append(stored, checkpoints, [removed(stored.length)]);
  return { stored, checkpoints };
}

function append(
  stored: Stored[],
  checkpoints: Checkpoint[],
  events: WrittenEvent[],
  signer = keys.signer,
  by = 'alice',
): void {
  const last = checkpoints.at(-1) as Checkpoint;
  const next = commitBehind(last, events, { bus: keys.trust.busId, by, signer });
  stored.push(next);
  checkpoints.push(verifyCommits(keys.trust, last, [next]).checkpoint);
}

const managers = (...signers: [string, Signer][]) => ({
  type: 'ManagersUpdated' as const,
  managers: signers.map(([name, { publicKey }]) => ({ name, signingKey: publicKey, recipient: RECIPIENT })),
});

beforeAll(async () => {
  keys = await createKeys();
  stranger = parseManagerKey(await createManagerKey()).signer;
});

test('a whole history verifies, in one go or page by page, with the same end', () => {
  const { stored, checkpoints } = write(12);
  const whole = verifyCommits(keys.trust, BEGINNING, stored);
  expect(whole.refused).toBeUndefined();
  expect(whole.commits).toHaveLength(12);
  const first = verifyCommits(keys.trust, BEGINNING, stored.slice(0, 5));
  const second = verifyCommits(keys.trust, first.checkpoint, stored.slice(5));
  expect(second.checkpoint).toEqual(whole.checkpoint);
  expect(whole.checkpoint).toEqual(checkpoints.at(-1));
});

describe.each([
  ['the first', 2],
  ['a middle', 5],
  ['the last', 8],
])('a history whose %s commit of a page is wrong is refused there, with all before it kept', (_, position) => {
  /** Replaces the commit at `position` and reads positions 2 to 8 as one page. */
  function read(replacement: (before: Checkpoint) => Stored) {
    const { stored, checkpoints } = write(8);
    const page = stored.slice(1);
    page[position - 2] = replacement(checkpoints[position - 2] as Checkpoint);
    const verified = verifyCommits(keys.trust, checkpoints[0] as Checkpoint, page);
    expect(verified.checkpoint).toEqual(checkpoints[position - 2]);
    expect(verified.commits).toHaveLength(position - 2);
    expect(verified.refused?.position).toBe(position);
    return verified.refused;
  }
  const alone = position === 8;

  test('signed by a key that manages nothing', () => {
    const refused = read((before) =>
      commitBehind(before, [removed(99)], { bus: keys.trust.busId, by: 'alice', signer: stranger }),
    );
    // Inside a page the next commit does not continue the forgery, which shows first.
    expect(refused?.code).toMatch(alone ? /SIGNER_NOT_IN_FORCE/ : /HISTORY_FORKED|SIGNER_NOT_IN_FORCE/);
  });

  test('moved over from another bus', () => {
    const refused = read((before) =>
      commitBehind(before, [removed(99)], { bus: createBusId(), by: 'alice', signer: keys.signer }),
    );
    expect(refused?.code).toBe('CERTBUS_EVENTS_OTHER_BUS');
  });

  test('forked', () => {
    const refused = read((before) =>
      commitBehind({ ...before, hash: 'A'.repeat(43) }, [removed(99)], {
        bus: keys.trust.busId,
        by: 'alice',
        signer: keys.signer,
      }),
    );
    expect(refused?.code).toBe('CERTBUS_EVENTS_HISTORY_FORKED');
  });

  test('signed for another position', () => {
    const refused = read((before) => ({
      ...commitBehind({ ...before, position: before.position + 1 }, [removed(99)], {
        bus: keys.trust.busId,
        by: 'alice',
        signer: keys.signer,
      }),
      position,
    }));
    expect(refused?.code).toBe('CERTBUS_EVENTS_POSITION_WRONG');
  });
});

test('a re-signed commit of a page, validly linked but by a stranger at its end, takes nothing with it', () => {
  const { stored: pages, checkpoints: ends } = write(3);
  const forged = commitBehind(ends[2] as Checkpoint, [removed(66)], {
    bus: keys.trust.busId,
    by: 'alice',
    signer: stranger,
  });
  const verified = verifyCommits(keys.trust, BEGINNING, [...pages, forged]);
  expect(verified.refused).toMatchObject({ code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE', position: 4 });
  expect(verified.checkpoint).toEqual(ends[2]);
});

test('a forged run of commits inside a page is not vouched for by a forged end', () => {
  const { stored, checkpoints } = write(2);
  let before = checkpoints[1] as Checkpoint;
  for (const n of [1, 2, 3]) {
    const forged = commitBehind(before, [removed(n)], { bus: keys.trust.busId, by: 'alice', signer: stranger });
    stored.push(forged);
    before = { ...before, position: forged.position, hash: sha256(forged.bytes) };
  }
  expect(verifyCommits(keys.trust, BEGINNING, stored)).toMatchObject({
    refused: { position: 3 },
    checkpoint: checkpoints[1],
  });
});

test('every signature is looked at when asked for, also where a manager has signed on top of a wrong one', () => {
  const { stored, checkpoints } = write(2);
  append(stored, checkpoints, [removed(3)], { ...keys.signer, sign: (message) => stranger.sign(message) });
  const forged = stored.at(-1) as Stored;
  const behind = { ...(checkpoints[1] as Checkpoint), position: 3, hash: sha256(forged.bytes) };
  const options = { bus: keys.trust.busId, by: 'alice', signer: keys.signer };
  stored.push(commitBehind(behind, [removed(4)], options));
  expect(verifyCommits(keys.trust, BEGINNING, stored)).toMatchObject({ checkpoint: { position: 4 } });
  expect(verifyCommits(keys.trust, BEGINNING, stored, { everySignature: true })).toMatchObject({
    refused: { code: 'CERTBUS_EVENTS_SIGNATURE_INVALID', position: 3 },
    checkpoint: checkpoints[1],
  });
});

test('a manager that the root names may sign from the next commit on', () => {
  const { stored, checkpoints } = write(2);
  append(stored, checkpoints, [
    signRootEvent(keys.root, keys.trust.busId, 3, managers(['alice', keys.signer], ['bob', stranger])),
  ]);
  append(stored, checkpoints, [removed(1)], stranger, 'bob');
  expect(verifyCommits(keys.trust, BEGINNING, stored).refused).toBeUndefined();
});

test('a manager that the root dropped may not sign any more', () => {
  const { stored, checkpoints } = write(2);
  append(stored, checkpoints, [signRootEvent(keys.root, keys.trust.busId, 3, managers(['bob', stranger]))]);
  append(stored, checkpoints, [removed(1)]);
  expect(verifyCommits(keys.trust, BEGINNING, stored).refused).toMatchObject({
    code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE',
    position: 4,
  });
});

test('a key change signed by nobody, followed by a commit of the added key, is refused', () => {
  const { stored, checkpoints } = write(2);
  const change = signRootEvent(stranger, keys.trust.busId, 3, managers(['mallory', stranger]));
  const forged = commitBehind(checkpoints[1] as Checkpoint, [change], {
    bus: keys.trust.busId,
    by: 'alice',
    signer: keys.signer,
  });
  const behind = { ...(checkpoints[1] as Checkpoint), position: 3, hash: sha256(forged.bytes) };
  const next = commitBehind(behind, [removed(1)], { bus: keys.trust.busId, by: 'mallory', signer: stranger });
  const verified = verifyCommits(keys.trust, BEGINNING, [...stored, forged, next]);
  expect(verified.refused).toMatchObject({ code: 'CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID', position: 3 });
  expect(verified.checkpoint).toEqual(checkpoints[1]);
});

test('an old root event played again is refused', () => {
  const { stored, checkpoints } = write(2);
  const old = beginning(keys)[1] as WrittenEvent;
  append(stored, checkpoints, [old]);
  expect(verifyCommits(keys.trust, BEGINNING, stored).refused).toMatchObject({
    code: 'CERTBUS_EVENTS_ROOT_SEQUENCE_WRONG',
    position: 3,
  });
});

test('a root event of another bus with the same root is refused', () => {
  const { stored, checkpoints } = write(2);
  append(stored, checkpoints, [signRootEvent(keys.root, createBusId(), 3, managers(['alice', keys.signer]))]);
  expect(verifyCommits(keys.trust, BEGINNING, stored).refused?.code).toBe('CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID');
});

test('a root event is signed for one place in its sequence, and is refused in another', () => {
  const { stored, checkpoints } = write(2);
  const change = signRootEvent(keys.root, keys.trust.busId, 4, managers(['bob', stranger]));
  append(stored, checkpoints, [{ ...change, rootSequence: 3 }]);
  expect(verifyCommits(keys.trust, BEGINNING, stored).refused).toMatchObject({
    code: 'CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID',
    position: 3,
  });
  // Dropped since, bob would be named again by the same words in a later place.
  const root = (sequence: number, signer: Signer) =>
    signRootEvent(keys.root, keys.trust.busId, sequence, managers(['alice', keys.signer], ['bob', signer]));
  const moved = { ...root(3, stranger), rootSequence: 4 };
  const { stored: longer, checkpoints: ends } = write(2);
  append(longer, ends, [root(3, keys.signer)]);
  append(longer, ends, [moved]);
  expect(verifyCommits(keys.trust, BEGINNING, longer).refused).toMatchObject({
    code: 'CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID',
    position: 4,
  });
});

test('a bus does not begin with anything but BusCreated, signed by its root', async () => {
  const options = { bus: keys.trust.busId, by: 'root', signer: keys.root };
  const headless = commitBehind(BEGINNING, [removed(1)], options);
  expect(verifyCommits(keys.trust, BEGINNING, [headless]).refused?.position).toBe(1);
  const byManager = commitBehind(BEGINNING, beginning(keys), { ...options, by: 'alice', signer: keys.signer });
  expect(verifyCommits(keys.trust, BEGINNING, [byManager]).refused?.code).toBe('CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE');
  const other = await createKeys();
  const foreign = commitBehind(BEGINNING, beginning(other), { bus: keys.trust.busId, by: 'root', signer: keys.root });
  expect(verifyCommits(keys.trust, BEGINNING, [foreign]).refused?.position).toBe(1);
});

test("a manager cannot sign in another manager's name", () => {
  const { stored, checkpoints } = write(2);
  append(stored, checkpoints, [removed(1)], keys.signer, 'root');
  expect(verifyCommits(keys.trust, BEGINNING, stored).refused?.code).toBe('CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE');
});

test('a raised format holds from the next commit on, and only the root raises it, upwards', () => {
  const { stored, checkpoints } = write(2);
  append(stored, checkpoints, [signRootEvent(keys.root, keys.trust.busId, 3, { type: 'FormatRaised', format: 2 })]);
  expect(checkpoints.at(-1)?.format).toBe(2);
  const options = { bus: keys.trust.busId, by: 'alice', signer: keys.signer };
  const last = checkpoints.at(-1) as Checkpoint;
  const old = commitBehind({ ...last, format: 1 }, [removed(1)], options);
  expect(verifyCommits(keys.trust, last, [old]).refused?.code).toBe('CERTBUS_EVENTS_FORMAT_WRONG');
  const next = commitBehind(last, [removed(1)], options);
  expect(verifyCommits(keys.trust, last, [next]).refused?.code).toBe('CERTBUS_EVENTS_FORMAT_UNKNOWN');
  const lowered = signRootEvent(keys.root, keys.trust.busId, 3, { type: 'FormatRaised', format: 1 });
  const back = commitBehind(checkpoints[1] as Checkpoint, [lowered], options);
  expect(verifyCommits(keys.trust, checkpoints[1] as Checkpoint, [back]).refused?.code).toBe(
    'CERTBUS_EVENTS_FORMAT_WRONG',
  );
});

test('what is in force is known from the root events alone, up to any commit', () => {
  const { stored, checkpoints } = write(2);
  const root = (sequence: number, signer: Signer) =>
    signRootEvent(keys.root, keys.trust.busId, sequence, managers(['alice', keys.signer], ['bob', signer]));
  append(stored, checkpoints, [root(3, stranger)]);
  append(stored, checkpoints, [removed(1)]);
  const placed = [
    ...beginning(keys)
      .slice(1)
      .map((event) => ({ position: 1, root: event as PlacedRootEvent['root'] })),
    { position: 3, root: root(3, stranger) },
  ];
  for (const checkpoint of checkpoints) {
    const { position, hash } = checkpoint;
    expect(checkpointOf(keys.trust, { position, hash: hash ?? '' }, placed)).toEqual(checkpoint);
  }
  const without = placed.filter((_, index) => index !== 1);
  const at = { position: 4, hash: checkpoints[3]?.hash ?? '' };
  expect(() => checkpointOf(keys.trust, at, without)).toThrow(HistoryError);
});

test('what a forged commit says of itself moves no terminal and fills no log', async () => {
  const keys = await createKeys();
  const evil = `\u001b]0;owned\u0007\u202e${'x'.repeat(100_000)}`;
  const say = (event: object, by: string) =>
    commitBehind(BEGINNING, [event as WrittenEvent], { bus: keys.trust.busId, by, signer: keys.signer });
  const forged = [
    say({ type: 'Heartbeat' }, evil.slice(0, 80)),
    say({ type: 'CertificateRevoked', certificateId: 'certificate1', leafHash: 'A'.repeat(43), reason: evil }, 'alice'),
    say({ type: 'SnapshotTaken', position: 1, hash: evil, manifest: evil, place: 'x' }, 'alice'),
    { position: 1, bytes: Buffer.from(`${evil}\n0123456789abcdef ${'A'.repeat(86)}\n`) },
  ];
  for (const stored of forged) {
    const { refused } = verifyCommits(keys.trust, BEGINNING, [stored]);
    for (let error: unknown = refused; error instanceof Error; error = error.cause) {
      expect(error.message).not.toMatch(/[\p{Cc}\u202a-\u202e]/u);
      expect(error.message.length).toBeLessThan(1_000);
    }
    expect(refused?.message).toContain('Commit 1 refused');
  }
});
