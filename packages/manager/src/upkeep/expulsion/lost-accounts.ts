/** Registers other accounts in the place of those whose key is of no use any more. */
import { AcmeProblemError, findAccountKey } from '@certbus/acme';
import { EventsError } from '@certbus/events';
import type { Account } from '@certbus/events/history';
import { createSealedAccountKey, openAccountKey } from '../../accounts/account-key.ts';
import { connectWithKey } from '../../accounts/connect.ts';
import { registerWithKey } from '../../accounts/registration.ts';
import { authorityAt } from '../../configuration/certificate-authorities.ts';
import type { Configuration } from '../../configuration/configuration.ts';
import { type Context, decide } from '../../context.ts';
import { abandonRollOver, recordDeactivated, startRollOvers } from '../../decide/accounts.ts';
import { isBusError } from '../../errors.ts';
import { type AccountKey, accountAt, nextKeyAt } from '../../state/accounts.ts';

/** What is needed to look at accounts, and to register others. */
export interface LostAccountOptions {
  readonly config: Configuration;
  /** Only accounts whose key was put on the bus before this position. */
  readonly keysBefore: number;
  readonly signal: AbortSignal;
  /** Hears why an account could not be looked at or replaced; the others are gone on with. */
  readonly onFailed: (error: unknown) => void;
}

/** The key in the clear; `undefined` where it is sealed to others than this manager. */
async function tryOpen(context: Context, key: AccountKey): Promise<string | undefined> {
  try {
    return await openAccountKey(context, key);
  } catch (error) {
    if (error instanceof EventsError && error.code === 'CERTBUS_EVENTS_NOT_OPENED') return undefined;
    throw error;
  }
}

const isConfigured = ({ authorities }: Configuration, directory: string): boolean =>
  Object.values(authorities).some((authority) => authority.directory === directory);

/** Whether nobody who is left can use an account: its key cannot be opened, or is not the one that the CA has. */
async function isLost(context: Context, account: Account, { config, signal }: LostAccountOptions): Promise<boolean> {
  const { directory } = account;
  const accountKey = await tryOpen(context, account);
  if (accountKey === undefined) return true;
  const pending = nextKeyAt(context.view.state.bus, directory);
  const next = pending && (await tryOpen(context, pending));
  const accountKeys = next === undefined ? [accountKey] : [accountKey, next];
  const ca = connectWithKey(context, authorityAt(config, directory), { accountKey });
  // A thief who has an account's key can have changed it at the CA, or closed the account there.
  try {
    return (await findAccountKey(ca, { accountKeys, signal })) === undefined;
  } catch (error) {
    if (error instanceof AcmeProblemError && error.problem.type.endsWith(':unauthorized')) return true;
    throw error;
  }
}

/** Registers another account with a fresh key, unless an interrupted run did. */
async function registerAnother(
  context: Context,
  { directory, accountUrl }: Account,
  { config, keysBefore, signal }: LostAccountOptions,
): Promise<void> {
  const { view } = context;
  if (accountAt(view.state.bus, directory)?.accountUrl !== accountUrl || !isConfigured(config, directory)) return;
  const pending = nextKeyAt(view.state.bus, directory);
  if (pending && pending.keyPosition < keysBefore)
    await decide(context, (state) => abandonRollOver(state, directory, pending.thumbprint), { signal });
  const fresh = new Map([[directory, await createSealedAccountKey(context)]]);
  await decide(context, (state) => startRollOvers(state, { fresh, keysBefore }), { signal });
  const key = nextKeyAt(view.state.bus, directory);
  const authority = authorityAt(config, directory);
  if (key) await registerWithKey(context, { authority, config, signal }, { key, replaces: accountUrl });
}

/**
 * Gives up the accounts whose key nobody who is left can open, or whose CA has another key by now, and registers others in their place. The
 * CA is not told, since without the key it cannot be. Returns those that were given up. It can be run again after an end at any step.
 * Rejects with a `StoreError`.
 */
export async function replaceLostAccounts(context: Context, options: LostAccountOptions): Promise<readonly Account[]> {
  const lost: Account[] = [];
  const { accounts, replacedAccounts } = context.view.state.bus;
  for (const account of [...accounts, ...replacedAccounts]) {
    try {
      if (account.keyPosition >= options.keysBefore || !(await isLost(context, account, options))) continue;
      await registerAnother(context, account, options);
      await decide(context, (state) => recordDeactivated(state, account), { signal: options.signal });
      lost.push(account);
    } catch (error) {
      options.signal.throwIfAborted();
      if (isBusError(error)) throw error;
      // A CA that is down, or that the configuration lacks, holds up the others' keys no longer than that.
      options.onFailed(error);
    }
  }
  return lost;
}
