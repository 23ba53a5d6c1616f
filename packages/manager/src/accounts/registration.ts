/** Registers the bus's account at a CA: once, however many orders of this process need it. */
import { AcmeError, AcmeProblemError, registerAccount } from '@certbus/acme';
import type { CertificateAuthority } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { recordRegistered, shareAccountKey } from '../decide/accounts.ts';
import { accountClosed } from '../errors.ts';
import { type AccountKey, accountAt, isKeySpentAt, sharedKeyOf } from '../state/accounts.ts';
import { createSealedAccountKey, openAccountKey, sealAccountKey } from './account-key.ts';
import { connectWithKey } from './connect.ts';
import type { Connections } from './connections.ts';

/** The shared key, which is on the bus before a CA sees it: no crash can lose an account, or what it was bound with. */
async function findSharedKey(context: Context, signal: AbortSignal): Promise<AccountKey> {
  const known = sharedKeyOf(context.view.state.bus);
  if (known) return known;
  const fresh = await createSealedAccountKey(context);
  return decide(context, (state) => shareAccountKey(state, fresh), { signal });
}

const isEabMissing = (error: unknown): boolean =>
  error instanceof AcmeProblemError && error.problem.type.endsWith(':externalAccountRequired');

function eabMissing(directory: string, cause: unknown): AcmeError {
  const what = `The CA at ${directory} takes only accounts that are bound to one of its own (EAB). Get a key id and an HMAC key from the CA's page, and add them as "eab" to this authority with "certbus conf update".`;
  return new AcmeError('CERTBUS_ACME_EAB_INVALID', what, { cause });
}

async function register(context: Context, authority: CertificateAuthority, signal: AbortSignal): Promise<void> {
  const { directory, contact = [], termsOfServiceAgreed } = authority;
  const shared = await findSharedKey(context, signal);
  if (isKeySpentAt(context.view.state.bus, directory)) throw accountClosed(directory, { isKeySpent: true });
  const accountKey = await openAccountKey(context, shared);
  const sealed = await sealAccountKey(context, accountKey);
  const ca = connectWithKey(context, authority, { accountKey });
  const { url } = await registerAccount(ca, { contact, termsOfServiceAgreed, signal }).catch((error: unknown) => {
    throw isEabMissing(error) ? eabMissing(directory, error) : error;
  });
  const account = { directory, accountUrl: url, ...sealed };
  await decide(context, (state) => recordRegistered(state, account), { signal });
}

/** The last registration of each manager, under way or done. */
const registering = new WeakMap<Connections, Promise<void>>();

/**
 * Registers an account, one registration of this process at a time, and only where none was registered meanwhile: orders that start
 * together would each make a key and an account.
 */
export async function registerInTurn(
  context: Context,
  authority: CertificateAuthority,
  signal: AbortSignal,
): Promise<void> {
  const { connections, view } = context;
  const own = (registering.get(connections) ?? Promise.resolve()).then(async () => {
    signal.throwIfAborted();
    if (!accountAt(view.state.bus, authority.directory)) await register(context, authority, signal);
  });
  registering.set(
    connections,
    own.catch(() => {}),
  );
  await own;
}
