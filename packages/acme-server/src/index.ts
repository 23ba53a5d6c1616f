/** A strict ACME server for tests, and a DNS server to prove names in. */
export { type AcmeServer, startAcmeServer } from './acme-server.ts';
export type { DnsFailure } from './dns/answer.ts';
export type { CaaValue, DnsRecords, DnsType, DnsValues, SoaValue } from './dns/records.ts';
export { type DnsQuery, type DnsServer, type DnsServerOptions, startDnsServer } from './dns-server.ts';
export type { CertificateView } from './server/certificate-view.ts';
export type { Clock } from './server/clock.ts';
export type { AcmeServerEvents, ValidatedChallenge } from './server/events.ts';
export type { Fault } from './server/fault.ts';
export type { FaultCondition, InjectedFault } from './server/faults.ts';
export type { KeyAlgorithm } from './server/hierarchy.ts';
export {
  type Endpoint,
  letsEncryptLimits,
  letsEncryptStagingLimits,
  type RateLimits,
  type RequestRate,
} from './server/limits/rate-limits.ts';
export type { Bucket } from './server/limits/token-bucket.ts';
export type { NonceState } from './server/nonces.ts';
export type { AcmeServerOptions, ExternalAccountKey, KeyChange, ValidationOptions } from './server/options.ts';
export { letsEncryptProfiles, type Profile } from './server/profile.ts';
export type { ChallengeType } from './server/records.ts';
export type { Incident } from './server/renewal-script.ts';
export type { LoggedRequest, ResourceKind } from './server/request-log.ts';
