/** The certificates of a configuration's bus, from a replica on this machine. */
import { type CheckIn, ClientError, type MaterialSource, openMaterial } from '@certbus/client/material';
import type { ResolvedConfiguration } from './configuration/read-configuration.ts';
import { stateDirectoryFor } from './state-directory.ts';

const CATCH_UP_MS = 10_000;

/** How certificates are opened. */
export interface OpenOptions {
  /** Goes by the replica that is there and does not wait for the bus. */
  readonly isOffline?: boolean;
  /** Ends a first start that waits for the bus. */
  readonly signal?: AbortSignal | undefined;
  readonly now?: () => Date;
  /** Takes each alarm of the client; default none, and those that nobody listens to become warnings of the process. */
  readonly onAlarm?: (message: string) => void;
  /** Checks in while the replica and whatever else this asks for are in order; default not at all. */
  readonly checkIn?: CheckIn | undefined;
}

const ignore = () => {};

/** Where the bus is not waited for, it did not fail to answer: there is nothing to go by. */
function noReplica(error: unknown, { bus }: ResolvedConfiguration): unknown {
  if (!(error instanceof ClientError) || error.code !== 'CERTBUS_CLIENT_BUS_UNREACHABLE') return error;
  const what = `There is no complete replica of the bus ${bus} on this machine yet, and "--offline" does not wait for the bus. Run "certbus-agent once" without it first.`;
  return new ClientError(error.code, what, { cause: error });
}

/** Opens the certificates of a configuration's bus. Rejects as `openMaterial` of `@certbus/client`. */
export async function openCertificates(
  configuration: ResolvedConfiguration,
  { isOffline = false, signal, now, onAlarm, checkIn }: OpenOptions = {},
): Promise<MaterialSource> {
  const { bus, trust, identity, archive, intervalMs } = configuration;
  const opening = openMaterial({
    ...{ bus, trust, identity, archive, signal },
    stateDirectory: stateDirectoryFor(configuration),
    ...(intervalMs === undefined ? {} : { intervalMs }),
    // The replica is there, or it is not: no bus is waited for.
    ...(isOffline ? { startTimeoutMs: 1 } : {}),
    ...(now ? { now } : {}),
    // A logger has the alarms of the start as well, before anybody can listen.
    ...(onAlarm ? { logger: { debug: ignore, info: ignore, warn: ignore, error: onAlarm } } : {}),
    ...(checkIn ? { checkIn } : {}),
  });
  return isOffline
    ? opening.catch((error: unknown) => {
        throw noReplica(error, configuration);
      })
    : opening;
}

/** Resolves once the source is at the head of the bus, it takes too long, or the signal is aborted: a process that ends does not wait for it. */
export function catchUp(source: Pick<MaterialSource, 'health' | 'on'>, signal?: AbortSignal): Promise<void> {
  if (source.health().live || signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(end, CATCH_UP_MS);
    source.on('live', end);
    signal?.addEventListener('abort', end, { once: true });
  });
}
