/** Which ACME accounts a bus has, which were deactivated, and the key that they share. */
import type { Account, BusState } from '@certbus/events/history';

/** An account key as it is on the bus: sealed, and known by its thumbprint. */
export type AccountKey = Pick<Account, 'thumbprint' | 'sealedKey'>;

/** The bus's account at a CA, by its directory; `undefined` before it is registered. */
export const accountAt = ({ accounts }: BusState, directory: string): Account | undefined =>
  accounts.find((account) => account.directory === directory);

/** The key that every account has or will have: one a bus, so that its thumbprint answers HTTP-01 for each of them. */
export const sharedKeyOf = ({ nextAccountKey, accounts }: BusState): AccountKey | undefined =>
  nextAccountKey ?? accounts.at(-1);

const closedAt = ({ closedAccounts }: BusState, directory: string) =>
  closedAccounts.filter((closed) => closed.directory === directory);

/** Whether the bus had an account at a CA and has none any more, so that none is registered unless somebody asks for it. */
export const isClosedAt = (bus: BusState, directory: string): boolean =>
  accountAt(bus, directory) === undefined && closedAt(bus, directory).length > 0;

/** Whether the shared key belonged to an account at this CA that was deactivated: the CA takes it for no other account. */
export const isKeySpentAt = (bus: BusState, directory: string): boolean =>
  closedAt(bus, directory).some(({ thumbprint }) => thumbprint === sharedKeyOf(bus)?.thumbprint);
