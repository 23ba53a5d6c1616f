/** Shows what this machine's bus says to those who only look: without a manager's key, and from the replica where the bus is away. */
import { type Manager, open } from '@certbus/events';
import { type Picture, readPicture, readPictureAt, replicaPicture } from '@certbus/manager/picture';
import { openReplica, type Replica, type ReplicaReader } from '@certbus/replica';
import { StoreError } from '@certbus/store';
import type { Environment } from './environment.ts';
import { nothingThere, RuntimeError } from './errors.ts';
import { loggerOf } from './logger.ts';
import { readManagerKey } from './manager-key.ts';
import { managerReplicaPath, type OpenBusOptions, openLocalBus } from './open-bus.ts';
import { trustOf } from './trust-file.ts';

export { openersOf } from '@certbus/manager/picture';
export type { ListedCertificate, PlainCertificate } from '@certbus/replica';

/** What the bus says, and how new that is. */
export interface DatedPicture extends Picture {
  /** The managers in force at the newest position that this machine has read. */
  readonly managers: readonly Manager[];
  /** When the newest commit of the picture was signed, ISO 8601. */
  readonly newestAt: string | undefined;
  /** Why the bus could not be read, so that this is what its replica has; `undefined` where the picture is up to date. */
  readonly away: StoreError | RuntimeError | undefined;
}

/** How a picture is read. */
export interface PictureOptions {
  /** The instant to go back to. Default: the newest there is. */
  readonly at?: Date | undefined;
  readonly signal: AbortSignal;
}

/** A store that does not answer, or not to this machine: what was read before is still true of its time. */
const AWAY: ReadonlySet<string> = new Set([
  'CERTBUS_STORE_NOT_FOUND',
  'CERTBUS_STORE_UNREACHABLE',
  'CERTBUS_STORE_THROTTLED',
  'CERTBUS_STORE_ACCESS_DENIED',
  // A checkpoint in AWS can be as far away as the bus.
  'CERTBUS_CLI_SECRET_UNREACHABLE',
  'CERTBUS_CLI_SECRET_DENIED',
]);

const hasReadBus = (replica: Replica): boolean => replica.isComplete() && replica.checkpoint().position > 0;

const isAway = (error: unknown): error is StoreError | RuntimeError =>
  (error instanceof StoreError || error instanceof RuntimeError) && AWAY.has(error.code);

/** The picture of a bus that answers. Rejects as {@link withPicture} does, also where the bus is away. */
export async function readPictureNow(
  environment: Environment,
  replica: Replica,
  { at, known, signal }: PictureOptions & Pick<OpenBusOptions, 'known'>,
): Promise<Picture> {
  const { bus, archive, close } = await openLocalBus(environment, { known, signal });
  try {
    const log = loggerOf(environment);
    const warn = (message: string, fields: Readonly<Record<string, unknown>>) => log.warn(message, fields);
    const picture = at
      ? await readPictureAt(bus, at, { signal })
      : await readPicture({ bus, replica, archive, warn }, { signal });
    if (picture.position === 0 && !at) throw nothingThere(environment.config.bus);
    return picture;
  } finally {
    await close();
  }
}

/**
 * Runs with what the bus says, and closes what was opened for it. Where the bus is away, and no earlier instant is asked for, the picture is
 * that of this machine's replica, if it has ever read the bus. Rejects with a `RuntimeError`, a `StoreError` or a `HistoryError`, and with
 * the error of `run`.
 */
export async function withPicture<T>(
  environment: Environment,
  run: (picture: DatedPicture) => Promise<T>,
  options: PictureOptions,
): Promise<T> {
  const { busId } = trustOf(environment.config);
  const replica = await openReplica({ path: managerReplicaPath(environment), busId, isBrief: true });
  try {
    let away: DatedPicture['away'];
    const picture = await readPictureNow(environment, replica, options).catch((error: unknown) => {
      if (!isAway(error) || options.at || !hasReadBus(replica)) throw error;
      away = error;
      return replicaPicture(replica);
    });
    const { managers } = replica.checkpoint();
    return await run({ ...picture, managers, newestAt: picture.state.bus.newestAt, away });
  } finally {
    await replica.close();
  }
}

/**
 * The configuration that a picture has, with its position; `undefined` before the first. It is opened with the manager key of this machine.
 * Rejects as `readManagerKey` does, and `CERTBUS_EVENTS_NOT_OPENED` for one that was sealed to other managers.
 */
export async function configurationOf(
  environment: Environment,
  { state }: Pick<Picture, 'state'>,
  options: { readonly signal: AbortSignal },
): Promise<{ readonly json: unknown; readonly position: number } | undefined> {
  const { config } = state.bus;
  if (!config) return undefined;
  const { identity } = await readManagerKey(environment, options);
  return { json: JSON.parse(await open(config.sealed, identity)), position: config.position };
}

/** Runs with what this machine has read of its bus before, without asking the bus. Rejects as opening a replica does. */
export async function withKnown<T>(environment: Environment, run: (known: ReplicaReader) => T): Promise<T> {
  const { busId } = trustOf(environment.config);
  const replica = await openReplica({ path: managerReplicaPath(environment), busId, isBrief: true });
  try {
    return run(replica);
  } finally {
    await replica.close();
  }
}
