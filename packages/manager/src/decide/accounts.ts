/** Decides what the bus records of its ACME accounts and of their keys. */
import type { EventOf } from '@certbus/events';
import type { Account, WrittenEvent } from '@certbus/events/history';
import type { Decision } from '@certbus/store';
import { accountMissing } from '../errors.ts';
import { type AccountKey, accountAt, isUnfinishedAt, nextKeyAt, replacedAt } from '../state/accounts.ts';
import type { ManagerState } from '../state/state.ts';

type State = Pick<ManagerState, 'bus'>;

/** Which account at which CA. */
type AccountPlace = Pick<Account, 'directory' | 'accountUrl'>;

const nothing: Decision<void> = { events: [], result: undefined };

const started = (directory: string, { thumbprint, sealedKey }: AccountKey): WrittenEvent => {
  return { type: 'AccountKeyRollOverStarted', directory, thumbprint, sealedKey };
};

/** Puts the first key of an account on the bus, unless one is there. The result is the key that counts. */
export function proposeFirstKey({ bus }: State, directory: string, fresh: AccountKey): Decision<AccountKey> {
  const known = accountAt(bus, directory) ?? nextKeyAt(bus, directory);
  return known ? { events: [], result: known } : { events: [started(directory, fresh)], result: fresh };
}

/** Which accounts get a fresh key. */
export interface RollOverStart {
  /** A key for each account, by its directory; those of accounts that get none are not used. */
  readonly fresh: ReadonlyMap<string, AccountKey>;
  /**
   * Only accounts whose key was put on the bus before this position. Default: all, or none where a roll-over was interrupted, which is
   * completed alone.
   */
  readonly keysBefore?: number | undefined;
}

/**
 * Puts the next keys of accounts on the bus. The result is the directories whose roll-over is to be carried through: of these accounts, and
 * of those where it was interrupted. Throws `CERTBUS_MANAGER_ACCOUNT_MISSING`.
 */
export function startRollOvers({ bus }: State, { fresh, keysBefore }: RollOverStart): Decision<readonly string[]> {
  const { accounts } = bus;
  if (accounts.length === 0) throw accountMissing('whose key could be rolled over');
  const unfinished = accounts.filter(({ directory }) => isUnfinishedAt(bus, directory));
  const isDue = ({ directory, keyPosition }: Account) =>
    keysBefore === undefined ? unfinished.length === 0 : keyPosition < keysBefore && !nextKeyAt(bus, directory);
  const due = accounts.filter(isDue).flatMap(({ directory }) => {
    const key = fresh.get(directory);
    return key ? { directory, key } : [];
  });
  const directories = [...unfinished, ...due].map(({ directory }) => directory);
  return { events: due.map(({ directory, key }) => started(directory, key)), result: [...new Set(directories)] };
}

/** Records that the next key of an account is given up, unless the CA is known to have it, or another key is to come by now. */
export function abandonRollOver({ bus }: State, directory: string, thumbprint: string): Decision<void> {
  if (nextKeyAt(bus, directory)?.thumbprint !== thumbprint) return nothing;
  return { events: [{ type: 'AccountKeyRollOverAbandoned', directory, thumbprint }], result: undefined };
}

/**
 * Records an account that a CA registered with the key that was to come for it, in the place of the account `replaces` where that is
 * given. Where another manager registered one first, that one counts.
 */
export function recordRegistered(
  { bus }: State,
  account: Omit<EventOf<'AccountRegistered'>, 'type'>,
  replaces?: string,
): Decision<void> {
  const known = accountAt(bus, account.directory);
  const isFirst = known?.accountUrl === replaces && known?.accountUrl !== account.accountUrl;
  const isTheKey = nextKeyAt(bus, account.directory)?.thumbprint === account.thumbprint;
  if (!isFirst || !isTheKey) return nothing;
  return { events: [{ type: 'AccountRegistered', ...account }], result: undefined };
}

/**
 * Records that a CA took a key in the place of an account's, unless another manager recorded it first. A key that was given up meanwhile
 * counts all the same: the CA has it.
 */
export function recordRolledOver({ bus }: State, from: Account, to: AccountKey): Decision<void> {
  const { directory, accountUrl } = from;
  const known = accountAt(bus, directory);
  // By now the roll-over can be over and the next one started, with a key that this CA does not know.
  if (known?.accountUrl !== accountUrl || known.thumbprint !== from.thumbprint) return nothing;
  const { thumbprint, sealedKey } = to;
  return {
    events: [{ type: 'AccountKeyRolledOver', directory, accountUrl, thumbprint, sealedKey }],
    result: undefined,
  };
}

/** Records that an account was deactivated, unless it is closed already. */
export function recordDeactivated({ bus }: State, account: AccountPlace & Pick<Account, 'thumbprint'>): Decision<void> {
  const { directory, accountUrl, thumbprint } = account;
  const known = [accountAt(bus, directory), ...replacedAt(bus, directory)];
  if (!known.some((each) => each?.accountUrl === accountUrl)) return nothing;
  return { events: [{ type: 'AccountDeactivated', directory, accountUrl, thumbprint }], result: undefined };
}

/** Has clients answer HTTP-01 without announcement for the account at the default CA of the configuration of a position. */
export function markStateless(
  { bus }: State,
  { directory, configPosition }: { readonly directory: string; readonly configPosition: number },
): Decision<void> {
  const account = accountAt(bus, directory);
  // Of two managers, the one that has not read the newest configuration must not move the mark back.
  if (!account || account.stateless || bus.config?.position !== configPosition) return nothing;
  const { keyPosition: _, sealedPosition: __, ...registered } = account;
  return { events: [{ type: 'AccountRegistered', ...registered, stateless: true }], result: undefined };
}
