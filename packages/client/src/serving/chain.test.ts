import { X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { createTestBus } from '../testing.ts';
import { createChains } from './chain.ts';

test('a chain is PEM in lines of 64, leaf first; an issuer is read once', async () => {
  const bus = await createTestBus();
  const { certificate } = await bus.issue(['a.test']);
  await bus.close();
  const leaf = new X509Certificate(certificate);
  const root = new X509Certificate(bus.roots);
  const read: string[] = [];
  const chainOf = createChains((hash) => {
    read.push(hash);
    return hash === 'known' ? root.raw : undefined;
  });
  const issued = { leaf: leaf.raw.toString('base64'), issuers: ['known', 'unknown'] };
  // OpenSSL writes PEM in the same lines.
  expect(chainOf(issued)).toBe(leaf.toString() + root.toString());
  expect(chainOf(issued)).toBe(leaf.toString() + root.toString());
  expect(read).toEqual(['known', 'unknown', 'unknown']);
  for (const length of [48, 96, 97])
    expect(chainOf({ leaf: Buffer.alloc(length, 7).toString('base64'), issuers: [] })).not.toMatch(/\n\n|.{65}/);
});
