/** The manager of a bus: decides, issues, renews and removes certificates. */
export type { AccountOptions } from './accounts/account-operations.ts';
export type { AccountCandidate, AdoptionOptions, AdoptionOutcome } from './accounts/adoption.ts';
export type { ObserveAuthority } from './accounts/connections.ts';
export type { AlertmanagerSettings, AlertSink, WebhookSettings } from './configuration/alert-sinks.ts';
export { checkDirectories, limitsOfAuthority } from './configuration/certificate-authorities.ts';
export { type ConfigurationChanges, changesBetween } from './configuration/changes.ts';
export {
  type CertificateAuthority,
  type Configuration,
  configuration as configurationSchema,
  type DnsPersist01Settings,
  type Http01Settings,
  parseConfiguration,
  type TlsAlpn01Settings,
} from './configuration/configuration.ts';
export { REDACTED } from './configuration/redacted.ts';
export { mergeRedacted, redactConfiguration } from './configuration/redaction.ts';
export {
  hostsOf,
  type RefusedSecret,
  refusedSecrets,
  resolveSecret,
  type SecretSource,
  secretHosts,
} from './configuration/secrets.ts';
export type { ConfigureResult } from './configuration/stored-configuration.ts';
export { ALERT_KINDS, type AlertKind } from './decide/alert.ts';
export type { KeyChange } from './decide/key-changes.ts';
export { type Hold, holdOf, isEnding, type PutOff } from './decide/put-off.ts';
export type { Quota } from './decide/quota.ts';
export type { RevocableCertificate } from './decide/revocation.ts';
export { type DiagnosisOptions, diagnoseReader, type ReaderDiagnosis } from './doctor/doctor.ts';
export type { LocalFile, LocalFiles } from './doctor/files.ts';
export type { Check, Finding } from './doctor/finding.ts';
export { certificateNotFound, ManagerError, type ManagerErrorCode } from './errors.ts';
export type { IssueRequest, IssueResult, RunOptions } from './issuance/issue.ts';
export { parseKeyType } from './issuance/key-type.ts';
export type { Progress } from './issuance/progress.ts';
export { dnsSettingsFor, type SolverFactory } from './issuance/solvers.ts';
export { parseSubject } from './issuance/subject.ts';
export { type Manager, type ManagerOptions, openManager } from './manager.ts';
export type {
  CampaignLookOptions,
  CampaignOperations,
  CampaignPlan,
  CampaignRequest,
  CampaignStatus,
  FailingMember,
} from './renewal/campaign/campaign-operations.ts';
export type { Predicate } from './renewal/campaign/predicate.ts';
export type {
  MassRevocationRequest,
  MassRevocationTerms,
  RevocationOutcome,
} from './renewal/mass-revocation.ts';
export { type RenewalOutcome, type RunProblem, type RunResult, SIDE_TASKS, type SideTask } from './renewal/outcome.ts';
export type { NewNames, NewNamesForecast } from './renewal/plan/new-names.ts';
export type { Plan, PlannedAuthority, PlannedDay, PlanRequest } from './renewal/plan/plan.ts';
export type { ReplacementForecast } from './renewal/plan/replacement.ts';
export type { NotedStretch, RenewalInfoNote, RenewalInfoNotes } from './renewal/renewal-info-schedule.ts';
export type { RevocationRequest, RevocationResult, RevocationSubject } from './renewal/revocation.ts';
export type { RunOnceOptions } from './renewal/run-once.ts';
export type { QueueSizes } from './renewal/work-queue.ts';
export type { ManagerCounts } from './state/counts.ts';
export type { RootState } from './state/root-history.ts';
export type { ManagerState } from './state/state.ts';
export type { AlertTest } from './upkeep/alerts/announcer.ts';
export type { TrimOptions, UpkeepOptions } from './upkeep/archive.ts';
export { createBus } from './upkeep/create-bus.ts';
export type { CompletedExpulsion } from './upkeep/expulsion/completion.ts';
export { type ExpelledManager, expelManager } from './upkeep/expulsion/expel.ts';
export {
  type EventsOfType,
  type ExpulsionPlan,
  planExpulsion,
  type SuspectCertificate,
  type SuspectEvent,
} from './upkeep/expulsion/plan.ts';
export { type ExpulsionOptions, recordExpulsion } from './upkeep/expulsion/record.ts';
export { findSuspect, type Suspect, type Suspicion } from './upkeep/expulsion/suspect.ts';
export type { ImportCandidate, ImportOptions, ImportOutcome } from './upkeep/importing/import-certificates.ts';
export { isPair } from './upkeep/importing/pair.ts';
export type { CaHint } from './upkeep/importing/source-authority.ts';
export { type AppendedChange, appendChangeAsRoot } from './upkeep/key-changes/append.ts';
export type { AppendedKeys } from './upkeep/key-changes/append-resealed.ts';
export type { Exposure } from './upkeep/key-changes/exposure.ts';
export { type RootPicture, readRootStateOf } from './upkeep/key-changes/keys-in-force.ts';
export {
  formatReply,
  formatRequest,
  isReplyTo,
  parseReply,
  parseRequest,
  type RootReply,
  type RootRequest,
  requestChange,
} from './upkeep/key-changes/request.ts';
export { resealKeys } from './upkeep/key-changes/reseal.ts';
export {
  checkResealedKeys,
  formatResealedKeys,
  parseResealedKeys,
  type ResealedKey,
} from './upkeep/key-changes/resealed-keys.ts';
export { type ExaminedRequest, examineRequest, signRequest } from './upkeep/key-changes/sign.ts';
export { describeReply } from './upkeep/key-changes/wording.ts';
export { type RestoreOptions, recordRestored } from './upkeep/restore.ts';
