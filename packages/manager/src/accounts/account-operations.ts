/** What a manager does with the ACME accounts of its bus. */
import type { Account } from '@certbus/events/history';
import { authorityNamed } from '../configuration/certificate-authorities.ts';
import { withConfiguration } from '../configuration/stored-configuration.ts';
import type { Context } from '../context.ts';
import { accountAt } from '../state/accounts.ts';
import { type AccountCandidate, type AdoptionOptions, type AdoptionOutcome, adoptAccounts } from './adoption.ts';
import { closeAccount } from './deactivation.ts';
import { openAccount } from './open-account.ts';
import { type RollOverOptions, rollOverAccounts } from './roll-over-all.ts';

/** Which account. */
export interface AccountOptions {
  /** Name of the authority in the configuration; default its default. */
  readonly authorityName?: string | undefined;
  readonly signal: AbortSignal;
}

/** A manager's operations on accounts. */
export interface AccountOperations {
  /**
   * Registers the bus's account at a CA of the configuration, where there is none yet. Rejects as `issue` does, and with
   * `CERTBUS_MANAGER_CONFIG_INVALID` for a name that is not in the configuration.
   */
  register(options: AccountOptions): Promise<Account>;
  /**
   * Gives every account a fresh key, or with `keysBefore` those whose key is that old; the next run completes one that was interrupted. At
   * a CA that cannot change keys an account keeps its key, or with `replace` another takes its place. Rejects
   * `CERTBUS_MANAGER_ACCOUNT_MISSING`, and `CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED` where an account kept its key.
   */
  rollOverAccounts(options: Omit<RollOverOptions, 'config'>): Promise<readonly Account[]>;
  /**
   * Deactivates the account at a CA, permanently. `forget`: without asking the CA, which is gone; then `authorityName` can also be its
   * directory. Rejects as {@link AccountOperations.register} and `CERTBUS_MANAGER_ACCOUNT_MISSING`.
   */
  closeAccount(options: AccountOptions & { readonly forget?: boolean }): Promise<Account>;
  /** Takes account keys of other ACME clients into use. Rejects as {@link adoptAccounts}. */
  adoptAccounts(candidates: readonly AccountCandidate[], options: AdoptionOptions): Promise<readonly AdoptionOutcome[]>;
}

/** The operations of one manager. */
export function accountOperations(context: Context): AccountOperations {
  const { view } = context;
  return {
    async register(options) {
      const { config, signal, authorityName } = await withConfiguration(context, options);
      const authority = authorityNamed(config, authorityName);
      await openAccount(context, authority, { config, signal, replaceClosed: true });
      return accountAt(view.state.bus, authority.directory) as Account;
    },
    rollOverAccounts: async (options) => rollOverAccounts(context, await withConfiguration(context, options)),
    adoptAccounts: async (candidates, options) =>
      adoptAccounts(context, candidates, await withConfiguration(context, options)),
    async closeAccount(options) {
      const { config, signal, authorityName, forget = false } = await withConfiguration(context, options);
      const isDirectory =
        forget && authorityName !== undefined && accountAt(view.state.bus, authorityName) !== undefined;
      const directory = isDirectory ? authorityName : authorityNamed(config, authorityName).directory;
      return closeAccount(context, { config, signal, directory, forget });
    },
  };
}
