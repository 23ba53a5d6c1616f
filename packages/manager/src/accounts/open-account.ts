/** Connects to a CA with the bus's account, whatever state that account is in. */
import type { Acme } from '@certbus/acme';
import type { CertificateAuthority, Configuration } from '../configuration/configuration.ts';
import type { Context } from '../context.ts';
import { accountClosed, isBusError, noRoomForAccount } from '../errors.ts';
import { accountAt, isClosedAt, isUnfinishedAt, nextKeyAt } from '../state/accounts.ts';
import { connectAs } from './connect.ts';
import type { Connections } from './connections.ts';
import { inTurn } from './in-turn.ts';
import { type RegistrationOptions, registerInTurn } from './registration.ts';
import { carryThrough } from './roll-over.ts';
import { markDefaultAccount } from './stateless.ts';

/** How an account is opened. */
export interface OpenAccountOptions {
  readonly config: Configuration;
  readonly signal: AbortSignal;
  /** Whether another account is registered where there was one that was deactivated. Default false. */
  readonly replaceClosed?: boolean;
}

/** How often an account is registered, or what is left of it completed, before it is there: another manager can close it in between. */
const MAX_ROUNDS = 3;

/** What each manager has failed to complete: every order would try it again. */
const failed = new WeakMap<Connections, Set<string>>();

/** Completes what an earlier run began with the account. A CA that does not let it go through holds up no order. */
async function finish(context: Context, options: RegistrationOptions): Promise<void> {
  const { connections, view, logger } = context;
  const { directory } = options.authority;
  const known = failed.get(connections) ?? new Set<string>();
  failed.set(connections, known);
  await inTurn(connections, directory, async () => {
    const { bus } = view.state;
    const what = `${directory} ${nextKeyAt(bus, directory)?.thumbprint}`;
    if (known.has(what) || !isUnfinishedAt(bus, directory)) return;
    try {
      await carryThrough(context, options);
    } catch (error) {
      options.signal.throwIfAborted();
      if (isBusError(error)) throw error;
      known.add(what);
      logger.warn('a change of an account that was interrupted could not be completed', {
        directory,
        why: String(error),
      });
    }
  });
}

/**
 * Connects to a CA with the bus's account there. An account that is not there yet is registered first; a roll-over or replacement that
 * was interrupted is completed, or given up where the CA cannot change keys. After a deactivation only `replaceClosed` registers another.
 * The connection lives as long as the manager. Rejects with an `AcmeError`, `CERTBUS_MANAGER_ACCOUNT_CLOSED`, `CERTBUS_MANAGER_ACCOUNT_MISSING`,
 * `CERTBUS_MANAGER_SECRET_MISSING` or a `StoreError`.
 */
export async function openAccount(
  context: Context,
  authority: CertificateAuthority,
  { config, signal, replaceClosed = false }: OpenAccountOptions,
): Promise<Acme> {
  const { directory } = authority;
  const { view } = context;
  await markDefaultAccount(context, config, signal);
  for (let round = 1; ; round += 1) {
    signal.throwIfAborted();
    // Each would register another account, where the bus has no room for one more.
    if (round > MAX_ROUNDS) throw noRoomForAccount(directory);
    if (isClosedAt(view.state.bus, directory) && !replaceClosed) throw accountClosed(directory);
    if (!accountAt(view.state.bus, directory)) await registerInTurn(context, { authority, config, signal });
    else if (isUnfinishedAt(view.state.bus, directory)) await finish(context, { authority, config, signal });
    const account = accountAt(view.state.bus, directory);
    if (account) return connectAs(context, authority, account);
  }
}
