/** Examines this machine and its bus for `certbus doctor`: what stops other commands is a finding here, after which it goes on. */
import { type ManagerKey, parseIdentityFile, type Trust } from '@certbus/events';
import { type DiagnosisOptions, diagnoseReader, type Finding, openManager } from '@certbus/manager';
import { replicaPicture } from '@certbus/manager/picture';
import { openReplica, type Replica } from '@certbus/replica';
import { openBus, parseAddress } from '@certbus/store';
import { type KnownTrust, readKnownTrust } from './checkpoint.ts';
import { type Environment, readKey, readReferences, secretsOf } from './environment.ts';
import { nothingThere } from './errors.ts';
import { createHolder, hasEnded } from './holder.ts';
import { localFiles } from './local-files.ts';
import { loggerOf } from './logger.ts';
import { readManagerKey } from './manager-key.ts';
import { managerReplicaPath, type OpenBus, openLocalBus } from './open-bus.ts';
import { createSolverFactory } from './solvers/solvers.ts';
import { trustOf } from './trust-file.ts';
import { unreadableLog } from './unreadable-log.ts';
import { readPictureNow } from './with-picture.ts';

/** How a machine is examined. */
export interface ExaminationOptions extends Omit<DiagnosisOptions, 'local' | 'proxyOf' | 'onFinding'> {
  /** Look at what a load balancer needs: its identity in the place of a manager's key. Default false. */
  readonly isLoadBalancer?: boolean;
  /** Called with each finding as it comes. */
  readonly onFinding: (finding: Finding) => void;
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** What `read` returns, or the error that it throws. */
function attempt<T>(read: () => T): T | Error {
  try {
    return read();
  } catch (error) {
    return asError(error);
  }
}

/** The files to look at; where the programs cannot be read, a finding and the others. */
function filesOf(environment: Environment, add: (finding: Finding) => void): ReturnType<typeof localFiles> {
  const files = attempt(() => localFiles(environment));
  if (!(files instanceof Error)) return files;
  const advice = 'Correct "programs" in certbus.json.';
  add({ check: 'config', subject: 'programs', status: 'failed', detail: files.message, advice });
  return { files: environment.config.files, stateDirectory: environment.namedStateDirectory };
}

/** The bus, or one of which nothing can be read, and why. */
async function openOrAway(
  environment: Environment,
  { known, key, signal }: { readonly known: Known; readonly key: ManagerKey; readonly signal: AbortSignal },
): Promise<{ readonly open: Pick<OpenBus, 'bus' | 'archive' | 'close'>; readonly away: Error | undefined }> {
  try {
    return { open: await openLocalBus(environment, { key, known, signal }), away: undefined };
  } catch (error) {
    signal.throwIfAborted();
    const { stream } = parseAddress(environment.config.bus);
    const bus = openBus(unreadableLog(error), stream, { trust: known.trust, signer: key.signer });
    return { open: { bus, archive: undefined, close: async () => {} }, away: asError(error) };
  }
}

type Known = Pick<KnownTrust, 'trust' | 'hasCheckpoint'>;

/** What earlier runs have read of the bus; where that cannot be known, a finding and what the local configuration says. */
async function readKnown(
  environment: Environment,
  {
    trust,
    add,
    signal,
  }: { readonly trust: Trust; readonly add: (finding: Finding) => void; readonly signal: AbortSignal },
): Promise<Known> {
  try {
    return await readKnownTrust(environment, { signal });
  } catch (error) {
    signal.throwIfAborted();
    const advice = 'Correct CERTBUS_CHECKPOINT, or what it names.';
    add({ check: 'config', subject: 'checkpoint', status: 'failed', detail: asError(error).message, advice });
    return { trust, hasCheckpoint: false };
  }
}

/** Examines as a manager: with what its key opens. */
async function examineAsManager(
  environment: Environment,
  {
    replica,
    key,
    known,
    ...options
  }: Omit<ExaminationOptions, 'isLoadBalancer'> &
    DiagnosisOptions & { replica: Replica; key: ManagerKey; known: Known },
): Promise<void> {
  await readReferences(environment, { signal: options.signal });
  const { open, away } = await openOrAway(environment, { known, key, signal: options.signal });
  const { outgoing } = environment;
  const acceptStale = environment.acceptStale || known.hasCheckpoint;
  const secrets = secretsOf(environment);
  const begin = (reason: unknown) =>
    openManager({
      bus: open.bus,
      archive: open.archive,
      key,
      replica,
      acceptStale,
      away: reason,
      holder: createHolder(),
      hasEnded,
      solvers: createSolverFactory(environment, secrets),
      secrets,
      outgoing,
      logger: loggerOf(environment),
      signal: options.signal,
    });
  try {
    let manager = await begin(away).catch((error: unknown) => {
      options.signal.throwIfAborted();
      return begin(asError(error));
    });
    try {
      // The replica may be empty only because another process is about to fill it.
      if (manager.checkpoint.position === 0) await manager.refresh({ signal: options.signal }).catch(() => {});
      if (manager.checkpoint.position === 0 && away === undefined) {
        await manager.close();
        manager = await begin(nothingThere(environment.config.bus));
      }
      await manager.diagnose(options);
    } finally {
      await manager.close();
    }
  } finally {
    await open.close();
  }
}

/** Examines without a manager's key: what anyone who knows the bus can see. */
async function examineAsReader(
  environment: Environment,
  {
    replica,
    known,
    isLoadBalancer = false,
    ...options
  }: DiagnosisOptions & { replica: Replica; known: Known; isLoadBalancer?: boolean | undefined },
): Promise<void> {
  const { signal } = options;
  const recipient = isLoadBalancer
    ? await readKey(environment, 'identity', { signal })
        .then(parseIdentityFile)
        .then((identity) => identity.recipient, asError)
    : undefined;
  const read = await readPictureNow(environment, replica, { known, signal }).catch(asError);
  signal.throwIfAborted();
  const isAway = read instanceof Error;
  const before = replica.checkpoint().position > 0 ? replicaPicture(replica) : undefined;
  const picture = isAway ? before : read;
  diagnoseReader({ ...options, picture, away: isAway ? read : undefined, recipient, hasEnded, now: new Date() });
}

/**
 * Looks at everything that this machine depends on, as a manager or as a load balancer: bus, key or identity, files, certificates, and for a
 * manager the CAs and DNS. What is wrong is a finding, after which it goes on; rejects with the signal's reason only.
 */
export async function examineMachine(
  environment: Environment,
  { isLoadBalancer = false, onFinding, ...options }: ExaminationOptions,
): Promise<readonly Finding[]> {
  const { config, outgoing } = environment;
  const findings: Finding[] = [];
  const add = (finding: Finding) => {
    findings.push(finding);
    onFinding(finding);
  };
  const failed = (check: Finding['check'], subject: string, error: Error, advice: string) =>
    add({ check, subject, status: 'failed', detail: error.message, advice });
  const local = filesOf(environment, add);
  const { signal } = options;
  const key = isLoadBalancer ? undefined : await readManagerKey(environment, { signal }).catch(asError);
  signal.throwIfAborted();
  if (key instanceof Error)
    failed('key', 'manager key', key, 'On a load balancer, which has none, use "certbus doctor --load-balancer".');
  const trust = attempt(() => trustOf(config));
  if (trust instanceof Error) {
    failed('config', 'trust file', trust, 'Copy bus.pub from a machine that has the right one.');
    return findings;
  }
  const place = { path: managerReplicaPath(environment), busId: trust.busId };
  const replica = await openReplica({ ...place, isBrief: true }).catch(asError);
  if (replica instanceof Error) {
    failed(
      'files',
      environment.stateDirectory,
      replica,
      'Make the state directory writable, or set CERTBUS_STATE_DIR.',
    );
    return findings;
  }
  const proxyOf = outgoing && ((url: string) => outgoing.proxyHost(url));
  try {
    const known = await readKnown(environment, { trust, add, signal });
    const common = { ...options, local, proxyOf, onFinding: add, replica, known };
    if (key === undefined || key instanceof Error) await examineAsReader(environment, { ...common, isLoadBalancer });
    else await examineAsManager(environment, { ...common, key });
    return findings;
  } catch (error) {
    options.signal.throwIfAborted();
    failed('bus', config.bus, asError(error), 'Run the command again with CERTBUS_LOG=debug.');
    return findings;
  } finally {
    await replica.close();
  }
}
