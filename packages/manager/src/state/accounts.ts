/** Which ACME accounts a bus has, which keys are to come for them, and which were given up. */
import type { Account, BusState, NextAccountKey } from '@certbus/events/history';

/** An account key as it is on the bus: sealed, and known by its thumbprint. */
export type AccountKey = Pick<Account, 'thumbprint' | 'sealedKey'>;

/** The bus's account at a CA, by its directory; `undefined` before it is registered. */
export const accountAt = ({ accounts }: BusState, directory: string): Account | undefined =>
  accounts.find((account) => account.directory === directory);

/** The key that is to come for the account at a CA, the first one as well. */
export const nextKeyAt = ({ nextAccountKeys }: BusState, directory: string): NextAccountKey | undefined =>
  nextAccountKeys.find((next) => next.directory === directory);

/** Accounts at a CA in whose place another was registered, and which are still to be deactivated. */
export const replacedAt = ({ replacedAccounts }: BusState, directory: string): readonly Account[] =>
  replacedAccounts.filter((account) => account.directory === directory);

/** Whether a roll-over of the account at a CA, or its replacement, was begun and is not over. */
export const isUnfinishedAt = (bus: BusState, directory: string): boolean =>
  accountAt(bus, directory) !== undefined &&
  (nextKeyAt(bus, directory) !== undefined || replacedAt(bus, directory).length > 0);

/** Whether the bus had an account at a CA and has none any more, so that none is registered unless somebody asks for it. */
export const isClosedAt = (bus: BusState, directory: string): boolean =>
  accountAt(bus, directory) === undefined && bus.closedAccounts.some((closed) => closed.directory === directory);

/** Whether clients answer HTTP-01 for the account with this key without announcement: not while its key is rolled over. */
export function isStateless(bus: BusState, thumbprint: string): boolean {
  const account = bus.accounts.find(({ stateless }) => stateless);
  return account?.thumbprint === thumbprint && nextKeyAt(bus, account.directory) === undefined;
}
