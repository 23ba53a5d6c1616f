import { generateKeyPairSync } from 'node:crypto';
import { bech32 } from '@scure/base';
import { Decrypter, Encrypter, generateHybridIdentity, identityToRecipient, Stanza } from 'age-encryption';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { Recipient } from './event-types/bus-events.ts';
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

test("what is sealed here opens by the library's own reading of a classic identity", async () => {
  const decrypter = new Decrypter();
  decrypter.addIdentity(backup.identity);
  const sealed = Buffer.from(await seal('the key', [edge, backup]), 'base64');
  expect(await decrypter.decrypt(sealed, 'text')).toBe('the key');
});

test('a recipient of low order gets nothing sealed to it', async () => {
  const recipient = bech32.encodeFromBytes('age', Buffer.alloc(32));
  await expect(seal('the key', [edge, { name: 'low', recipient }])).rejects.toThrow();
});
