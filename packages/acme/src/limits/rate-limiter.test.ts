import { expect, test } from 'vitest';
import type { Deadline } from './deadline.ts';
import { GENEROUS_LIMITS, LETS_ENCRYPT_LIMITS, LETS_ENCRYPT_STAGING_LIMITS, limitsOf } from './limits.ts';
import { createRateLimiter } from './rate-limiter.ts';

const start = Date.parse('2026-11-25T00:00:00Z');

function create(limits = LETS_ENCRYPT_LIMITS) {
  let clock = start;
  const advance = (ms: number) => {
    clock += ms;
  };
  const deadline: Deadline = {
    signal: new AbortController().signal,
    check() {},
    async sleep(ms) {
      clock += ms;
    },
  };
  return { limiter: createRateLimiter(limits, () => new Date(clock)), deadline, advance, elapsed: () => clock - start };
}

test.each([
  ['https://acme-v02.api.letsencrypt.org/directory', LETS_ENCRYPT_LIMITS],
  ['https://acme-staging-v02.api.letsencrypt.org/directory', LETS_ENCRYPT_STAGING_LIMITS],
  ['https://ca.test/directory', GENEROUS_LIMITS],
  ['https://acme-v02.api.letsencrypt.org.evil.test/directory', GENEROUS_LIMITS],
  ['nonsense', GENEROUS_LIMITS],
])('the limits of %s are known', (directory, expected) => {
  expect(limitsOf(directory)).toBe(expected);
});

test('endpoints, accounts and names are counted apart', async () => {
  const { limiter, deadline, elapsed } = create();
  for (let i = 0; i < 5; i += 1) await limiter.request(deadline, 'new-nonce');
  await limiter.request(deadline, 'revoke');
  for (let i = 0; i < 285; i += 1) await limiter.order(deadline, 'one');
  await limiter.order(deadline, 'other');
  for (let i = 0; i < 4; i += 1) limiter.nameFailed('one', 'a.test');
  expect(elapsed()).toBe(0);
  expect(limiter.nameReadyAt('one', 'b.test')).toEqual(new Date(start));
  expect(limiter.nameReadyAt('other', 'a.test')).toEqual(new Date(start));
  expect(limiter.nameReadyAt('one', 'a.test').getTime()).toBeGreaterThan(start + 720_000);
  expect(await limiter.request(deadline, 'new-nonce')).toBe(53);
  expect(await limiter.order(deadline, 'one')).toBeGreaterThan(36_000);
});

test('twenty thousand names that once failed are not kept for good', () => {
  const { limiter, advance } = create();
  for (let i = 0; i < 20_000; i += 1) {
    if (i % 1000 === 0) advance(86_400_000);
    limiter.nameFailed('one', `h${i}.test`);
  }
  expect(limiter.nameReadyAt('one', 'h0.test').getTime()).toBe(start + 20 * 86_400_000);
});

test('a pause holds as long as the CA asks, and for a day at most', async () => {
  const { limiter, deadline, elapsed } = create();
  limiter.pauseEndpoint('new-order', new Date(start + 60_000));
  expect(await limiter.request(deadline, 'new-order')).toBe(60_000);
  limiter.pauseOrders('one', new Date(start + 40 * 86_400_000));
  expect(await limiter.order(deadline, 'one')).toBe(86_400_000);
  expect(elapsed()).toBe(86_460_000);
});
