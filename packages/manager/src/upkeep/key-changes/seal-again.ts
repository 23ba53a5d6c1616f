/** Seals the configuration and the account keys of a bus to those who can read them behind a change of keys. */
import { EventsError, type Manager, open, type Recipient, seal } from '@certbus/events';
import type { Account, NextAccountKey, WrittenEvent } from '@certbus/events/history';
import { type AccountReaders, readersOf } from '../../accounts/account-key.ts';
import type { Context } from '../../context.ts';

/** What is sealed again, and what this manager could not open. */
export interface SealedAgain {
  readonly events: readonly WrittenEvent[];
  /** What stays sealed to those before, in words: this manager cannot open it, or the commit has no room for it. */
  readonly left: readonly string[];
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

const accountEvent = ({ keyPosition: _, ...account }: Account, sealedKey: string): WrittenEvent => ({
  type: 'AccountRegistered',
  ...account,
  sealedKey,
});
const nextKeyEvent = ({ keyPosition: _, ...next }: NextAccountKey, sealedKey: string): WrittenEvent => ({
  type: 'AccountKeyRollOverStarted',
  ...next,
  sealedKey,
});

/** An account key is 4,000 characters at most, as RSA; what another manager wrote in its place could be anything. */
const MAX_ACCOUNT_KEY = 8_192;

/** What would be written, and what it is in words. */
interface Sealed {
  readonly what: string;
  /** `undefined` where this manager cannot open it, or it cannot be what it is said to be. */
  readonly event: WrittenEvent | undefined;
}

async function sealConfiguration(context: Context, managers: readonly Manager[]): Promise<Sealed[]> {
  const { config } = context.view.state.bus;
  if (!config) return [];
  const readers = managers.map(({ name, recipient }) => ({ name, recipient }));
  const sealed = await sealTo(config.sealed, readers, context);
  const event = sealed === undefined ? undefined : ({ type: 'ConfigUpdated', sealed } as const);
  return [{ what: 'the configuration', event }];
}

async function sealAccountKeys(context: Context, readers: readonly Recipient[]): Promise<Sealed[]> {
  const { accounts, nextAccountKeys } = context.view.state.bus;
  const resealed = (sealedKey: string) => sealTo(sealedKey, readers, context, { most: MAX_ACCOUNT_KEY });
  const sealed: Sealed[] = [];
  for (const account of accounts) {
    const key = await resealed(account.sealedKey);
    const event = key === undefined ? undefined : accountEvent(account, key);
    sealed.push({ what: `the key of ${account.accountUrl}`, event });
  }
  for (const next of nextAccountKeys) {
    const key = await resealed(next.sealedKey);
    const event = key === undefined ? undefined : nextKeyEvent(next, key);
    sealed.push({ what: `the next key of the account at ${next.directory}`, event });
  }
  return sealed;
}

/** Bytes of an event in a commit, with the comma behind it. */
const sizeOf = (event: WrittenEvent | undefined): number => Buffer.byteLength(JSON.stringify(event ?? null)) + 1;

/** What fits into a commit, in order; what does not is left. */
function fit(sealed: readonly Sealed[], bytes: number): SealedAgain {
  const events: WrittenEvent[] = [];
  const left: string[] = [];
  let room = bytes;
  for (const { what, event } of sealed) {
    const size = sizeOf(event);
    if (event && size <= room) {
      events.push(event);
      room -= size;
    } else left.push(what);
  }
  return { events, left };
}

/**
 * The events that belong into the commit of a change: the configuration, and the keys of accounts, which are the same as before and sealed
 * to those who are in force behind it. Nothing where the readers stay the same. `bytes` is the room that the commit has for them: no text on
 * the bus can keep a change of keys from being made. What is small comes first, so that a large one leaves out only itself.
 */
export async function sealAgain(
  context: Context,
  { before, after, bytes }: { readonly before: AccountReaders; readonly after: AccountReaders; readonly bytes: number },
): Promise<SealedAgain> {
  const { replacedAccounts } = context.view.state.bus;
  const config = sameReaders(before.managers, after.managers) ? [] : await sealConfiguration(context, after.managers);
  const [readers, others] = [readersOf(before), readersOf(after)];
  if (sameReaders(readers, others)) return fit(config, bytes);
  const keys = await sealAccountKeys(context, others);
  const { events, left } = fit(
    [...config, ...keys.toSorted((one, other) => sizeOf(one.event) - sizeOf(other.event))],
    bytes,
  );
  // No event says again what such an account is, and it is about to be closed.
  const closing = replacedAccounts.map(
    ({ accountUrl }) => `the key of ${accountUrl}, which is still to be deactivated`,
  );
  return { events, left: [...left, ...closing] };
}
