/** Does what an expulsion needs besides its event: fresh account keys, and the configuration sealed to those who are left. */
import { EventsError } from '@certbus/events';
import type { Account } from '@certbus/events/history';
import { rollOverAccounts } from '../../accounts/roll-over-all.ts';
import { type SecretPlace, secretPlaces } from '../../configuration/redaction.ts';
import {
  readConfiguration,
  requireConfiguration,
  type StoredConfiguration,
  writeConfiguration,
} from '../../configuration/stored-configuration.ts';
import { type Context, refresh } from '../../context.ts';
import { ManagerError } from '../../errors.ts';
import { replaceLostAccounts } from './lost-accounts.ts';
import { findTraces, type SuspectCertificate } from './plan.ts';

/** What was done, and what is left to do by hand. */
export interface CompletedExpulsion {
  /** Position of the configuration that is sealed to those who are left; `undefined` where the bus has none. */
  readonly configuration: number | undefined;
  /** The accounts, with keys that no expelled manager has had. */
  readonly accounts: readonly Account[];
  /** Accounts that were given up without telling the CA, since nobody who is left has their key: have the CA close them. */
  readonly lostAccounts: readonly Pick<Account, 'directory' | 'accountUrl'>[];
  /** Secrets that an expelled manager could read: change them where they come from, and then in the configuration. */
  readonly secrets: readonly SecretPlace[];
  /**
   * Leaves that have not ended and were not revoked, and whose private keys an expelled manager may have; also where they were replaced long
   * ago, or their certificate was removed. Revoke each by its serial number, which replaces it first where it is served.
   */
  readonly certificates: readonly SuspectCertificate[];
}

function unreadable(cause: EventsError): ManagerError {
  const what =
    'The configuration on the bus is sealed to managers who are not left, so this one cannot read it. Replace it with "certbus conf update < FILE", from a file that has every secret, and run this again.';
  return new ManagerError('CERTBUS_MANAGER_CONFIG_UNREADABLE', what, { cause });
}

async function readOwn(context: Context): Promise<StoredConfiguration | undefined> {
  try {
    return await readConfiguration(context);
  } catch (error) {
    throw error instanceof EventsError && error.code === 'CERTBUS_EVENTS_NOT_OPENED' ? unreadable(error) : error;
  }
}

/** Seals the configuration to the managers who are left, unless that was done since. Returns it. */
async function resealConfiguration(
  context: Context,
  { since, signal }: { readonly since: number; readonly signal: AbortSignal },
): Promise<StoredConfiguration | undefined> {
  for (;;) {
    const stored = await readOwn(context);
    if (!stored || stored.position > since) return stored;
    try {
      await writeConfiguration(context, stored.json, { expectPosition: stored.position, signal });
    } catch (error) {
      // Another manager was faster.
      if (!(error instanceof ManagerError) || error.code !== 'CERTBUS_MANAGER_CONFIG_CHANGED') throw error;
    }
  }
}

async function renewAccountKeys(
  context: Context,
  { since, signal }: { readonly since: number; readonly signal: AbortSignal },
): Promise<readonly Account[]> {
  if (context.view.state.bus.accounts.length === 0) return [];
  const config = await requireConfiguration(context);
  const options = { config, keysBefore: since, signal };
  const failures: unknown[] = [];
  const lost = await replaceLostAccounts(context, { ...options, onFailed: (error) => failures.push(error) });
  await rollOverAccounts(context, { ...options, replace: true });
  if (failures.length > 0) throw failures[0];
  return lost;
}

/**
 * Does what the expulsions of a bus need besides their events; what was done already is not done again, so that it can be run until it
 * resolves. Rejects `CERTBUS_MANAGER_CONFIG_UNREADABLE`, `CERTBUS_MANAGER_CONFIG_MISSING` where accounts are there but no configuration
 * says how to reach their CAs, as `rollOverAccounts` does, with a `HistoryError` and with a `StoreError`.
 */
export async function completeExpulsion(
  context: Context,
  { signal }: { readonly signal: AbortSignal },
): Promise<CompletedExpulsion> {
  await refresh(context, { signal });
  const { expelled } = context.view.checkpoint;
  const since = Math.max(0, ...expelled.map(({ position }) => position));
  const configuration = await resealConfiguration(context, { since, signal });
  const lostAccounts = await renewAccountKeys(context, { since, signal });
  const { certificates } = await findTraces(context.bus, { expelled, signal });
  return {
    configuration: configuration?.position,
    accounts: context.view.state.bus.accounts,
    lostAccounts: lostAccounts.map(({ directory, accountUrl }) => ({ directory, accountUrl })),
    secrets: secretPlaces(configuration?.json),
    certificates: certificates.filter(({ notAfter }) => Date.parse(notAfter) > context.now().getTime()),
  };
}
