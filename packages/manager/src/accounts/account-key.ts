/** Makes, seals and opens the keys of ACME accounts. */
import { accountThumbprint, generateAccountKey } from '@certbus/acme';
import { open, type Recipient, seal } from '@certbus/events';
import type { Checkpoint } from '@certbus/events/history';
import type { Context } from '../context.ts';
import type { AccountKey } from '../state/accounts.ts';
import type { Connections } from './connections.ts';

/** Name of the recipient to whom account keys are sealed besides the managers. */
const BACKUP = 'backup';

/** Who is in force, of those to whom account keys are sealed. */
export type AccountReaders = Pick<Checkpoint, 'managers' | 'recipients'>;

/** To whom account keys are sealed: the managers and the backup. */
export function readersOf({ managers, recipients }: AccountReaders): Recipient[] {
  const backup = recipients.filter(({ name }) => name === BACKUP);
  return [...managers.map(({ name, recipient }) => ({ name, recipient })), ...backup];
}

/** Seals an account key to the managers and to the backup. */
export async function sealAccountKey(context: Context, accountKey: string): Promise<AccountKey> {
  return {
    thumbprint: accountThumbprint(accountKey),
    sealedKey: await seal(accountKey, readersOf(context.view.checkpoint)),
  };
}

/** Generates an account key, sealed as {@link sealAccountKey} does. */
export async function createSealedAccountKey(context: Context): Promise<AccountKey> {
  return sealAccountKey(context, await generateAccountKey());
}

/** What each manager has opened: every order asks for its account, whose connection has the key in memory anyway. */
const opened = new WeakMap<Connections, Map<string, string>>();

/** The account key in the clear. Rejects as `open` of `@certbus/events` does. */
export async function openAccountKey(
  { connections, key }: Pick<Context, 'connections' | 'key'>,
  { sealedKey }: AccountKey,
): Promise<string> {
  const known = opened.get(connections) ?? new Map<string, string>();
  opened.set(connections, known);
  const accountKey = known.get(sealedKey) ?? (await open(sealedKey, key.identity));
  known.set(sealedKey, accountKey);
  return accountKey;
}
