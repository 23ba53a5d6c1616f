/** Seals the configuration and the account keys of a bus to those who can read them behind a change of keys. */
import { EventsError, type Manager, open, type Recipient, seal } from '@certbus/events';
import type { Account, BusState, NextAccountKey, PlacedKey, WrittenEvent } from '@certbus/events/history';
import { type AccountReaders, readersOf } from '../../accounts/account-key.ts';
import type { Context } from '../../context.ts';

/** A change of who can read account keys, and what is sealed to recipients. */
export interface ChangeOfReaders {
  readonly before: AccountReaders;
  readonly after: AccountReaders;
}

/** The text sealed to others; `undefined` where this manager cannot open it, or it has more than so many characters. */
async function sealTo(
  sealed: string,
  readers: readonly Recipient[],
  { key }: Context,
  { most = Number.POSITIVE_INFINITY }: { readonly most?: number } = {},
): Promise<string | undefined> {
  try {
    const text = await open(sealed, key.identity);
    return text.length > most ? undefined : await seal(text, readers);
  } catch (error) {
    if (error instanceof EventsError && error.code === 'CERTBUS_EVENTS_NOT_OPENED') return undefined;
    throw error;
  }
}

const sameReaders = (one: readonly Recipient[], other: readonly Recipient[]): boolean => {
  const textOf = (list: readonly Recipient[]) =>
    list
      .map(({ recipient }) => recipient)
      .sort()
      .join(' ');
  return textOf(one) === textOf(other);
};

const accountEvent = (
  { keyPosition: _, sealedPosition: __, ...account }: Account,
  sealedKey: string,
): WrittenEvent => ({
  type: 'AccountRegistered',
  ...account,
  sealedKey,
});
const nextKeyEvent = (
  { keyPosition: _, sealedPosition: __, ...next }: NextAccountKey,
  sealedKey: string,
): WrittenEvent => ({
  type: 'AccountKeyRollOverStarted',
  ...next,
  sealedKey,
});

/** An account key is 4,000 characters at most, as RSA; what another manager wrote in its place could be anything. */
const MAX_ACCOUNT_KEY = 8_192;

/** The event with a text sealed again; `undefined` where this manager cannot open it, or it cannot be what it is said to be. */
type Sealed = WrittenEvent | undefined;

async function sealConfiguration(context: Context, managers: readonly Manager[]): Promise<Sealed> {
  const { config } = context.view.state.bus;
  if (!config) return undefined;
  const readers = managers.map(({ name, recipient }) => ({ name, recipient }));
  const sealed = await sealTo(config.sealed, readers, context);
  return sealed === undefined ? undefined : { type: 'ConfigUpdated', sealed };
}

async function sealAccountKeys(context: Context, readers: readonly Recipient[]): Promise<Sealed[]> {
  const { accounts, nextAccountKeys } = context.view.state.bus;
  const resealed = (sealedKey: string) => sealTo(sealedKey, readers, context, { most: MAX_ACCOUNT_KEY });
  const sealed: Sealed[] = [];
  for (const account of accounts) {
    const key = await resealed(account.sealedKey);
    sealed.push(key === undefined ? undefined : accountEvent(account, key));
  }
  for (const next of nextAccountKeys) {
    const key = await resealed(next.sealedKey);
    sealed.push(key === undefined ? undefined : nextKeyEvent(next, key));
  }
  return sealed;
}

/** Bytes of an event in a commit, with the comma behind it. */
const sizeOf = (event: WrittenEvent): number => Buffer.byteLength(JSON.stringify(event)) + 1;

/** What fits into a commit, in order. */
function fit(sealed: readonly WrittenEvent[], bytes: number): readonly WrittenEvent[] {
  let room = bytes;
  return sealed.filter((event) => {
    const size = sizeOf(event);
    if (size > room) return false;
    room -= size;
    return true;
  });
}

const isSealed = (event: Sealed): event is WrittenEvent => event !== undefined;

/**
 * The events that belong into the commit of a change: the configuration, and the keys of accounts, which are the same as before and sealed
 * to those who are in force behind it. Nothing where the readers stay the same. `bytes` is the room that the commit has for them: no text on
 * the bus can keep a change of keys from being made. What is small comes first, so that a large one leaves out only itself; {@link stillSealed}
 * lists what was left out.
 */
export async function sealAgain(
  context: Context,
  { before, after, bytes }: ChangeOfReaders & { readonly bytes: number },
): Promise<readonly WrittenEvent[]> {
  const config = sameReaders(before.managers, after.managers)
    ? undefined
    : await sealConfiguration(context, after.managers);
  const others = readersOf(after);
  const keys = sameReaders(readersOf(before), others) ? [] : await sealAccountKeys(context, others);
  const small = keys.filter(isSealed).toSorted((one, other) => sizeOf(one) - sizeOf(other));
  return fit([config, ...small].filter(isSealed), bytes);
}

/**
 * What is still sealed to those before a change, in words, as the bus shows it: nobody sealed it again in the commit of the change or since. So a
 * process that repeats an append behind which another one ended lists the same. `position` is that of the last commit of the change.
 */
export function stillSealed(
  { config, accounts, nextAccountKeys, replacedAccounts }: BusState,
  { before, after, position }: ChangeOfReaders & { readonly position: number },
): readonly string[] {
  const isOld = ({ keyPosition, sealedPosition = keyPosition }: PlacedKey) => sealedPosition < position;
  const isOfOthers = !sameReaders(before.managers, after.managers) && config !== undefined;
  const configuration = isOfOthers && config.position < position ? ['the configuration'] : [];
  if (sameReaders(readersOf(before), readersOf(after))) return configuration;
  return [
    ...configuration,
    ...accounts.filter(isOld).map(({ accountUrl }) => `the key of ${accountUrl}`),
    ...nextAccountKeys.filter(isOld).map(({ directory }) => `the next key of the account at ${directory}`),
    // No event says again what such an account is, and it is about to be closed.
    ...replacedAccounts
      .filter(isOld)
      .map(({ accountUrl }) => `the key of ${accountUrl}, which is still to be deactivated`),
  ];
}
