/** Deactivates the bus's account at a CA. */
import { deactivateAccount } from '@certbus/acme';
import type { Account } from '@certbus/events/history';
import { authorityAt } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { recordDeactivated } from '../decide/accounts.ts';
import { accountMissing } from '../errors.ts';
import { accountAt } from '../state/accounts.ts';
import { openAccount } from './open-account.ts';

/** Which account is given up. */
export interface DeactivationOptions {
  readonly config: Configuration;
  readonly directory: string;
  /** Record it on the bus alone, since the CA is gone or not in the configuration any more. */
  readonly forget: boolean;
  readonly signal: AbortSignal;
}

/**
 * Deactivates the account at a CA, permanently (RFC 8555 section 7.3.6); its certificates stay valid and served. A roll-over does not
 * wait for it any longer. Rejects `CERTBUS_MANAGER_ACCOUNT_MISSING`, or as `deactivateAccount` does.
 */
export async function closeAccount(
  context: Context,
  { config, signal, directory, forget }: DeactivationOptions,
): Promise<Account> {
  const find = () => accountAt(context.view.state.bus, directory);
  if (!find()) throw accountMissing(`at ${directory}`);
  const ca = forget ? undefined : await openAccount(context, authorityAt(config, directory), { config, signal });
  // What an earlier run began may have put another in its place.
  const account = find();
  if (!account) throw accountMissing(`at ${directory}`);
  if (ca) await deactivateAccount(ca, { signal });
  await decide(context, (state) => recordDeactivated(state, account));
  return account;
}
