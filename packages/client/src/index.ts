export type { CertBus, CertificateSummary, ConnectOptions } from './cert-bus.ts';
export { connect } from './connect.ts';
export type { ClientEvents } from './emitter.ts';
export { ClientError, type ClientErrorCode } from './errors.ts';
export type { Health } from './health.ts';
export type { SniCallback } from './tls/tls-server.ts';
