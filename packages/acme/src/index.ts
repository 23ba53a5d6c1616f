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
export { AcmeError, type AcmeErrorCode, type AcmeErrorOptions, RecordMissingError } from './errors.ts';
export type { Breaker, BreakerOptions, BreakerState } from './limits/breaker.ts';
export { createGate, type Gate, type GateOptions } from './limits/gate.ts';
export type { Job } from './limits/job.ts';
export type { Limiter } from './limits/limiter.ts';
export {
  type CaLimits,
  GENEROUS_LIMITS,
  LETS_ENCRYPT_LIMITS,
  LETS_ENCRYPT_STAGING_LIMITS,
  limitsOf,
} from './limits/limits.ts';
export type { Rate } from './limits/token-bucket.ts';
export { type Challenge, presentedChallenge } from './order/challenge.ts';
export { type Obtained, type ObtainOptions, obtain } from './order/obtain.ts';
export type { PersistentGrant } from './order/persistent-record.ts';
export type { PresentedChallenge, SolvableChallenge, Solver } from './solver.ts';
export type { Acme, Resource, Session, SessionOptions } from './wire/acme.ts';
export { type AcmeOptions, createAcme } from './wire/create-acme.ts';
export type { Directory } from './wire/directory.ts';
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
export { AcmeProblemError, type Problem, type ProblemClass, type Subproblem } from './wire/problem.ts';
export { type ProxyOptions, proxyOf } from './wire/proxy.ts';
export { type DirectorySummary, readClock, readDirectory } from './wire/read-directory.ts';
export { publicKeyOfCsr } from './x509/certificate.ts';
export { createCsr } from './x509/csr.ts';
