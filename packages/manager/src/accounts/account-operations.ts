/** What a manager does with the ACME accounts of its bus. */
import type { Account } from '@certbus/events/history';
import { authorityNamed } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { withConfiguration } from '../configuration/stored-configuration.ts';
import type { Context } from '../context.ts';
import { accountMissing } from '../errors.ts';
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

/** Which account is deactivated, and how. */
export interface CloseAccountOptions extends AccountOptions {
  /** Without asking the CA, which is gone; then `authorityName` can also be its directory. Default false. */
  readonly forget?: boolean;
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
  /** The account that {@link AccountOperations.closeAccount} would deactivate. Rejects as that does before the CA is asked. */
  accountToClose(options: CloseAccountOptions): Promise<Account>;
  /**
   * Deactivates the account at a CA, permanently. Rejects as {@link AccountOperations.register} and `CERTBUS_MANAGER_ACCOUNT_MISSING`.
   */
  closeAccount(options: CloseAccountOptions): Promise<Account>;
  /** Takes account keys of other ACME clients into use. Rejects as {@link adoptAccounts}. */
  adoptAccounts(candidates: readonly AccountCandidate[], options: AdoptionOptions): Promise<readonly AdoptionOutcome[]>;
}

/** The operations of one manager. */
export function accountOperations(context: Context): AccountOperations {
  const { view } = context;

  function directoryToClose({
    config,
    authorityName,
    forget,
  }: CloseAccountOptions & { readonly config: Configuration }) {
    const isDirectory = forget && authorityName !== undefined && accountAt(view.state.bus, authorityName);
    return isDirectory ? authorityName : authorityNamed(config, authorityName).directory;
  }

  function accountOf(directory: string): Account {
    const account = accountAt(view.state.bus, directory);
    if (!account) throw accountMissing(`at ${directory}`);
    return account;
  }

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
    async accountToClose(options) {
      const configured = await withConfiguration(context, options);
      return accountOf(directoryToClose(configured));
    },
    async closeAccount(options) {
      const configured = await withConfiguration(context, options);
      const { config, signal, forget = false } = configured;
      return closeAccount(context, { config, signal, directory: directoryToClose(configured), forget });
    },
  };
}
