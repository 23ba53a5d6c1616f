export {
  type Account,
  deactivateAccount,
  type RegisteredAccount,
  type RegistrationOptions,
  readAccount,
  registerAccount,
} from './account.ts';
export { accountThumbprint, generateAccountKey } from './account-key.ts';
export type { Acme, Resource, Session, SessionOptions } from './acme.ts';
export { type AcmeOptions, createAcme } from './create-acme.ts';
export { type Directory, type DirectorySummary, readDirectory } from './directory.ts';
export { AcmeError, type AcmeErrorCode, type AcmeErrorOptions } from './errors.ts';
export type { ExternalAccount, MacAlgorithm } from './external-account.ts';
export { createGate, type Gate, type GateOptions } from './gate.ts';
export type { Logger } from './logger.ts';
export { type Obtained, type ObtainOptions, obtain } from './obtain.ts';
export { AcmeProblemError, type Problem, type ProblemClass, type Subproblem } from './problem.ts';
export { certificateId, type RenewalInfo, renewalInfo } from './renewal-info.ts';
export { findAccountKey, type KeyCandidates, type RollOverOptions, rollOverAccountKey } from './roll-over.ts';
export type { PresentedChallenge, SolvableChallenge, Solver } from './solver.ts';
