import { generateKeyPairSync } from 'node:crypto';
import { bech32 } from '@scure/base';
import { Decrypter, Encrypter, generateHybridIdentity, identityToRecipient, Stanza } from 'age-encryption';
import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Recipient } from './event-types/bus-events.ts';
import { parseAgeIdentity } from './identity.ts';
import { createIdentity, parseIdentityFile } from './keys.ts';
import { checkRecipients, createOpener, isKeyOf, open, seal } from './sealed-key.ts';

interface Party extends Recipient {
  readonly identity: string;
}

let edge: Party;
let backup: Party;
let outsider: Party;

async function party(name: string): Promise<Party> {
  return { name, ...(await parseIdentityFile(await createIdentity())) };
}

beforeAll(async () => {
  [edge, backup, outsider] = await Promise.all([party('edge'), party('backup'), party('outsider')]);
});

test('what is sealed opens for each recipient and for nobody else', async () => {
  const sealed = await seal('the key', [edge, backup]);
  expect(await open(sealed, edge.identity)).toBe('the key');
  expect(await open(sealed, backup.identity)).toBe('the key');
  await expect(open(sealed, outsider.identity)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_NOT_OPENED' });
});

test('an opener finds its own stanza wherever it is, in one order after another', async () => {
  const { open: openAsEdge } = createOpener(edge.identity);
  for (const recipients of [[edge], [outsider, backup, edge], [backup, edge], [edge, outsider], [outsider, edge]])
    expect(await openAsEdge(await seal('the key', recipients))).toBe('the key');
  await expect(openAsEdge(await seal('the key', [backup]))).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_NOT_OPENED',
  });
});

test('a post-quantum identity opens what is sealed to it', async () => {
  const identity = await generateHybridIdentity();
  const hybrid = { name: 'pq', ...(await parseIdentityFile(`${identity}\n`)) };
  const { open: openAsHybrid } = createOpener(hybrid.identity);
  expect(await openAsHybrid(await seal('the key', [hybrid]))).toBe('the key');
  await expect(openAsHybrid(await seal('the key', [edge]))).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_NOT_OPENED',
  });
});

test.each([
  ['a share of low order', ['X25519', Buffer.alloc(32).toString('base64').replace('=', '')], 32],
  ['a share that is too short', ['X25519', 'AAAA'], 32],
  ['a key of another length', ['X25519', Buffer.alloc(32, 9).toString('base64').replace('=', '')], 48],
  ['no share', ['X25519'], 32],
])('a stanza with %s opens nothing', async (_, args, length) => {
  const encrypter = new Encrypter();
  encrypter.addRecipient({ wrapFileKey: () => [new Stanza(args, new Uint8Array(length))] });
  const sealed = Buffer.from(await encrypter.encrypt('the key')).toString('base64');
  await expect(open(sealed, edge.identity)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_NOT_OPENED' });
});

test('one flipped bit of a sealed text and it does not open', async () => {
  const sealed = Buffer.from(await seal('the key', [edge]), 'base64');
  await fc.assert(
    fc.asyncProperty(fc.nat(sealed.length - 1), fc.nat(7), async (at, bit) => {
      const flipped = Buffer.from(sealed);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << bit);
      await expect(open(flipped.toString('base64'), edge.identity)).rejects.toMatchObject({
        code: 'CERTBUS_EVENTS_NOT_OPENED',
      });
    }),
    { numRuns: 100 },
  );
});

test('recipients are refused where sealing to them would not do what it says', async () => {
  const hybrid: Recipient = { name: 'pq', recipient: await identityToRecipient(await generateHybridIdentity()) };
  const many = Array.from({ length: 21 }, (_, n) => ({ ...edge, name: `edge${n}` }));
  const hybrids = Array.from({ length: 6 }, (_, n) => ({ ...hybrid, name: `pq${n}` }));
  for (const wrong of [[], [edge, hybrid], many, hybrids, [{ name: 'typo', recipient: `${edge.recipient}x` }]]) {
    await expect(checkRecipients(wrong)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_RECIPIENTS_INVALID' });
  }
  await checkRecipients(many.slice(1));
  await checkRecipients(hybrids.slice(1));
});

test('bytes that are no certificate or no key match nothing', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  expect(isKeyOf(Buffer.from('no certificate'), pem)).toBe(false);
});

describe("what is sealed here opens by the library's own reading of a classic identity", () => {
  // Around the ends of age's chunks, the second of which has another nonce than the first.
  test.each([0, 1, 65_535, 65_536, 65_537, 131_072, 150_000])('with %d bytes', async (length) => {
    const text = 'k'.repeat(length);
    const sealed = Buffer.from(await seal(text, [edge, backup]), 'base64');
    for (const { identity } of [edge, backup]) {
      const decrypter = new Decrypter();
      decrypter.addIdentity(identity);
      expect(await decrypter.decrypt(sealed, 'text')).toBe(text);
    }
  });

  test('with letters that take more than a byte', async () => {
    const decrypter = new Decrypter();
    decrypter.addIdentity(edge.identity);
    const sealed = Buffer.from(await seal('Schlüssel 🔑', [edge]), 'base64');
    expect(await decrypter.decrypt(sealed, 'text')).toBe('Schlüssel 🔑');
  });
});

/** What of a sealed text must be its own: the key that it is sealed with, and each part of the file. */
async function partsOf(sealed: string, { identity }: Party) {
  const file = Buffer.from(sealed, 'base64');
  const { identity: own } = await parseAgeIdentity(identity);
  const parts: string[] = [];
  const decrypter = new Decrypter();
  decrypter.addIdentity({
    async unwrapFileKey(stanzas: Stanza[]) {
      const fileKey = typeof own === 'string' ? null : await own.unwrapFileKey(stanzas);
      parts.push(Buffer.from(fileKey ?? []).toString('hex'));
      return fileKey;
    },
  });
  await decrypter.decrypt(file);
  const [, share = '', body = '', mac = '', ...payload] = file.toString('latin1').split('\n');
  const rest = payload.join('\n');
  return [...parts, share, body, mac, rest.slice(0, 16), rest.slice(16)];
}

test('the same text is sealed in another way each time', async () => {
  const one = await partsOf(await seal('the key', [edge]), edge);
  const other = await partsOf(await seal('the key', [edge]), edge);
  expect(one).toHaveLength(6);
  expect(one.filter((part) => part === '' || other.includes(part))).toEqual([]);
});

test('a text for a classic recipient and for what is none is sealed to nobody', async () => {
  await expect(seal('the key', [edge, { name: 'typo', recipient: `${edge.recipient}x` }])).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_RECIPIENTS_INVALID',
  });
});

test('a recipient of low order gets nothing sealed to it', async () => {
  const recipient = bech32.encodeFromBytes('age', Buffer.alloc(32));
  await expect(seal('the key', [edge, { name: 'low', recipient }])).rejects.toThrow();
});
