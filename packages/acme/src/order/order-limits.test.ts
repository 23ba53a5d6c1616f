/** Tests of what a CA's words say about its limits. */
import { expect, test } from 'vitest';
import { AcmeProblemError } from '../wire/problem.ts';
import { limitedBy } from './order-limits.ts';

test.each([
  ['too many new orders (300) from this account in the last 3h0m0s, retry after 2026-11-30 10:00:00 UTC', 'account'],
  ['too many certificates (50) already issued for "example.com" in the last 168h0m0s, retry after …', 'names'],
  ['too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s', 'names'],
  ['too many failed authorizations (5) for "www.example.com" in the last 1h0m0s, retry after …', 'names'],
  ['Too many requests', 'unknown'],
  ['', 'unknown'],
] as const)('"%s" is about: %s', (detail, expected) => {
  const problem = { type: 'urn:ietf:params:acme:error:rateLimited', detail, status: 429, subproblems: [] };
  const error = new AcmeProblemError(problem, { attempt: 'The CA refused newOrder', url: 'https://ca.test/order' });
  expect(limitedBy(error)).toBe(expected);
});
