/** Entry: certificates with their opened keys, without TLS. */
export { ClientError, type ClientErrorCode } from './errors.ts';
export type { Health } from './health.ts';
export { answerHttp01 } from './http-01.ts';
export type { CheckIn } from './reporting/check-ins.ts';
export type { Logger } from './reporting/logger.ts';
export type { MaterialEvents } from './serving/events.ts';
export type { KeyType } from './serving/key-type.ts';
export {
  type CertificateSummary,
  type Material,
  type MaterialSource,
  openMaterial,
} from './serving/material-source.ts';
export type { MaterialOptions } from './serving/options.ts';
export type { Candidate, Ranking } from './serving/ranking.ts';
