/** Connects to a CA with the bus's account, whatever state that account is in. */
import { type Acme, findAccountKey } from '@certbus/acme';
import type { Account } from '@certbus/events/history';
import type { CertificateAuthority } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { recordRolledOver } from '../decide/accounts.ts';
import { accountClosed } from '../errors.ts';
import { accountAt, isClosedAt, isKeySpentAt } from '../state/accounts.ts';
import { openAccountKey } from './account-key.ts';
import { connectAs } from './connect.ts';
import { registerInTurn } from './registration.ts';

/** Records the end of an interrupted roll-over, where the CA has the new key already. Returns whether it has. */
async function completeRollOver(
  context: Context,
  authority: CertificateAuthority,
  { account, signal }: { readonly account: Account; readonly signal: AbortSignal },
): Promise<boolean> {
  const { nextAccountKey } = context.view.state.bus;
  if (!nextAccountKey || nextAccountKey.thumbprint === account.thumbprint) return false;
  const next = await openAccountKey(context, nextAccountKey);
  const ca = await connectAs(context, authority, account);
  const { accountUrl } = account;
  if (!(await findAccountKey(ca, { accountKeys: [next], accountUrl, signal }))) return false;
  await decide(context, (state) => recordRolledOver(state, account, nextAccountKey.thumbprint));
  return true;
}

/**
 * Connects to a CA with the bus's account there. An account that is not there yet is registered first; its key is looked up where a
 * roll-over was interrupted. After a deactivation only `replaceClosed` registers another. The connection lives as long as the manager.
 * Rejects with an `AcmeError`, `CERTBUS_MANAGER_ACCOUNT_CLOSED`, `CERTBUS_MANAGER_SECRET_MISSING` or a `StoreError`.
 */
export async function openAccount(
  context: Context,
  authority: CertificateAuthority,
  { signal, replaceClosed = false }: { readonly signal: AbortSignal; readonly replaceClosed?: boolean },
): Promise<Acme> {
  const { directory } = authority;
  for (;;) {
    signal.throwIfAborted();
    const { bus } = context.view.state;
    const account = accountAt(bus, directory);
    if (isClosedAt(bus, directory) && !replaceClosed)
      throw accountClosed(directory, { isKeySpent: isKeySpentAt(bus, directory) });
    if (!account) await registerInTurn(context, authority, signal);
    else if (await completeRollOver(context, authority, { account, signal })) continue;
    else return connectAs(context, authority, account);
  }
}
