import { accountThumbprint, deactivateAccount, generateAccountKey, rollOverAccountKey } from '@certbus/acme';
import { open } from '@certbus/events';
import type { Account } from '@certbus/events/history';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { ManagerError } from '../errors.ts';
import { accountAt, authorityOf, connectAs, openAuthority, sayRolledOver, sealAccountKey } from './account.ts';

/** What a change of accounts needs. */
export interface AccountChange {
  readonly config: Configuration;
  readonly signal: AbortSignal;
}

function noAccount(where: string): ManagerError {
  const what = `The bus has no account ${where}. "certbus account register" makes one; "certbus account ls" lists them.`;
  return new ManagerError('CERTBUS_MANAGER_ACCOUNT_MISSING', what);
}

/** Puts the next account key on the bus, or finds the one that an interrupted roll-over put there. */
async function startRollOver(
  context: Context,
  signal: AbortSignal,
): Promise<{ thumbprint: string; accountKey: string }> {
  const fresh = await generateAccountKey();
  const offered = { thumbprint: accountThumbprint(fresh), sealedKey: await sealAccountKey(context, fresh) };
  const next = await decide(
    context,
    ({ bus }) => {
      if (bus.accounts.length === 0) throw noAccount('whose key could be rolled over');
      if (bus.nextAccountKey) return { events: [], result: bus.nextAccountKey };
      return { events: [{ type: 'AccountKeyRollOverStarted', ...offered }], result: offered };
    },
    { signal },
  );
  return { thumbprint: next.thumbprint, accountKey: await open(next.sealedKey, context.key.identity) };
}

async function rollOverOne(
  context: Context,
  { directory, config, signal }: AccountChange & { readonly directory: string },
  { thumbprint, accountKey }: { readonly thumbprint: string; readonly accountKey: string },
): Promise<void> {
  const authority = authorityOf(config, directory);
  // Where the CA took the key in an earlier run, this says so.
  await openAuthority(context, authority, { signal });
  const { bus } = context.view.state;
  const account = accountAt(bus, directory);
  if (!account || account.thumbprint === thumbprint) return;
  // Another manager has brought this roll-over to its end, and may have made the next: the key would be an old one.
  if (bus.nextAccountKey?.thumbprint !== thumbprint) return;
  const ca = await connectAs(context, authority, account);
  await rollOverAccountKey(ca, { newAccountKey: accountKey, signal });
  await sayRolledOver(context, account, thumbprint);
}

/**
 * Gives every account of the bus a fresh key (RFC 8555 section 7.3.5). The key lies on the bus before a CA hears of it, so that a run
 * that was interrupted anywhere is completed by the next. Account URLs stay, and so do CAA records that name them. A CA that fails
 * keeps no other from it; the first failure is the rejection. Rejects `CERTBUS_MANAGER_ACCOUNT_MISSING`,
 * `CERTBUS_MANAGER_CONFIG_INVALID` for an account at a CA that the configuration has no more, or as `rollOverAccountKey` does.
 */
export async function rollOverAccounts(
  context: Context,
  { config, signal }: AccountChange,
): Promise<readonly Account[]> {
  const next = await startRollOver(context, signal);
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

/** Which account is given up. */
export interface AccountClosing extends AccountChange {
  readonly directory: string;
  /** Say so on the bus alone, since the CA is gone or no longer in the configuration. */
  readonly forget: boolean;
}

/**
 * Deactivates the account at a CA, for ever (RFC 8555 section 7.3.6); its certificates stay valid and served. A roll-over waits for it
 * no longer. Rejects `CERTBUS_MANAGER_ACCOUNT_MISSING`, or as `deactivateAccount` does.
 */
export async function closeAccount(
  context: Context,
  { config, signal, directory, forget }: AccountClosing,
): Promise<Account> {
  const account = accountAt(context.view.state.bus, directory);
  if (!account) throw noAccount(`at ${directory}`);
  if (!forget) {
    const ca = await openAuthority(context, authorityOf(config, directory), { signal });
    await deactivateAccount(ca, { signal });
  }
  const { accountUrl, thumbprint } = account;
  await decide(context, ({ bus }) => {
    const isOpen = accountAt(bus, directory)?.accountUrl === accountUrl;
    const event = { type: 'AccountDeactivated' as const, directory, accountUrl, thumbprint };
    return { events: isOpen ? [event] : [], result: undefined };
  });
  return account;
}
