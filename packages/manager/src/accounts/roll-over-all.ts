/** Gives every account of the bus a fresh key. */
import type { Account } from '@certbus/events/history';
import { authorityAt } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { abandonRollOver, startRollOvers } from '../decide/accounts.ts';
import { type AccountKey, accountAt, nextKeyAt } from '../state/accounts.ts';
import { createSealedAccountKey } from './account-key.ts';
import { inTurn } from './in-turn.ts';
import { carryThrough, isKeyChangeUnsupported } from './roll-over.ts';
import { markDefaultAccount } from './stateless.ts';

/** What a roll-over of all accounts needs. */
export interface RollOverOptions {
  readonly config: Configuration;
  readonly signal: AbortSignal;
  /** Where a CA cannot change keys: register another account with the fresh key, and deactivate the one there. Default false. */
  readonly replace?: boolean | undefined;
  /**
   * Gives fresh keys only to accounts whose key was put on the bus before this position, and to all of them, so that it can be repeated:
   * for keys that a manager who has left could open. Default: to all accounts, and where a roll-over was interrupted only that is
   * completed.
   */
  readonly keysBefore?: number | undefined;
}

async function start(context: Context, { signal, keysBefore }: RollOverOptions): Promise<readonly string[]> {
  const fresh = new Map<string, AccountKey>();
  for (const { directory } of context.view.state.bus.accounts)
    fresh.set(directory, await createSealedAccountKey(context));
  return decide(context, (state) => startRollOvers(state, { fresh, keysBefore }), { signal });
}

/** Gives up first keys of accounts that were never registered: others are made when they are. */
async function abandonFirstKeys(context: Context, keysBefore: number): Promise<void> {
  const { bus } = context.view.state;
  for (const { directory, thumbprint, keyPosition } of bus.nextAccountKeys) {
    if (keyPosition >= keysBefore || accountAt(bus, directory)) continue;
    await decide(context, (state) => abandonRollOver(state, directory, thumbprint));
  }
}

async function rollOverOne(context: Context, directory: string, options: RollOverOptions): Promise<void> {
  const { config, signal, replace, keysBefore = 0 } = options;
  const authority = authorityAt(config, directory);
  const through = (how: { readonly replace: boolean | undefined }) =>
    inTurn(context.connections, directory, () => carryThrough(context, { authority, config, signal, ...how }));
  const isStale = (key: { readonly keyPosition: number } | undefined) =>
    key !== undefined && key.keyPosition < keysBefore;
  if (!isStale(nextKeyAt(context.view.state.bus, directory))) return through({ replace });
  // A next key that is too old is not given up before the CA was asked: it may have taken it.
  await through({ replace: false }).catch((error: unknown) => {
    if (!isKeyChangeUnsupported(error)) throw error;
  });
  if (!isStale(accountAt(context.view.state.bus, directory))) return;
  await start(context, options);
  await through({ replace });
}

/**
 * Gives accounts of the bus fresh keys (RFC 8555 section 7.3.5). A key is on the bus before a CA sees it, so the next run completes what
 * was interrupted. Account URLs stay, and so do CAA records that name them, but for accounts that are replaced. A CA that fails does
 * not keep the others from it; the first failure is the rejection. Resolves with all accounts. Rejects
 * `CERTBUS_MANAGER_ACCOUNT_MISSING`, `CERTBUS_MANAGER_CONFIG_INVALID` for an account at a CA that is not in the configuration any more,
 * `CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED` where a CA cannot change keys and `replace` is not set, or as `carryThrough` does.
 */
export async function rollOverAccounts(context: Context, options: RollOverOptions): Promise<readonly Account[]> {
  const { config, signal, keysBefore } = options;
  await markDefaultAccount(context, config, signal);
  if (keysBefore !== undefined) await abandonFirstKeys(context, keysBefore);
  const failures: unknown[] = [];
  for (const directory of await start(context, options)) {
    try {
      await rollOverOne(context, directory, options);
    } catch (error) {
      signal.throwIfAborted();
      context.logger.warn('an account has no fresh key yet', { directory, why: String(error) });
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return context.view.state.bus.accounts;
}
