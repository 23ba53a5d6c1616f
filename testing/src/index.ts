export { type ChallTestSrv, startChallTestSrv } from './challtestsrv.ts';
export { type DynamoDbLocal, startDynamoDbLocal } from './dynamodb-local.ts';
export { freePort, temporaryFolder } from './machine.ts';
export { type Part, requirePart } from './parts.ts';
export { BLOCKED_NAME, type Pebble, type PebbleOptions, startPebble } from './pebble.ts';
export type { PebbleOrigin } from './pebble-programs.ts';
export { run, type Service, startService } from './process.ts';
export { type Exchange, type Fault, startFaultProxy, startTlsProxy, type Verdict } from './proxies.ts';
export { createTlsIdentity, type TlsIdentity } from './tls-identity.ts';
