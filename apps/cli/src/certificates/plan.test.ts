/** What `--dry-run` finds of names that are managed already: an order exactly where a run would send one. */
import type { ManagedCertificate } from '@certbus/events';
import { type Configuration, parseConfiguration } from '@certbus/manager';
import { describe, expect, test } from 'vitest';
import { certificate, FAILURE, issuance } from './certificates.builders.ts';
import { planFor } from './plan.ts';

const config: Configuration = parseConfiguration({
  version: 1,
  authorities: { ca: { directory: 'https://ca.test/directory', contact: [], termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
});

const planned = (
  found: readonly ManagedCertificate[],
  { keyType = undefined as string | undefined, another = false },
) =>
  planFor(
    { config, state: { withNames: () => found } },
    { names: ['a.test'], authority: 'ca', challengeType: 'http-01', keyType, another },
  ).managedAs;

describe('given names', () => {
  test.each([
    ['of no certificate', [], undefined],
    ['of one that is served', [certificate()], 'certificate1'],
    ['of one that was never issued', [certificate({ current: undefined, failure: FAILURE })], undefined],
    [
      'of one whose renewal was interrupted, which is completed',
      [certificate({ issuance: issuance(undefined) })],
      undefined,
    ],
    ['of one that was imported', [certificate({ directory: undefined, challengeType: undefined })], undefined],
    ['of one with another type of key', [certificate({ keyType: 'P-384' })], undefined],
  ] as const)('%s, what they are managed as is found', (_, found, expected) => {
    expect(planned(found, {})).toBe(expected);
  });

  test('of one that is served, --new orders another, and a type of key finds its own', () => {
    const both = [certificate({ keyType: 'RSA-2048', certificateId: 'rsa' }), certificate()];
    expect(planned(both, { another: true })).toBeUndefined();
    expect(planned(both, { keyType: 'RSA-2048' })).toBe('rsa');
  });
});
