import { generateKeyPairSync } from 'node:crypto';
import { generateHybridIdentity, identityToRecipient } from 'age-encryption';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import type { Recipient } from './event-types/bus-events.ts';
import { createIdentity, parseIdentityFile } from './keys.ts';
import { checkRecipients, isKeyOf, open, seal } from './sealed-key.ts';

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
    expect(() => checkRecipients(wrong)).toThrow(
      expect.objectContaining({ code: 'CERTBUS_EVENTS_RECIPIENTS_INVALID' }),
    );
  }
  expect(() => checkRecipients(many.slice(1))).not.toThrow();
  expect(() => checkRecipients(hybrids.slice(1))).not.toThrow();
});

test('bytes that are no certificate or no key match nothing', () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  expect(isKeyOf(Buffer.from('no certificate'), pem)).toBe(false);
});
