/** The ACME engine: accounts, orders, renewal information and revocation at a CA. */
export {
  type Account,
  type AccountUpdate,
  deactivateAccount,
  type RegisteredAccount,
  type RegistrationOptions,
  readAccount,
  registerAccount,
  updateAccount,
} from './account/account.ts';
export { accountThumbprint, generateAccountKey } from './account/account-key.ts';
export type { ExternalAccount, MacAlgorithm } from './account/external-account.ts';
export { findAccountKey, type KeyCandidates, type RollOverOptions, rollOverAccountKey } from './account/roll-over.ts';
export type { Acme, AcmeOptions } from './acme.ts';
export { type CaaPolicy, type CaaQuestion, type CaaRecord, caaRecordsFor } from './caa/caa.ts';
export { type CaaCheck, type CaaResolver, type CaaVerdict, checkCaa } from './caa/check-caa.ts';
export { type Control, type ControlFacts, classifyControl } from './caa/control.ts';
export { certificateId, type RenewalInfo, renewalInfo } from './certificates/renewal-info.ts';
export {
  REVOCATION_REASONS,
  type RevocationOptions,
  type RevocationReason,
  revoke,
} from './certificates/revocation.ts';
export {
  AcmeError,
  type AcmeErrorCode,
  type AcmeErrorOptions,
  DeadlineError,
  type DeadlineErrorOptions,
  RecordMissingError,
} from './errors.ts';
export type { BreakerOptions, BreakerState, Outage } from './limits/breaker.ts';
export { type CaLimiter, type CaLimiterOptions, createCaLimiter } from './limits/ca-limiter.ts';
export {
  type CaLimits,
  GENEROUS_LIMITS,
  LETS_ENCRYPT_LIMITS,
  LETS_ENCRYPT_STAGING_LIMITS,
  limitsOf,
} from './limits/limits.ts';
export type { Rate } from './limits/token-bucket.ts';
export { type Challenge, type ChallengeSubject, presentedChallenge } from './order/challenge.ts';
export { type Obtained, type ObtainOptions, obtain } from './order/obtain.ts';
export { type LimitedBy, limitedBy } from './order/order-limits.ts';
export type { PersistentGrant } from './order/persistent-record.ts';
export type { PresentedChallenge, ReadyOptions, SolvableChallenge, Solver, Waiting } from './solver/solver.ts';
export { createAcme } from './wire/create-acme.ts';
export type { Endpoint } from './wire/endpoint.ts';
export { type Http, HttpFailure, type HttpFailureKind, type HttpRequest, type HttpResponse } from './wire/http.ts';
export type { Logger } from './wire/logger.ts';
export {
  type AcmeCounters,
  type AcmeCounts,
  type AcmeEvent,
  createAcmeCounters,
  type Observe,
} from './wire/observe.ts';
export { isOutage } from './wire/outage.ts';
export type { DispatcherOptions, Outgoing } from './wire/outgoing.ts';
export {
  AcmeProblemError,
  type AcmeProblemOptions,
  type Problem,
  type ProblemClass,
  type Subproblem,
} from './wire/problem.ts';
export { type DirectorySummary, readClock, readDirectory } from './wire/read-directory.ts';
export { publicKeyOfCsr } from './x509/certificate.ts';
export { type Chain, commonNameOf, type OrderedChain, orderChain } from './x509/chain.ts';
export { type CsrOptions, createCsr } from './x509/csr.ts';
