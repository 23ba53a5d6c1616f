/** Entry: the real services, and what tests share. */

export { type AcmeClient, findCaddy, findCertbot, findLego } from './acme-clients.ts';
export { type AwsAccount, startAwsAccount } from './aws-account.ts';
export { findAwsCli } from './aws-cli.ts';
export {
  createCsr,
  createIssuer,
  createKeys,
  createLeaf,
  createServerIdentity,
  type Issuer,
  type LeafOptions,
  privateKeyPem,
} from './certificates.ts';
export { lintTemplates } from './cfn-lint.ts';
export { type ChallTestSrv, startChallTestSrv } from './challtestsrv.ts';
export { type Chromium, type Page, startChromium } from './chromium.ts';
export { type ConnectProxy, type ProxyVerdict, startConnectProxy } from './connect-proxy.ts';
export { installDebianPackage } from './debian-packages.ts';
export { type Disk, mountDisk } from './disks.ts';
export { callsInLines, type DocumentedCommand, documentedCommands, wrongCommands } from './documented-commands.ts';
export { type DynamoDbLocal, startDynamoDbLocal } from './dynamodb-local.ts';
export { type FastClock, startFastClock } from './fast-clock.ts';
export { buildGoProgram } from './go-programs.ts';
export { findHaproxy, type HaproxyVersion, startHaproxy } from './haproxy.ts';
export { ACCOUNT, type IamJudge, type IamRequest, type IamSubject, startIamJudge } from './iam/judge.ts';
export { type IamProxy, type RoleOptions, startIamProxy } from './iam/proxy.ts';
export { type JumpClock, startJumpClock } from './jump-clock.ts';
export { type LambdaEmulator, type LambdaOptions, startLambdaEmulator } from './lambda/emulator.ts';
export { cacheFolder, freePort, temporaryFolder } from './machine.ts';
export { findMandoc } from './mandoc.ts';
export { findMoto, type Moto, startMoto } from './moto.ts';
export { deployStack } from './moto-stack.ts';
export { findNginx, findNginxWithLua, startNginx } from './nginx.ts';
export { findNode, NODE_VERSIONS, type NodeVersion, OLD_NODE } from './node-versions.ts';
export { freshEnvironment, installPackages } from './npm-packages.ts';
export { asUser, reachable, SHOW_REPOSITORY } from './other-users.ts';
export { installPacked, runPnpm } from './packed-packages.ts';
export { type Part, requirePart } from './parts.ts';
export { BLOCKED_NAME, type Pebble, type PebbleOptions, startPebble } from './pebble.ts';
export type { PebbleOrigin } from './pebble-programs.ts';
export { type PowerDns, startPowerDns } from './powerdns.ts';
export { run, type Service, startService } from './process.ts';
export { type Alertmanager, findPrometheus, startAlertmanager } from './prometheus.ts';
export { type Exchange, type Fault, startFaultProxy, startTlsProxy, type Verdict } from './proxies.ts';
export { type S3Server, startS3Server } from './s3-server.ts';
export { findSecrets, type ScannedSecret, secretsOfKey, secretText } from './secret-scan.ts';
export { findShells, type Shells } from './shells.ts';
export { type StepCa, type StepCaOptions, startStepCa } from './step-ca.ts';
export { type ThreadCall, type ThreadCalls, watchThreadCalls } from './thread-calls.ts';
export { createTlsIdentity, type TlsIdentity } from './tls-identity.ts';
export { openTerminal, type TerminalOptions, type TerminalSession } from './tmux.ts';
export {
  startBind,
  startKnot,
  type TsigKeyText,
  type UpdateServer,
  type UpdateServerOptions,
} from './update-servers.ts';
