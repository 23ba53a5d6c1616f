export {
  type Account,
  type AccountUpdate,
  deactivateAccount,
  type RegisteredAccount,
  type RegistrationOptions,
  readAccount,
  registerAccount,
  updateAccount,
} from './account.ts';
export { accountThumbprint, generateAccountKey } from './account-key.ts';
export type { Acme, Resource, Session, SessionOptions } from './acme.ts';
export type { Breaker, BreakerOptions, BreakerState } from './breaker.ts';
export { type CaaPolicy, type CaaQuestion, type CaaRecord, caaRecordsFor } from './caa.ts';
export { publicKeyOfCsr } from './certificate.ts';
export { type Challenge, presentedChallenge } from './challenge.ts';
export { type CaaCheck, type CaaResolver, type CaaVerdict, checkCaa } from './check-caa.ts';
export { type Control, type ControlFacts, classifyControl } from './control.ts';
export { type AcmeOptions, createAcme } from './create-acme.ts';
export { createCsr } from './csr.ts';
export type { Directory } from './directory.ts';
export type { Endpoint } from './endpoint.ts';
export { AcmeError, type AcmeErrorCode, type AcmeErrorOptions, RecordMissingError } from './errors.ts';
export type { ExternalAccount, MacAlgorithm } from './external-account.ts';
export { createGate, type Gate, type GateOptions } from './gate.ts';
export { type Http, HttpFailure, type HttpFailureKind, type HttpRequest, type HttpResponse } from './http.ts';
export type { Job } from './job.ts';
export type { Limiter } from './limiter.ts';
export {
  type CaLimits,
  GENEROUS_LIMITS,
  LETS_ENCRYPT_LIMITS,
  LETS_ENCRYPT_STAGING_LIMITS,
  limitsOf,
} from './limits.ts';
export type { Logger } from './logger.ts';
export { type AcmeCounters, type AcmeCounts, type AcmeEvent, createAcmeCounters, type Observe } from './observe.ts';
export { type Obtained, type ObtainOptions, obtain } from './obtain.ts';
export type { PersistentGrant } from './persistent-record.ts';
export { AcmeProblemError, type Problem, type ProblemClass, type Subproblem } from './problem.ts';
export { type ProxyOptions, proxyOf } from './proxy.ts';
export { type DirectorySummary, readClock, readDirectory } from './read-directory.ts';
export { certificateId, type RenewalInfo, renewalInfo } from './renewal-info.ts';
export { REVOCATION_REASONS, type RevocationOptions, type RevocationReason, revoke } from './revocation.ts';
export { findAccountKey, type KeyCandidates, type RollOverOptions, rollOverAccountKey } from './roll-over.ts';
export type { PresentedChallenge, SolvableChallenge, Solver } from './solver.ts';
export type { Rate } from './token-bucket.ts';
