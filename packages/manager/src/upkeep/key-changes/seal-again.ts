/** Seals the configuration and the account keys of a bus to those who can read them behind a change of keys. */
import { EventsError, open, type Recipient, seal } from '@certbus/events';
import type { Account, NextAccountKey, WrittenEvent } from '@certbus/events/history';
import { type AccountReaders, readersOf } from '../../accounts/account-key.ts';
import type { Context } from '../../context.ts';

/** What is sealed again, and what this manager could not open. */
export interface SealedAgain {
  readonly events: readonly WrittenEvent[];
  /** What stays sealed to those before, in words. */
  readonly left: readonly string[];
}

/** The text sealed to others; `undefined` where this manager cannot open it. */
async function sealTo(sealed: string, readers: readonly Recipient[], { key }: Context): Promise<string | undefined> {
  try {
    return await seal(await open(sealed, key.identity), readers);
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

/**
 * The events that belong into the commit of a change: the configuration, and the keys of accounts, which are the same as before and sealed
 * to those who are in force behind it. Nothing where the readers stay the same.
 */
export async function sealAgain(
  context: Context,
  { before, after }: { readonly before: AccountReaders; readonly after: AccountReaders },
): Promise<SealedAgain> {
  const { config, accounts, nextAccountKeys, replacedAccounts } = context.view.state.bus;
  const events: WrittenEvent[] = [];
  const left: string[] = [];
  const add = (what: string, event: WrittenEvent | undefined) => {
    if (event) events.push(event);
    else left.push(what);
  };
  const managers = after.managers.map(({ name, recipient }) => ({ name, recipient }));
  if (config && !sameReaders(before.managers, after.managers)) {
    const sealed = await sealTo(config.sealed, managers, context);
    add('the configuration', sealed === undefined ? undefined : { type: 'ConfigUpdated', sealed });
  }
  if (sameReaders(readersOf(before), readersOf(after))) return { events, left };
  for (const account of accounts) {
    const sealed = await sealTo(account.sealedKey, readersOf(after), context);
    add(`the key of ${account.accountUrl}`, sealed === undefined ? undefined : accountEvent(account, sealed));
  }
  for (const next of nextAccountKeys) {
    const sealed = await sealTo(next.sealedKey, readersOf(after), context);
    add(
      `the next key of the account at ${next.directory}`,
      sealed === undefined ? undefined : nextKeyEvent(next, sealed),
    );
  }
  // No event says again what such an account is, and it is about to be closed.
  for (const { accountUrl } of replacedAccounts)
    left.push(`the key of ${accountUrl}, which is still to be deactivated`);
  return { events, left };
}
