/** Managed certificates for tests of lists. */
import type { Failure, Issuance, ManagedCertificate } from '@certbus/events';

export const NOW = new Date('2027-01-31T12:00:00Z');

/** ISO 8601, so many days from {@link NOW}. */
export const inDays = (days: number): string => new Date(NOW.getTime() + days * 86_400_000).toISOString();

/** A certificate of 90 days that was issued a month ago; `undefined` fields are left as they are. */
export function certificate(
  fields: Partial<ManagedCertificate> & { readonly endsInDays?: number } = {},
): ManagedCertificate {
  const { endsInDays = 60, ...rest } = fields;
  const directory = 'https://ca.test/directory';
  return {
    certificateId: 'certificate1',
    names: ['a.test'],
    challengeType: 'dns-01',
    profile: undefined,
    keyType: undefined,
    directory,
    current: {
      leaf: '',
      issuers: [],
      sealedKey: '',
      names: ['a.test'],
      serialNumber: '0A',
      notBefore: inDays(endsInDays - 90),
      notAfter: inDays(endsInDays),
      leafHash: `leaf-${rest.certificateId ?? 'certificate1'}`,
      directory,
    } as unknown as NonNullable<ManagedCertificate['current']>,
    predecessors: [],
    issuance: undefined,
    failure: undefined,
    renewalInfo: undefined,
    revoked: false,
    removed: false,
    ...rest,
  };
}

/** A failure of an hour ago, tried again in an hour. */
export const FAILURE: Failure = {
  problem: 'urn:ietf:params:acme:error:dns',
  class: 'temporary',
  detail: 'no TXT record',
  attempt: 2,
  directory: 'https://ca.test/directory',
  notBefore: inDays(1 / 24),
  since: inDays(-1),
  failedAt: inDays(-1 / 24),
};

/** An issuance that a process holds, or that was released. */
export function issuance(holder: string | undefined): Issuance {
  return {
    issuanceId: 'issuance1',
    reason: 'renewal',
    names: ['a.test'],
    challengeType: 'dns-01',
    profile: undefined,
    keyType: undefined,
    directory: 'https://ca.test/directory',
    fallbackFor: undefined,
    replaces: undefined,
    startedAt: inDays(-1 / 24),
    holder,
    until: inDays(1 / 200),
    csrs: [],
    orderUrl: undefined,
  };
}
