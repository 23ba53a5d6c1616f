/** Decides what the bus records of its ACME accounts and of the key that they share. */
import type { Account } from '@certbus/events/history';
import type { Decision } from '@certbus/store';
import { accountMissing } from '../errors.ts';
import { type AccountKey, accountAt, sharedKeyOf } from '../state/accounts.ts';
import type { ManagerState } from '../state/state.ts';

type State = Pick<ManagerState, 'bus'>;

const nothing: Decision<void> = { events: [], result: undefined };

/** Puts a key for every account on the bus, unless there is one. The result is the key that counts. */
export function shareAccountKey({ bus }: State, fresh: AccountKey): Decision<AccountKey> {
  const shared = sharedKeyOf(bus);
  if (shared) return { events: [], result: shared };
  return { events: [{ type: 'AccountKeyRollOverStarted', ...fresh }], result: fresh };
}

/**
 * Puts the next account key on the bus, unless an interrupted roll-over did. The result is the key to roll over to. Throws
 * `CERTBUS_MANAGER_ACCOUNT_MISSING`.
 */
export function startRollOver({ bus }: State, fresh: AccountKey): Decision<AccountKey> {
  if (bus.accounts.length === 0) throw accountMissing('whose key could be rolled over');
  if (bus.nextAccountKey) return { events: [], result: bus.nextAccountKey };
  return { events: [{ type: 'AccountKeyRollOverStarted', ...fresh }], result: fresh };
}

/** Records an account that a CA registered. Where another manager registered one first, that one counts. */
export function recordRegistered({ bus }: State, account: Account): Decision<void> {
  const isKnown = accountAt(bus, account.directory) !== undefined;
  const isSameKey = (sharedKeyOf(bus)?.thumbprint ?? account.thumbprint) === account.thumbprint;
  if (isKnown || !isSameKey) return nothing;
  return { events: [{ type: 'AccountRegistered', ...account }], result: undefined };
}

/** Records that a CA took the next key for an account, by the key's thumbprint, unless another manager recorded it first. */
export function recordRolledOver(
  { bus }: State,
  { directory, accountUrl }: Pick<Account, 'directory' | 'accountUrl'>,
  thumbprint: string,
): Decision<void> {
  const { nextAccountKey } = bus;
  // By now the roll-over can be over and the next one started, with a key that this CA does not know.
  if (nextAccountKey?.thumbprint !== thumbprint) return nothing;
  if (accountAt(bus, directory)?.thumbprint === thumbprint) return nothing;
  return { events: [{ type: 'AccountKeyRolledOver', directory, accountUrl, ...nextAccountKey }], result: undefined };
}

/** Records that an account was deactivated, unless it is closed already. */
export function recordDeactivated({ bus }: State, account: Account): Decision<void> {
  const { directory, accountUrl, thumbprint } = account;
  if (accountAt(bus, directory)?.accountUrl !== accountUrl) return nothing;
  return { events: [{ type: 'AccountDeactivated', directory, accountUrl, thumbprint }], result: undefined };
}
