/** What some tests need of the machine, and whether it is there. */
import { findCaddy, findCertbot, findLego, missingAcmeClients } from './acme-clients.ts';
import { findAwsCli, missingAwsCli } from './aws-cli.ts';
import { findChromium, missingChromium } from './chromium.ts';
import { missingDisks } from './disks.ts';
import { findDynamoDbLocal, missingDynamoDbLocal } from './dynamodb-local.ts';
import { findHaproxy, missingHaproxy } from './haproxy.ts';
import { findIamJudge, missingIamJudge } from './iam/judge.ts';
import { missingIpv6 } from './ipv6.ts';
import { findLambdaEmulator, findLambdaRuntime, missingLambdaEmulator } from './lambda/programs.ts';
import { hasProgram } from './machine.ts';
import { findMandoc, missingMandoc } from './mandoc.ts';
import { findMoto, missingMoto } from './moto.ts';
import { findNginx, findNginxWithLua, missingNginx, missingNginxWithLua } from './nginx.ts';
import { findNode, missingNodeVersions, NODE_VERSIONS } from './node-versions.ts';
import { installPackages } from './npm-packages.ts';
import { findPebble, missingPebble } from './pebble-programs.ts';
import { missingPowerDns } from './powerdns.ts';
import { findPrometheus, missingPrometheus } from './prometheus.ts';
import { findS3Server, missingS3Server } from './s3-server.ts';
import { findShells, missingShells } from './shells.ts';
import { findStepCa, missingStepCa } from './step-ca.ts';
import { missingStrace } from './strace.ts';
import { missingSystemd } from './systemd.ts';
import { findTmux, missingTmux } from './tmux.ts';
import { missingBind, missingKnot } from './update-servers.ts';

/** A real service or program that some tests need. */
export type Part =
  | 'pebble'
  | 'step-ca'
  | 'dynamodb-local'
  | 'node-versions'
  | 's3'
  | 'moto'
  | 'aws-cli'
  | 'iam-judge'
  | 'lambda'
  | 'bind'
  | 'knot'
  | 'powerdns'
  | 'chromium'
  | 'ipv6'
  | 'disks'
  | 'strace'
  | 'haproxy'
  | 'acme-clients'
  | 'keytool'
  | 'mandoc'
  | 'nginx'
  | 'nginx-lua'
  | 'prometheus'
  | 'shells'
  | 'systemd'
  | 'tmux';

const missing: Readonly<Record<Part, () => string | undefined>> = {
  pebble: missingPebble,
  'step-ca': missingStepCa,
  'dynamodb-local': missingDynamoDbLocal,
  'node-versions': missingNodeVersions,
  s3: missingS3Server,
  moto: missingMoto,
  'aws-cli': missingAwsCli,
  'iam-judge': missingIamJudge,
  lambda: missingLambdaEmulator,
  bind: missingBind,
  knot: missingKnot,
  powerdns: missingPowerDns,
  chromium: missingChromium,
  ipv6: missingIpv6,
  disks: missingDisks,
  strace: missingStrace,
  haproxy: missingHaproxy,
  'acme-clients': missingAcmeClients,
  keytool: () => (hasProgram('keytool') ? undefined : 'keytool comes with Java'),
  mandoc: missingMandoc,
  nginx: missingNginx,
  'nginx-lua': missingNginxWithLua,
  prometheus: missingPrometheus,
  shells: missingShells,
  systemd: missingSystemd,
  tmux: missingTmux,
};

/**
 * Whether a suite that needs a part is skipped, and why: `describe.skipIf(part.skip)(part.title('…'), …)`. In CI nothing is
 * ever skipped: there the suite fails, with the same reason.
 */
export function requirePart(part: Part): {
  readonly skip: boolean;
  readonly reason: string;
  title(text: string): string;
} {
  const reason = missing[part]() ?? '';
  const skip = reason !== '' && !process.env['CI'];
  return { skip, reason, title: (text) => (skip ? `${text} (skipped: ${reason})` : text) };
}

/** Installs every part that this machine can have, so that no test's time goes into it. */
export async function installParts(): Promise<void> {
  if (!missingPebble()) await findPebble();
  if (!missingStepCa()) await findStepCa();
  if (!missingDynamoDbLocal()) await findDynamoDbLocal();
  if (!missingS3Server()) await findS3Server();
  if (!missingMoto()) await findMoto();
  if (!missingAwsCli()) await findAwsCli();
  if (!missingIamJudge()) await findIamJudge();
  if (!missingLambdaEmulator()) {
    await findLambdaEmulator();
    await findLambdaRuntime();
  }
  if (!missingHaproxy()) await findHaproxy();
  if (!missingAcmeClients()) for (const find of [findCertbot, findLego, findCaddy]) await find();
  if (!missingNginx()) await findNginx();
  if (!missingNginxWithLua()) await findNginxWithLua();
  if (!missingPrometheus()) await findPrometheus();
  if (!missingMandoc()) await findMandoc();
  if (!missingTmux()) await findTmux();
  if (!missingShells()) await findShells();
  if (!missingChromium()) await findChromium();
  if (!missingNodeVersions()) for (const version of NODE_VERSIONS) await findNode(version);
  if (hasProgram('npm')) for (const lock of ['esbuild', 'rollup', 'webpack', 'frameworks']) await installPackages(lock);
}
