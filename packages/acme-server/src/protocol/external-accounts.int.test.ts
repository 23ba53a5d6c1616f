import { expect, onTestFinished, test } from 'vitest';
import {
  bindRaw,
  createRawKey,
  openRawClient,
  problem,
  type RawAnswer,
  type RawClient,
} from '../tests/raw-client.builders.ts';
import { describeTargets } from '../tests/world.builders.ts';

// As long as the longest hash (RFC 7518 §3.2).
const hmacKey = Buffer.alloc(64, 7).toString('base64url');
const externalAccounts = { one: hmacKey, two: hmacKey, three: hmacKey };

describeTargets(
  (world) => {
    async function register(binding: (client: RawClient) => object | undefined): Promise<RawAnswer> {
      const client = await openRawClient(world.ca);
      onTestFinished(() => client.close());
      return client.register({ termsOfServiceAgreed: true, externalAccountBinding: binding(client) });
    }

    test.each([
      ['one', 'HS256'],
      ['two', 'HS384'],
      ['three', 'HS512'],
    ])('an account is bound to "%s", by %s', async (kid, alg) => {
      const bound = (client: RawClient) =>
        bindRaw(client.key.jwk, { kid, hmacKey, url: client.url('newAccount'), alg });
      expect((await register(bound)).status).toBe(201);
    });

    test('an account without binding is refused', async () => {
      expect(problem(await register(() => undefined))).toEqual({ status: 403, type: 'externalAccountRequired' });
    });

    test.each<[string, Partial<Parameters<typeof bindRaw>[1]>]>([
      ['another MAC key', { hmacKey: Buffer.alloc(64, 8).toString('base64url') }],
      ['an unknown external account', { kid: 'nobody' }],
      ['another url', { url: 'https://127.0.0.1:1/other' }],
    ])('a binding with %s is refused', async (_, change) => {
      const bound = (client: RawClient) =>
        bindRaw(client.key.jwk, { kid: 'one', hmacKey, url: client.url('newAccount'), ...change });
      expect((await register(bound)).status).toBeGreaterThanOrEqual(400);
    });

    test('a binding of another key is refused', async () => {
      const bound = (client: RawClient) =>
        bindRaw(createRawKey().jwk, { kid: 'one', hmacKey, url: client.url('newAccount') });
      expect((await register(bound)).status).toBeGreaterThanOrEqual(400);
    });
  },
  { externalAccounts },
);
