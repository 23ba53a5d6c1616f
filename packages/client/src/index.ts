export type { SniCallback } from './adapters/tls-server.ts';
export { type CertBus, type CertificateSummary, type ConnectOptions, connect } from './connect.ts';
export type { ClientEvents } from './emitter.ts';
export { ClientError, type ClientErrorCode } from './errors.ts';
export type { Health } from './health.ts';
