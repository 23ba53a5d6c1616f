/** Carries the roll-over of one account through, or gives it up where the CA cannot change keys. */
import { AcmeError, findAccountKey, rollOverAccountKey } from '@certbus/acme';
import type { Account } from '@certbus/events/history';
import { type Context, decide } from '../context.ts';
import { abandonRollOver, recordRolledOver } from '../decide/accounts.ts';
import { accountAt, nextKeyAt } from '../state/accounts.ts';
import { openAccountKey } from './account-key.ts';
import { connectAs } from './connect.ts';
import { type RegistrationOptions, registerWithKey } from './registration.ts';
import { retireReplaced } from './replacement.ts';

/** How the roll-over of one account is carried through. */
export interface CarryThroughOptions extends RegistrationOptions {
  /** Where the CA cannot change keys: register another account with the next key, and deactivate this one. Default false. */
  readonly replace?: boolean | undefined;
}

/** Whether a CA has no key change, so that trying again is of no use. */
export const isKeyChangeUnsupported = (error: unknown): error is AcmeError =>
  error instanceof AcmeError && error.code === 'CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED';

function keyKept({ accountUrl }: Account, cause: AcmeError): AcmeError {
  const what = `${cause.message} The next key was given up. To change it all the same, "certbus account rollover --replace" registers another account there and deactivates ${accountUrl}; CAA and dns-persist-01 records that name this URL have to name the new one then.`;
  return new AcmeError('CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED', what, { cause });
}

/** Asks the CA which key the account has, has it take the next one where it has not, and records what came of it. */
async function completeRollOver(context: Context, options: CarryThroughOptions): Promise<void> {
  const { authority, signal, replace = false } = options;
  const { bus } = context.view.state;
  const [account, key] = [accountAt(bus, authority.directory), nextKeyAt(bus, authority.directory)];
  if (!account || !key) return;
  const newAccountKey = await openAccountKey(context, key);
  const ca = await connectAs(context, authority, account);
  const { accountUrl } = account;
  const found = await findAccountKey(ca, { accountKeys: [newAccountKey], signal });
  // The next key belongs to another account only where that was registered in the place of this one, and not yet recorded.
  if (found && found.url !== accountUrl) return registerWithKey(context, options, { key, replaces: accountUrl });
  try {
    if (!found) await rollOverAccountKey(ca, { newAccountKey, signal });
  } catch (error) {
    if (!isKeyChangeUnsupported(error)) throw error;
    if (replace) return registerWithKey(context, options, { key, replaces: accountUrl });
    await decide(context, (state) => abandonRollOver(state, authority.directory, key.thumbprint));
    throw keyKept(account, error);
  }
  await decide(context, (state) => recordRolledOver(state, account, key));
}

/**
 * Completes what was begun with the account at a CA: its roll-over, or its replacement. It can be repeated after an end at any step, and
 * by several managers at once. Rejects `CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED` once the next key was given up, or as `rollOverAccountKey`,
 * `registerAccount` and `deactivateAccount` do.
 */
export async function carryThrough(context: Context, options: CarryThroughOptions): Promise<void> {
  await completeRollOver(context, options);
  await retireReplaced(context, options.authority, options.signal);
}
