/** Opens what a change of a bus's keys is made with on this machine: a manager in force where there is one, else the root alone. */
import type { Signer } from '@certbus/events';
import {
  type AppendedChange,
  appendChangeAsRoot,
  type Manager,
  type RootPicture,
  type RootReply,
  type RootState,
  readRootStateOf,
} from '@certbus/manager';
import { readPictureAt } from '@certbus/manager/picture';
import { openReplica } from '@certbus/replica';
import { type Bus, openBus } from '@certbus/store';
import type { Environment } from './environment.ts';
import { nothingThere, RuntimeError } from './errors.ts';
import { loggerOf } from './logger.ts';
import { readManagerKey } from './manager-key.ts';
import { managerReplicaPath, type OpenBus, openLocalBus } from './open-bus.ts';
import { trustOf } from './trust-file.ts';
import { withManager } from './with-manager.ts';
import type { PictureOptions } from './with-picture.ts';

/** What can change the keys of a bus. */
export interface KeyHolder {
  readonly bus: Bus;
  /** The manager of this machine, where its key is in force. */
  readonly manager: Manager | undefined;
  /** The public half of this machine's manager key, in force or not; `undefined` where there is none. */
  readonly signingKey: string | undefined;
  rootState(): Promise<RootPicture>;
  /** Appends what the root signed: by the manager, else by the root. Rejects as `appendChange` and `appendChangeAsRoot` do. */
  append(reply: RootReply): Promise<AppendedChange>;
}

/** How a holder is opened. */
export interface KeyHolderOptions {
  /** The root key, where it is on this machine. Without it only a manager in force can append. */
  readonly root: Signer | undefined;
  readonly signal: AbortSignal;
}

/** Whether a key is named nowhere, or its file does not exist; one that cannot be read is there. */
export function isNotThere(error: unknown): boolean {
  if (!(error instanceof RuntimeError)) return false;
  if (error.code === 'CERTBUS_CLI_CONFIG_MISSING') return true;
  const { cause } = error;
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

/**
 * The public half of this machine's manager key; `undefined` where there is none: after a loss, or where people only look. Rejects as
 * `readManagerKey` does for one that is there and cannot be used.
 */
export async function findSigningKey(
  environment: Environment,
  options: { readonly signal: AbortSignal },
): Promise<string | undefined> {
  try {
    return (await readManagerKey(environment, options)).signer.publicKey;
  } catch (error) {
    if (isNotThere(error)) return undefined;
    throw error;
  }
}

const isNamed = ({ checkpoint }: RootState, signingKey: string): boolean =>
  checkpoint.managers.some((manager) => manager.signingKey === signingKey);

/** The bus with the root as its signer. */
const asRoot = ({ log, stream, trust, archive }: OpenBus, root: Signer): Bus =>
  openBus(log, stream, { trust, archive, signer: root });

/** What this machine can read of the root's decisions, without a manager's key. Rejects as `readPicture` does. */
async function withReader<T>(
  environment: Environment,
  { signal }: { readonly signal: AbortSignal },
  run: (open: OpenBus, rootState: () => Promise<RootPicture>) => Promise<T>,
): Promise<T> {
  const open = await openLocalBus(environment, { signal });
  try {
    const { busId } = trustOf(environment.config);
    const replica = await openReplica({ path: managerReplicaPath(environment), busId, isBrief: true });
    try {
      const { bus, archive } = open;
      const warn = (message: string, fields: Readonly<Record<string, unknown>>) =>
        loggerOf(environment).warn(message, { ...fields });
      return await run(open, async () => {
        const state = await readRootStateOf({ bus, replica, archive, warn }, { signal });
        if (state.checkpoint.position === 0) throw nothingThere(environment.config.bus);
        return state;
      });
    } finally {
      await replica.close();
    }
  } finally {
    await open.close();
  }
}

/**
 * What the root has decided on the bus of this machine; with `at`, by that instant. No key is needed. Rejects with a `RuntimeError`, a
 * `StoreError`, a `HistoryError`, and with the error of `run`.
 */
export async function withRootState<T>(
  environment: Environment,
  run: (state: RootState, bus: Bus) => Promise<T>,
  { at, ...options }: PictureOptions,
): Promise<T> {
  if (at) {
    const { bus, close } = await openLocalBus(environment, { signal: options.signal });
    try {
      return await run((await readPictureAt(bus, at, options)).root, bus);
    } finally {
      await close();
    }
  }
  return withReader(environment, options, async ({ bus }, rootState) => run(await rootState(), bus));
}

/**
 * Runs with what can change the keys of this machine's bus, and closes what was opened for it. Rejects as `withManager` does, with
 * `CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE` when neither a manager in force nor the root key is here, and with the error of `run`.
 */
export async function withKeyHolder<T>(
  environment: Environment,
  { root, signal }: KeyHolderOptions,
  run: (holder: KeyHolder) => Promise<T>,
): Promise<T> {
  const signingKey = await findSigningKey(environment, { signal });
  if (root === undefined || signingKey !== undefined)
    return withManager(
      environment,
      async (manager, open) => {
        const rootState = () => manager.rootState({ signal });
        const isInForce = signingKey !== undefined && isNamed(await rootState(), signingKey);
        return run({
          bus: open.bus,
          manager: isInForce ? manager : undefined,
          signingKey,
          rootState,
          append: (reply) =>
            isInForce || root === undefined
              ? manager.appendChange(reply, { signal })
              : appendChangeAsRoot(asRoot(open, root), reply, { state: rootState, signal }),
        });
      },
      { signal },
    );
  return withReader(environment, { signal }, (open, rootState) =>
    run({
      bus: open.bus,
      manager: undefined,
      signingKey: undefined,
      rootState,
      append: (reply) => appendChangeAsRoot(asRoot(open, root), reply, { state: rootState, signal }),
    }),
  );
}
