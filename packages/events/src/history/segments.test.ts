import { beforeAll, describe, expect, test, vi } from 'vitest';
import { sha256 } from '../hash.ts';
import { createManagerKey, isSignatureOf, keyIdOf, parseManagerKey, type Signer } from '../keys.ts';
import type { WrittenEvent } from './codec.ts';
import { beginning, commitBehind, createKeys, type Keys, RECIPIENT, type Stored } from './history.builders.ts';
import { signRootEvent } from './root-event.ts';
import { verifyCommits } from './segments.ts';
import { BEGINNING, type Checkpoint } from './verify.ts';

// Counted, not replaced.
vi.mock('../keys.ts', { spy: true });
const parse = vi.spyOn(JSON, 'parse');
const signatures = vi.mocked(isSignatureOf);

/** How often each is done while `work` runs. */
function count<T>(work: () => T): { result: T; parsed: number; signatures: number } {
  parse.mockClear();
  signatures.mockClear();
  const result = work();
  return { result, parsed: parse.mock.calls.length, signatures: signatures.mock.calls.length };
}

const PAGE = 150;
let keys: Keys;
let stranger: Signer;
/** A bus of one commit, and where it stands then. */
let first: Stored;
let start: Checkpoint;

const removed = (n: number): WrittenEvent => ({ type: 'CertificateRemoved', certificateId: `certificate${n}` });
const managers = (...signers: readonly [string, Signer][]) => ({
  type: 'ManagersUpdated' as const,
  managers: signers.map(([name, { publicKey }]) => ({ name, signingKey: publicKey, recipient: RECIPIENT })),
});

/** Commits that are linked one to the other, by one signer. */
function run(
  from: Pick<Checkpoint, 'position' | 'hash'>,
  count: number,
  { signer = keys.signer, by = 'alice' }: { readonly signer?: Signer; readonly by?: string } = {},
): Stored[] {
  const commits: Stored[] = [];
  for (let before = from; commits.length < count; ) {
    const next = commitBehind(before, [removed(before.position)], { bus: keys.trust.busId, by, signer });
    commits.push(next);
    before = { position: next.position, hash: sha256(next.bytes) };
  }
  return commits;
}

const behind = ({ position, bytes }: Stored) => ({ ...start, position, hash: sha256(bytes) });
const textOf = ({ bytes }: Stored): string => Buffer.from(bytes).toString();
/** The same commit with another signature, of no key. */
function withoutSignature(commit: Stored): Stored {
  const text = textOf(commit);
  const end = text.indexOf('\n') + 18;
  return { ...commit, bytes: Buffer.from(`${text.slice(0, end)}${'A'.repeat(86)}\n`) };
}
/** A payload that only a parser could refuse, signed in the name of a key. */
const signedLine = (position: number, payload: string, keyId: string): Stored => ({
  position,
  bytes: Buffer.from(`${payload}\n${keyId} ${'A'.repeat(86)}\n`),
});

beforeAll(async () => {
  keys = await createKeys();
  stranger = parseManagerKey(await createManagerKey()).signer;
  first = commitBehind(BEGINNING, beginning(keys), { bus: keys.trust.busId, by: 'root', signer: keys.root });
  start = verifyCommits(keys.trust, BEGINNING, [first]).checkpoint;
});

describe('of what nobody in force signed, nothing is parsed:', () => {
  test.each([
    ['a page of a stranger', () => run(start, PAGE, { signer: stranger })],
    ['a page without a signature, in the name of a manager', () => run(start, PAGE).map(withoutSignature)],
    ['what is not JSON, in the name of a manager', () => [signedLine(2, '{"format":', keys.signer.keyId)]],
    ['objects in objects, in the name of the root', () => [signedLine(2, '{"a":'.repeat(50_000), keys.root.keyId)]],
    ['what is not two lines', () => [{ position: 2, bytes: Buffer.from('{"format":1}') }]],
    ['a commit over the limit', () => [signedLine(2, 'x'.repeat(400_000), keys.signer.keyId)]],
  ])('%s', (_, write) => {
    const page = write();
    const { result, parsed } = count(() => verifyCommits(keys.trust, start, page));
    expect(result).toMatchObject({ commits: [], checkpoint: start, refused: { position: 2 } });
    expect(parsed).toBe(0);
  });

  test('the forged part of a page behind the genuine one', () => {
    const genuine = run(start, 3);
    const forged = run(behind(genuine[2] as Stored), PAGE - 3, { signer: stranger });
    const alone = count(() => verifyCommits(keys.trust, start, genuine));
    const { result, parsed } = count(() => verifyCommits(keys.trust, start, [...genuine, ...forged]));
    expect(result.commits).toHaveLength(3);
    expect(result.refused).toMatchObject({ code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE', position: 5 });
    expect(parsed).toBe(alone.parsed);
  });

  test('forged commits before a genuine one that does not continue them', () => {
    const genuine = run(start, PAGE);
    const forged = run(start, PAGE - 1, { signer: stranger });
    const last = genuine.at(-1) as Stored;
    const alone = count(() => verifyCommits(keys.trust, behind(genuine.at(-2) as Stored), [last]));
    const { result, parsed } = count(() => verifyCommits(keys.trust, start, [...forged, last]));
    expect(result).toMatchObject({ commits: [], refused: { position: 2 } });
    expect(parsed).toBe(alone.parsed);
  });

  test('forged commits before one that a manager signed for another position', () => {
    const copy = { ...first, position: PAGE + 1 };
    const forged = run(start, PAGE - 1, { signer: stranger });
    const { result, parsed } = count(() => verifyCommits(keys.trust, start, [...forged, copy]));
    expect(result).toMatchObject({ commits: [], refused: { position: 2 } });
    const alone = count(() => verifyCommits(keys.trust, start, [{ ...first, position: 2 }]));
    expect(parsed).toBe(alone.parsed);
  });
});

test('a page of one manager takes one signature', () => {
  const page = run(start, PAGE);
  const { result, signatures } = count(() => verifyCommits(keys.trust, start, page));
  expect(result.commits).toHaveLength(PAGE);
  expect(signatures).toBe(1);
});

test('a new manager and the commits behind take one signature a segment', () => {
  const change = commitBehind(
    start,
    [signRootEvent(keys.root, keys.trust.busId, 3, managers(['alice', keys.signer], ['bob', stranger]))],
    { bus: keys.trust.busId, by: 'alice', signer: keys.signer },
  );
  const next = run(behind(change), 20, { signer: stranger, by: 'bob' });
  const { result, parsed, signatures } = count(() => verifyCommits(keys.trust, start, [change, ...next]));
  expect(result.refused).toBeUndefined();
  expect(result.commits).toHaveLength(21);
  // The two commits' and the root event's own.
  expect(signatures).toBe(3);
  const everyOne = count(() => verifyCommits(keys.trust, start, [change, ...next], { everySignature: true }));
  expect(everyOne.signatures).toBe(22);
  expect(everyOne.parsed).toBe(parsed);
});

test('a commit that changes keys needs a signature of its own, also where what is behind it is signed', () => {
  const change = withoutSignature(
    commitBehind(
      start,
      [signRootEvent(keys.root, keys.trust.busId, 3, managers(['alice', keys.signer], ['bob', stranger]))],
      { bus: keys.trust.busId, by: 'alice', signer: keys.signer },
    ),
  );
  const page = [change, ...run(behind(change), 3)];
  expect(verifyCommits(keys.trust, start, page)).toMatchObject({
    commits: [],
    refused: { code: 'CERTBUS_EVENTS_SIGNATURE_INVALID', position: 2 },
  });
});

test('a key that the root did not put in force opens nothing that is signed by it', () => {
  const change = commitBehind(
    start,
    [signRootEvent(stranger, keys.trust.busId, 3, managers(['alice', keys.signer], ['mallory', stranger]))],
    { bus: keys.trust.busId, by: 'alice', signer: keys.signer },
  );
  const next = run(behind(change), 20, { signer: stranger, by: 'mallory' });
  const alone = count(() => verifyCommits(keys.trust, start, [change]));
  const { result, parsed } = count(() => verifyCommits(keys.trust, start, [change, ...next]));
  expect(result).toMatchObject({
    commits: [],
    refused: { code: 'CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID', position: 2 },
  });
  expect(parsed).toBe(alone.parsed);
});

test('a manager that is dropped within a page vouches for nothing behind', () => {
  const drop = commitBehind(start, [signRootEvent(keys.root, keys.trust.busId, 3, managers(['bob', stranger]))], {
    bus: keys.trust.busId,
    by: 'root',
    signer: keys.root,
  });
  const [late, ...later] = run(behind(drop), 5);
  const verified = verifyCommits(keys.trust, start, [drop, late as Stored, ...later]);
  expect(verified.commits).toHaveLength(1);
  expect(verified.refused).toMatchObject({ code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE', position: 3 });
});

test('of two managers whose keys have one id, the first counts', () => {
  expect(keyIdOf(keys.signer.publicKey)).toBe(keys.signer.keyId);
  const twice = { ...start, managers: [...start.managers, { ...start.managers[0], name: 'eve' }] } as Checkpoint;
  expect(verifyCommits(keys.trust, twice, run(start, 2)).refused).toBeUndefined();
});

describe('what was refused before', () => {
  /** Reads a page twice, the second time with what the first one refused. */
  function twice(page: readonly Stored[], next: readonly Stored[] = page) {
    const before = verifyCommits(keys.trust, start, page);
    const { commits, checkpoint, refused, refusal } = before;
    const rest = next.slice(commits.length);
    return { refused, ...count(() => verifyCommits(keys.trust, checkpoint, rest, { refusal })) };
  }

  test.each([
    ['a page without a signature', () => run(start, PAGE).map(withoutSignature)],
    [
      'a genuine beginning and what is forged behind',
      () => [...run(start, 3), ...run(start, PAGE).slice(3).map(withoutSignature)],
    ],
    ['what a manager signed for another place', () => [{ ...first, position: 2 }]],
    [
      'what a manager signed and nobody can read',
      () => {
        const line = '{"format":1}';
        const signature = keys.signer.sign(Buffer.from(`certbus/commit/v1\0${line}`));
        return [
          {
            position: 2,
            bytes: Buffer.from(`${line}\n${keys.signer.keyId} ${Buffer.from(signature).toString('base64url')}\n`),
          },
        ];
      },
    ],
  ])('is not verified again: %s', (_, write) => {
    const { refused, result, parsed, signatures } = twice(write());
    expect(result.refused).toBe(refused);
    expect(result.commits).toEqual([]);
    expect([parsed, signatures]).toEqual([0, 0]);
  });

  test('is not verified again with more behind it, which is looked at alone', () => {
    const page = run(start, 50).map(withoutSignature);
    const more = run(behind(page.at(-1) as Stored), 5).map(withoutSignature);
    const { result, parsed, signatures } = twice(page, [...page, ...more]);
    expect(result.refused?.position).toBe(2);
    expect([parsed, signatures]).toEqual([0, 5]);
    expect(result.refusal?.hashes).toHaveLength(55);
  });

  test('is proved by a later commit of a manager, as it is for those who read both at once', () => {
    const forged = withoutSignature(run(start, 1)[0] as Stored);
    const later = run(behind(forged), 1)[0] as Stored;
    const { refused, result } = twice([forged], [forged, later]);
    expect(refused?.position).toBe(2);
    expect(result.refused).toBeUndefined();
    expect(result).toEqual(verifyCommits(keys.trust, start, [forged, later]));
  });

  test('is taken once it is repaired, where it begins or in its middle', () => {
    const good = run(start, 20);
    for (const at of [0, 10, 19]) {
      const page = good.map((commit, index) => (index === at ? withoutSignature(commit) : commit));
      expect(verifyCommits(keys.trust, start, page).refused?.position).toBe(at + 2);
      expect(twice(page, good).result.refused).toBeUndefined();
    }
  });

  test('is verified again behind another commit', () => {
    const page = run(start, 3).map(withoutSignature);
    const { refusal } = verifyCommits(keys.trust, start, page);
    const other = run({ ...start, hash: 'A'.repeat(43) }, 3);
    const elsewhere = { ...start, hash: 'A'.repeat(43) };
    expect(verifyCommits(keys.trust, elsewhere, other, { refusal }).refused).toBeUndefined();
    expect(verifyCommits(keys.trust, elsewhere, page, { refusal }).refused).not.toBe(refusal?.error);
  });
});
