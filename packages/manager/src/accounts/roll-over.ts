/** Gives every account of the bus a fresh key. */
import { rollOverAccountKey } from '@certbus/acme';
import type { Account } from '@certbus/events/history';
import { authorityAt } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { recordRolledOver, startRollOver } from '../decide/accounts.ts';
import { accountAt } from '../state/accounts.ts';
import { createSealedAccountKey, openAccountKey } from './account-key.ts';
import { connectAs } from './connect.ts';
import { openAccount } from './open-account.ts';

/** What a roll-over needs. */
export interface RollOverOptions {
  readonly config: Configuration;
  readonly signal: AbortSignal;
}

/** The key to roll over to, in the clear. */
interface NextKey {
  readonly thumbprint: string;
  readonly accountKey: string;
}

async function findNextKey(context: Context, signal: AbortSignal): Promise<NextKey> {
  const fresh = await createSealedAccountKey(context);
  const next = await decide(context, (state) => startRollOver(state, fresh), { signal });
  return { thumbprint: next.thumbprint, accountKey: await openAccountKey(context, next) };
}

async function rollOverOne(
  context: Context,
  { directory, config, signal }: RollOverOptions & { readonly directory: string },
  { thumbprint, accountKey }: NextKey,
): Promise<void> {
  const authority = authorityAt(config, directory);
  // Where the CA took the key in an earlier run, this records it.
  await openAccount(context, authority, { signal });
  const { bus } = context.view.state;
  const account = accountAt(bus, directory);
  if (!account || account.thumbprint === thumbprint) return;
  // Another manager may have ended this roll-over and started the next: the key would be an old one.
  if (bus.nextAccountKey?.thumbprint !== thumbprint) return;
  const ca = await connectAs(context, authority, account);
  await rollOverAccountKey(ca, { newAccountKey: accountKey, signal });
  await decide(context, (state) => recordRolledOver(state, account, thumbprint));
}

/**
 * Gives every account of the bus a fresh key (RFC 8555 section 7.3.5). The key is on the bus before a CA sees it, so the next run
 * completes one that was interrupted. Account URLs stay, and so do CAA records that name them. A CA that fails does not keep the others
 * from it; the first failure is the rejection. Rejects `CERTBUS_MANAGER_ACCOUNT_MISSING`, `CERTBUS_MANAGER_CONFIG_INVALID` for an
 * account at a CA that is not in the configuration any more, or as `rollOverAccountKey` does.
 */
export async function rollOverAccounts(
  context: Context,
  { config, signal }: RollOverOptions,
): Promise<readonly Account[]> {
  const next = await findNextKey(context, signal);
  const failures: unknown[] = [];
  for (const { directory } of context.view.state.bus.accounts) {
    try {
      await rollOverOne(context, { directory, config, signal }, next);
    } catch (error) {
      signal.throwIfAborted();
      context.logger.warn('an account has no fresh key yet', { directory, why: String(error) });
      failures.push(error);
    }
  }
  if (failures.length > 0) throw failures[0];
  return context.view.state.bus.accounts;
}
