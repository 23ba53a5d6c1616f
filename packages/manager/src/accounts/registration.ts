/** Registers the bus's account at a CA: once, however many orders of this process need it. */
import { AcmeError, AcmeProblemError, registerAccount } from '@certbus/acme';
import { defaultDirectory } from '../configuration/certificate-authorities.ts';
import type { CertificateAuthority, Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { proposeFirstKey, recordRegistered } from '../decide/accounts.ts';
import { type AccountKey, accountAt, nextKeyAt } from '../state/accounts.ts';
import { createSealedAccountKey, openAccountKey, sealAccountKey } from './account-key.ts';
import { connectWithKey } from './connect.ts';
import { inTurn } from './in-turn.ts';

/** At which CA, under which configuration. */
export interface RegistrationOptions {
  readonly authority: CertificateAuthority;
  readonly config: Configuration;
  readonly signal: AbortSignal;
}

const isEabMissing = (error: unknown): boolean =>
  error instanceof AcmeProblemError && error.problem.type.endsWith(':externalAccountRequired');

function eabMissing(directory: string, cause: unknown): AcmeError {
  const what = `The CA at ${directory} takes only accounts that are bound to one of its own (EAB). Get a key id and an HMAC key from the CA's page, and add them as "eab" to this authority with "certbus conf update".`;
  return new AcmeError('CERTBUS_ACME_EAB_INVALID', what, { cause });
}

/** Registers an account with a key that is on the bus, or finds the one that it has, and records it in the place of `replaces`. */
export async function registerWithKey(
  context: Context,
  { authority, config, signal }: RegistrationOptions,
  { key, replaces }: { readonly key: AccountKey; readonly replaces?: string },
): Promise<void> {
  const { directory, contact = [], termsOfServiceAgreed } = authority;
  const accountKey = await openAccountKey(context, key);
  // The managers may have changed since the key was put on the bus.
  const sealed = await sealAccountKey(context, accountKey);
  const ca = connectWithKey(context, authority, { accountKey });
  const { url } = await registerAccount(ca, { contact, termsOfServiceAgreed, signal }).catch((error: unknown) => {
    throw isEabMissing(error) ? eabMissing(directory, error) : error;
  });
  const isDefault = directory === defaultDirectory(config);
  const account = { directory, accountUrl: url, ...sealed, ...(isDefault ? { stateless: true as const } : {}) };
  await decide(context, (state) => recordRegistered(state, account, replaces), { signal });
}

/** The account's first key, which is on the bus before a CA sees it: no crash can lose an account, or what it was bound with. */
async function findFirstKey(context: Context, directory: string, signal: AbortSignal): Promise<AccountKey> {
  const known = nextKeyAt(context.view.state.bus, directory);
  if (known) return known;
  const fresh = await createSealedAccountKey(context);
  return decide(context, (state) => proposeFirstKey(state, directory, fresh), { signal });
}

/**
 * Registers an account, one registration of this process at a time, and only where none was registered meanwhile: orders that start
 * together would each make a key and an account.
 */
export async function registerInTurn(context: Context, options: RegistrationOptions): Promise<void> {
  const { connections, view } = context;
  const { authority, signal } = options;
  const { directory } = authority;
  await inTurn(connections, directory, async () => {
    signal.throwIfAborted();
    if (accountAt(view.state.bus, directory)) return;
    const key = await findFirstKey(context, directory, signal);
    // Another manager's may be there by now.
    if (!accountAt(view.state.bus, directory)) await registerWithKey(context, options, { key });
  });
}
