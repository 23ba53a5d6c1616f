/** Lists what those who leave a bus could read: sealing it again takes nothing from what they know. */
import { EventsError, type Recipient } from '@certbus/events';
import type { BusState } from '@certbus/events/history';
import { readersOf } from '../../accounts/account-key.ts';
import { type SecretPlace, secretPlaces } from '../../configuration/redaction.ts';
import { readConfiguration } from '../../configuration/stored-configuration.ts';
import type { Context } from '../../context.ts';
import type { ChangeOfReaders } from './seal-again.ts';

/** What somebody who left could read. */
export interface Exposure {
  /** Secrets of the configuration: change each where it comes from, and then in the configuration. */
  readonly secrets: readonly SecretPlace[];
  /** URLs of the ACME accounts whose key could be opened: "certbus account rollover" gives them other keys. */
  readonly accounts: readonly string[];
}

const someLeft = (before: readonly Recipient[], after: readonly Recipient[]): boolean =>
  before.some(({ recipient }) => after.every((each) => each.recipient !== recipient));

/** The JSON of the configuration; `undefined` where there is none, or this manager cannot open it. */
async function tryRead(context: Context): Promise<unknown> {
  try {
    return (await readConfiguration(context))?.json;
  } catch (error) {
    if (error instanceof EventsError && error.code === 'CERTBUS_EVENTS_NOT_OPENED') return undefined;
    throw error;
  }
}

/** URLs of the accounts whose key those could open who are in force before a change and not behind it. */
export function exposedAccounts(
  { accounts, replacedAccounts }: BusState,
  { before, after }: ChangeOfReaders,
): readonly string[] {
  const haveLeft = someLeft(readersOf(before), readersOf(after));
  return haveLeft ? [...accounts, ...replacedAccounts].map(({ accountUrl }) => accountUrl) : [];
}

/** What those could read who are in force before a change and not behind it. */
export async function findExposure(context: Context, change: ChangeOfReaders): Promise<Exposure> {
  const { before, after } = change;
  return {
    secrets: someLeft(before.managers, after.managers) ? secretPlaces(await tryRead(context)) : [],
    accounts: exposedAccounts(context.view.state.bus, change),
  };
}
