export type { TrimOptions, UpkeepOptions } from './archive.ts';
export {
  type Authority,
  type Configuration,
  type DnsPersist01Settings,
  type Http01Settings,
  parseConfiguration,
  type TlsAlpn01Settings,
} from './configuration.ts';
export { createBus } from './create-bus.ts';
export type { DnsSettings, ProviderName } from './dns-settings.ts';
export type { DiagnosisOptions } from './doctor/doctor.ts';
export type { Check, Finding } from './doctor/finding.ts';
export type { Progress } from './drive.ts';
export { ManagerError, type ManagerErrorCode } from './errors.ts';
export type { Secret } from './fields.ts';
export type { IssueRequest, IssueResult, RunOptions } from './issue.ts';
export { type AccountOptions, type Manager, type ManagerOptions, openManager } from './manager.ts';
export { PROVIDERS, type Provider, type ProviderField } from './providers.ts';
export { mergeRedacted, REDACTED, redactConfiguration } from './redaction.ts';
export type { RenewalOptions, RenewalOutcome } from './renewal.ts';
export type { RenewalInfoNote, RenewalInfoNotes } from './renewal-info.ts';
export { type RestoreOptions, sayRestored } from './restore.ts';
export type { RevocationRequest, RevocationResult } from './revocation.ts';
export { resolveSecret, type SecretSource } from './secrets.ts';
export type { SolverFactory } from './solvers.ts';
export type { ManagerState } from './state.ts';
export { parseSubject } from './subject.ts';
