export type { CertBus, ClientEvents, ConnectOptions, ServerOptions } from './cert-bus.ts';
export { connect } from './connect.ts';
export { ClientError, type ClientErrorCode } from './errors.ts';
export type { Health } from './health.ts';
export type { ChallengeRequest, ChallengeResponse } from './http-01.ts';
export type { CheckIn } from './reporting/check-ins.ts';
export type { Logger } from './reporting/logger.ts';
export type { CertificateSummary } from './serving/material-source.ts';
export type { SniCallback } from './tls/tls-server.ts';
