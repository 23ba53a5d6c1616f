import fc from 'fast-check';
import { expect, test } from 'vitest';
import { EventsError } from '../errors.ts';
import { decodeCommit, isCommitSignedBy, readEvent } from './codec.ts';
import { beginning, commitBehind, createKeys, RECIPIENT } from './history.builders.ts';
import { type RootBody, signRootEvent } from './root-event.ts';
import { BEGINNING } from './verify.ts';

const keys = await createKeys();
const { bytes } = commitBehind(BEGINNING, beginning(keys), { bus: keys.trust.busId, by: 'root', signer: keys.root });

function codeOf(run: () => unknown): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof EventsError) return error.code;
    throw error;
  }
}

/** The commit's text with its payload changed; the signature no longer fits, which decoding alone does not look at. */
function withPayload(change: (payload: string) => string): Uint8Array {
  const [payload = '', signature] = Buffer.from(bytes).toString().split('\n');
  return Buffer.from(`${change(payload)}\n${signature}\n`);
}

test('a commit is two lines: readable JSON, then the key id and the signature', () => {
  const lines = Buffer.from(bytes).toString().split('\n');
  expect(lines).toHaveLength(3);
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ format: 1, position: 1, previous: null, by: 'root' });
  expect(lines[1]).toMatch(/^[0-9a-f]{16} [\w-]{86}$/);
});

test('a commit comes back as it was written', () => {
  const commit = decodeCommit(bytes);
  expect(commit).toMatchObject({ bus: keys.trust.busId, position: 1, keyId: keys.root.keyId });
  expect(commit.at).toEqual(new Date('2026-11-24T03:00:00Z'));
  expect(commit.events.map(({ type }) => type)).toEqual(['BusCreated', 'ManagersUpdated', 'RecipientsUpdated']);
});

test('equal content signed twice is two different commits', () => {
  const options = { bus: keys.trust.busId, by: 'root', signer: keys.root };
  const again = commitBehind(BEGINNING, beginning(keys), options);
  expect(Buffer.compare(again.bytes, bytes)).not.toBe(0);
});

test('arbitrary bytes give a commit or one typed error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (junk) => {
      expect(codeOf(() => decodeCommit(junk))).toBe('CERTBUS_EVENTS_COMMIT_MALFORMED');
    }),
    { numRuns: 2000 },
  );
});

test('a commit with bytes overwritten, cut or doubled gives a commit or a typed error', () => {
  fc.assert(
    fc.property(fc.nat(bytes.length - 1), fc.uint8Array({ maxLength: 40 }), fc.nat(60), (at, junk, dropped) => {
      const damaged = Buffer.concat([bytes.subarray(0, at), junk, bytes.subarray(at + dropped)]);
      codeOf(() => decodeCommit(damaged));
    }),
    { numRuns: 5000 },
  );
});

test('JSON of any shape in the payload gives a commit or a typed error', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), fc.json(), (whole, events) => {
      expect(codeOf(() => decodeCommit(withPayload(() => whole.replaceAll('\n', ' '))))).toMatch(/^CERTBUS_EVENTS_/);
      codeOf(() => decodeCommit(withPayload((payload) => payload.replace(/"events":.*$/, `"events":${events}}`))));
    }),
    { numRuns: 2000 },
  );
});

test('a hundred thousand nested brackets are refused, not followed', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  expect(codeOf(() => decodeCommit(withPayload(() => deep)))).toBe('CERTBUS_EVENTS_COMMIT_MALFORMED');
});

test('what is larger than any store takes is refused before it is parsed', () => {
  const bytes = Buffer.from(`${'['.repeat(5_000_000)}\n0123456789abcdef ${'A'.repeat(86)}\n`);
  expect(() => decodeCommit(bytes)).toThrow('5000105 bytes');
});

test('a key that stands twice in one object is refused', () => {
  const doubled = withPayload((payload) => payload.replace('"position":1', '"position":1,"position":2'));
  expect(codeOf(() => decodeCommit(doubled))).toBe('CERTBUS_EVENTS_COMMIT_MALFORMED');
});

test.each([
  '2026-11-24T03:00:00+05',
  '2026-11-24T03:00:00+05:00',
  '2026-11-24 03:00:00Z',
  '2026-02-31T03:00:00Z',
  '2026-11-24T24:00:00Z',
  '2026-11-24T03:00:60Z',
  '2026-11-24T03:00Z',
])('an instant that readers would take for different ones, or for none, is refused: %s', (at) => {
  const dated = withPayload((payload) => payload.replace('2026-11-24T03:00:00.000Z', at));
  expect(codeOf(() => decodeCommit(dated))).toBe('CERTBUS_EVENTS_COMMIT_MALFORMED');
});

test('text that is not UTF-8 is refused', () => {
  const broken = Buffer.from(bytes);
  broken[20] = 0xff;
  expect(codeOf(() => decodeCommit(broken))).toBe('CERTBUS_EVENTS_COMMIT_MALFORMED');
});

test('a format of a later release is told from damage', () => {
  const later = withPayload((payload) => payload.replace('"format":1', '"format":2,"news":true'));
  expect(codeOf(() => decodeCommit(later))).toBe('CERTBUS_EVENTS_FORMAT_UNKNOWN');
});

test('unknown event types and fields are skipped and named', () => {
  expect(readEvent({ type: 'MoonPhaseChanged' })).toEqual({
    type: 'MoonPhaseChanged',
    event: undefined,
    unknown: ['MoonPhaseChanged'],
  });
  const removed = { type: 'CertificateRemoved', certificateId: 'abcdefghijk', colour: 'red' };
  expect(readEvent(removed)).toMatchObject({
    event: { type: 'CertificateRemoved', certificateId: 'abcdefghijk' },
    unknown: ['CertificateRemoved.colour'],
  });
});

test('a class of failure that a later release wrote is read as unknown', () => {
  const failed = {
    type: 'IssuanceFailed',
    issuanceId: 'abcdefghijk',
    certificateId: 'abcdefghijk',
    problem: 'x',
    detail: '',
    attempt: 1,
    notBefore: '2026-11-24T03:00:00Z',
  };
  const classOf = (written: unknown) => readEvent({ ...failed, class: written } as { type: string }).event;
  expect(classOf('rate-limited')).toMatchObject({ class: 'rate-limited' });
  expect(classOf('quota-exceeded')).toMatchObject({ class: 'unknown' });
  expect(() => classOf(7)).toThrow(/IssuanceFailed\.class/);
});

test.each(['toString', 'constructor', '__proto__', 'hasOwnProperty'])(
  'the event type %s is unknown, not inherited',
  (type) => {
    expect(readEvent({ type }).event).toBeUndefined();
  },
);

test('a known event with a wrong field names the field', () => {
  const wrong = { type: 'CertificateRemoved', certificateId: 7 };
  expect(() => readEvent(wrong)).toThrow(/CertificateRemoved\.certificateId/);
});

/** What the root says, as a manager would write it: whole, and without the root's envelope. */
const unenveloped = [
  { type: 'ManagersUpdated', managers: [{ name: 'a', signingKey: keys.signer.publicKey, recipient: RECIPIENT }] },
  { type: 'RecipientsUpdated', recipients: [{ name: 'edge', recipient: RECIPIENT }] },
  { type: 'FormatRaised', format: 2 },
  { type: 'BusRestored', position: 1, hash: 'A'.repeat(43) },
] as const satisfies RootBody[];

test.each(unenveloped)("$type without the root's envelope is refused, though it lacks nothing else", (body) => {
  // In the envelope the same event is read, so that the envelope alone makes the difference.
  const root = signRootEvent(keys.root, keys.trust.busId, 3, body);
  const { event } = readEvent(root);
  expect(event).toEqual({ ...body, rootSequence: 3 });
  expect(() => readEvent(Object.assign({}, body, { rootSequence: 3 }))).toThrow(`${body.type} is not signed`);
  const { rootSignature: _, ...unsigned } = root;
  expect(() => readEvent(unsigned)).toThrow(`${body.type} is not signed`);
});

test('one flipped bit anywhere in the payload or the signature breaks the signature', () => {
  const lastBits = bytes.length - 2;
  fc.assert(
    fc.property(fc.nat(bytes.length - 3), fc.nat(7), (at, bit) => {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
      const isAccepted = codeOf(() => {
        if (!isCommitSignedBy(keys.root.publicKey, flipped))
          throw new EventsError('CERTBUS_EVENTS_SIGNATURE_INVALID', 'no');
      });
      // The key id is a hint where to look: the signature does not cover it, the history checks it.
      const inKeyId = at > bytes.indexOf(0x0a) && at < bytes.indexOf(0x0a) + 17;
      if (!inKeyId && at < lastBits) expect(isAccepted).toBeDefined();
    }),
    { numRuns: 1000 },
  );
});
