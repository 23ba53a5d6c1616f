import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { sameBytes } from './canonical.builders.ts';
import { isBase64, isBase64url } from './canonical.ts';
import type { BusEvent } from './event-types/event-schema.ts';
import { sha256 } from './hash.ts';
import { decodeCommit, encodeCommit, readEvent } from './history/codec.ts';
import { beginning, commitBehind, createKeys, RECIPIENT } from './history/history.builders.ts';
import { isSignedByRoot, type RootEnvelope } from './history/root-event.ts';
import { verifyCommits } from './history/segments.ts';
import { BEGINNING } from './history/verify.ts';
import { createManagerKey, createRootKey, parseManagerKey, parseRootKey } from './keys.ts';
import { open, seal } from './sealed-key.ts';
import { createBusId, formatTrust, parseTrust } from './trust.ts';

test('of all texts that decode to the same bytes, one is accepted', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 66 }), (bytes) => {
      const [padded, bare] = [Buffer.from(bytes).toString('base64'), Buffer.from(bytes).toString('base64url')];
      expect([isBase64(padded), isBase64url(bare, bytes.length)]).toEqual([true, true]);
      expect(sameBytes(padded, 'base64').filter(isBase64)).toEqual([]);
      expect(sameBytes(bare, 'base64url').filter((other) => isBase64url(other, bytes.length))).toEqual([]);
    }),
    { numRuns: 200 },
  );
});

test('a text that is longer or shorter is refused, whatever it decodes to', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 66 }),
      fc.constantFrom('', '=', ' ', '\n', 'A'),
      (bytes, end) => {
        const [padded, bare] = [Buffer.from(bytes).toString('base64'), Buffer.from(bytes).toString('base64url')];
        for (const text of end ? [padded + end, end + padded] : [padded.slice(0, -1), padded.slice(1)])
          expect(isBase64(text)).toBe(false);
        for (const text of end ? [bare + end, end + bare] : [bare.slice(0, -1), bare.slice(1)])
          expect(isBase64url(text, bytes.length)).toBe(false);
      },
    ),
  );
});

test('base64url is not taken for base64, nor base64 for base64url', () => {
  const bytes = Buffer.from('fbfffe', 'hex');
  expect([isBase64('+//+'), isBase64('-__-')]).toEqual([true, false]);
  expect([isBase64url('-__-', 3), isBase64url('+//+', 3)]).toEqual([true, false]);
  expect(Buffer.from('-__-', 'base64')).toEqual(bytes);
});

const keys = await createKeys();
const stored = commitBehind(BEGINNING, beginning(keys), { bus: keys.trust.busId, by: 'root', signer: keys.root });

test('a signature with one character changed to an equivalent one is refused: the commit would have another hash', () => {
  const text = Buffer.from(stored.bytes).toString();
  const signature = text.trimEnd().slice(-86);
  const others = sameBytes(signature, 'base64url');
  expect(others.length).toBeGreaterThan(0);
  for (const other of others) {
    const bytes = Buffer.from(text.replace(signature, other));
    const { commits, refused } = verifyCommits(keys.trust, BEGINNING, [{ position: 1, bytes }]);
    expect(commits).toEqual([]);
    expect(refused?.code).toBe('CERTBUS_EVENTS_COMMIT_MALFORMED');
  }
});

test('a key id has one form', () => {
  const text = Buffer.from(stored.bytes).toString();
  const withKeyId = (keyId: string) => Buffer.from(text.replace(`\n${keys.root.keyId}`, `\n${keyId}`));
  expect(decodeCommit(withKeyId('abcdef0123456789')).keyId).toBe('abcdef0123456789');
  expect(() => decodeCommit(withKeyId('ABCDEF0123456789'))).toThrow('two lines');
});

test('the root signature of an envelope has one form', () => {
  const root = beginning(keys)[1] as RootEnvelope;
  expect(isSignedByRoot(keys.trust, root)).toBe(true);
  for (const rootSignature of sameBytes(root.rootSignature, 'base64url')) {
    expect(isSignedByRoot(keys.trust, { ...root, rootSignature })).toBe(false);
    const envelope = { ...root, rootSignature };
    expect(() => readEvent(envelope)).toThrow('rootSignature');
  }
});

test('the body of an envelope is text that UTF-8 can hold', () => {
  const named = (name: string) => ({ name, recipient: RECIPIENT });
  const body = { type: 'RecipientsUpdated', recipients: [named('\ufffd')] };
  const signed = JSON.stringify(body);
  // UTF-8 has no lone surrogates: they are written as U+FFFD, which is what the root signed.
  expect(Buffer.from(signed.replace('\ufffd', '\ud800'))).toEqual(Buffer.from(signed));
  const envelope = { type: 'RecipientsUpdated', rootSequence: 1, body: signed };
  const message = Buffer.from(`certbus/root/v1\0${keys.trust.busId}\0${1}\0${signed}`);
  const rootSignature = Buffer.from(keys.root.sign(message)).toString('base64url');
  expect(isSignedByRoot(keys.trust, { ...envelope, rootSignature })).toBe(true);
  const other = { ...envelope, body: signed.replace('\ufffd', '\ud800'), rootSignature };
  expect(isSignedByRoot(keys.trust, other)).toBe(false);
});

/** The payload of a commit with one of its fields written otherwise, signed by a manager. */
function payloadWith(field: 'bus' | 'previous', text: string): Uint8Array {
  const content = { format: 1, bus: keys.trust.busId, position: 2, previous: null, at: new Date(), by: 'alice' };
  return encodeCommit({ ...content, events: [{ type: 'Heartbeat' }], [field]: text }, keys.signer);
}

test.each(['bus', 'previous'] as const)('the %s of a commit has one form', (field) => {
  const text = createBusId();
  expect(decodeCommit(payloadWith(field, text))[field]).toBe(text);
  for (const other of sameBytes(text, 'base64url'))
    expect(() => decodeCommit(payloadWith(field, other))).toThrow(`payload's ${field}`);
});

test('the id of a commit has one form', () => {
  const text = Buffer.from(stored.bytes).toString();
  const { id } = decodeCommit(stored.bytes);
  for (const other of sameBytes(id, 'base64url'))
    expect(() => decodeCommit(Buffer.from(text.replace(id, other)))).toThrow("payload's id");
});

test('a trust line has one form', () => {
  const { busId, rootKey } = keys.trust;
  for (const other of sameBytes(busId, 'base64url'))
    expect(() => parseTrust(formatTrust({ busId: other, rootKey }))).toThrow('certbus1 BUSID ROOTKEY');
  for (const other of sameBytes(rootKey, 'base64url'))
    expect(() => parseTrust(formatTrust({ busId, rootKey: other }))).toThrow('certbus1 BUSID ROOTKEY');
});

test('key files have one form', async () => {
  const [root, manager] = [createRootKey(), await createManagerKey()];
  const seedOf = (text: string) => /KEY-1-([\w-]{43})$/m.exec(text)?.[1] ?? '';
  const malformed = expect.objectContaining({ code: 'CERTBUS_EVENTS_KEY_MALFORMED' });
  for (const other of sameBytes(seedOf(root), 'base64url'))
    expect(() => parseRootKey(root.replace(seedOf(root), other))).toThrow(malformed);
  for (const other of sameBytes(seedOf(manager), 'base64url'))
    expect(() => parseManagerKey(manager.replace(seedOf(manager), other))).toThrow(malformed);
});

test('a sealed text has one form', async () => {
  const { identity } = parseManagerKey(await createManagerKey());
  const { identityToRecipient } = await import('age-encryption');
  // Of one to three lengths, so that one of them has bits that a decoder drops.
  for (const text of ['a', 'ab', 'abc']) {
    const sealed = await seal(text, [{ name: 'me', recipient: await identityToRecipient(identity) }]);
    expect(await open(sealed, identity)).toBe(text);
    for (const other of sameBytes(sealed, 'base64'))
      await expect(open(other, identity)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_NOT_OPENED' });
  }
});

const hash = sha256(Buffer.from('a'));
/** Four bytes: the base64 of it drops four bits. */
const bytes = Buffer.from('byte').toString('base64');
const [id, at, place] = ['certificate1', '2026-11-24T03:00:00Z', 'x'];
const issuance = { issuanceId: id, certificateId: id };
const account = { directory: 'https://ca.test/', accountUrl: 'https://ca.test/1', thumbprint: hash };
const content = {
  certificateId: id,
  names: ['a.test'],
  leaf: bytes,
  issuers: [hash],
  sealedKey: bytes,
  serialNumber: '0A',
  notBefore: at,
  notAfter: at,
};
const order = { reason: 'new', challengeType: 'dns-01', directory: 'https://ca.test/' } as const;
const claim = { ...order, names: ['a.test'], holder: 'alice', until: at };

/** Every type of event with an encoded field, in the clear. */
const plain: readonly BusEvent[] = [
  { type: 'BusCreated', busId: hash, rootKey: hash },
  { type: 'ConfigUpdated', sealed: bytes },
  { type: 'AccountRegistered', ...account, sealedKey: bytes },
  { type: 'AccountKeyRollOverStarted', directory: account.directory, thumbprint: hash, sealedKey: bytes },
  { type: 'AccountKeyRolledOver', ...account, sealedKey: bytes },
  { type: 'AccountKeyRollOverAbandoned', directory: account.directory, thumbprint: hash },
  { type: 'AccountDeactivated', ...account },
  {
    type: 'ChallengePresented',
    issuanceId: id,
    challengeType: 'http-01',
    identifier: 'a.test',
    token: 't',
    thumbprint: hash,
    expiresAt: at,
  },
  { type: 'IssuerAdded', hash, certificate: bytes },
  { type: 'RangeArchived', first: 1, last: 2, hash, manifest: sha256(Buffer.from('b')), place },
  { type: 'SnapshotTaken', position: 1, hash, manifest: sha256(Buffer.from('b')), place },
  { type: 'IssuanceStarted', ...issuance, ...claim, csr: bytes, sealedKey: bytes, recipientsPosition: 1 },
  { type: 'CsrReplaced', ...issuance, csr: bytes, sealedKey: bytes, recipientsPosition: 1 },
  { type: 'CertificateObtained', ...content, ...order, issuanceId: id },
  { type: 'CertificateImported', ...content },
  { type: 'PrivateKeyResealed', certificateId: id, leafHash: hash, sealedKey: bytes },
  { type: 'RenewalInfoUpdated', certificateId: id, leafHash: hash, windowStart: at, windowEnd: at, renewAt: at },
  { type: 'CertificateRevoked', certificateId: id, leafHash: hash, reason: 0 },
];

describe.each(plain)('$type', (event) => {
  test.each(
    Object.entries(event).filter(([, value]) => [hash, bytes].includes(String(value)) || String(value).length === 43),
  )('has one form of %s', (field, value) => {
    expect(readEvent(event).event).toEqual(event);
    const text = String(value);
    for (const other of sameBytes(text, text === bytes ? 'base64' : 'base64url')) {
      const changed = { ...event, [field]: Array.isArray(value) ? [other] : other };
      expect(() => readEvent(changed)).toThrow(`${event.type}.${field}`);
    }
  });
});

test.each([
  ['ManagersUpdated', (key: string) => ({ managers: [{ name: 'a', signingKey: key, recipient: RECIPIENT }] })],
  ['BusRestored', (key: string) => ({ position: 1, hash: key })],
])('%s has one form of what the root signed in it', (type, fields) => {
  const envelope = (text: string) => ({
    type,
    rootSequence: 1,
    body: JSON.stringify({ type, ...fields(text) }),
    rootSignature: 'A'.repeat(86),
  });
  expect(readEvent(envelope(hash)).event).toBeDefined();
  for (const other of sameBytes(hash, 'base64url')) expect(() => readEvent(envelope(other))).toThrow(type);
});
