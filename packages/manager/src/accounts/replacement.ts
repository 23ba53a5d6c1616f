/** Deactivates the accounts in whose place others were registered. */
import { deactivateAccount } from '@certbus/acme';
import type { CertificateAuthority } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { recordDeactivated } from '../decide/accounts.ts';
import { replacedAt } from '../state/accounts.ts';
import { connectAs } from './connect.ts';

/** Deactivates what was replaced at a CA. Can be repeated. Rejects as `deactivateAccount` does. */
export async function retireReplaced(
  context: Context,
  authority: CertificateAuthority,
  signal: AbortSignal,
): Promise<void> {
  for (const account of replacedAt(context.view.state.bus, authority.directory)) {
    const ca = await connectAs(context, authority, account);
    await deactivateAccount(ca, { signal });
    await decide(context, (state) => recordDeactivated(state, account));
  }
}
