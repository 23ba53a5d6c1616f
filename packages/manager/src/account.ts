import { type Acme, accountThumbprint, createAcme, generateAccountKey, registerAccount } from '@certbus/acme';
import { open, type Recipient, seal } from '@certbus/events';
import type { Authority, Configuration } from './configuration.ts';
import { type Context, decide } from './context.ts';
import { ManagerError } from './errors.ts';
import { resolveSecret } from './secrets.ts';

/** Name of the recipient to whom account keys are sealed beside the managers. */
const BACKUP = 'backup';

/** The authority with this directory. Throws `CERTBUS_MANAGER_CONFIG_INVALID` when the configuration has none any more. */
export function authorityOf({ authorities }: Configuration, directory: string): Authority {
  const authority = Object.values(authorities).find((candidate) => candidate.directory === directory);
  if (authority) return authority;
  const what = `The configuration has no authority with the directory ${directory}, which this certificate came from. Add it with "certbus conf update".`;
  throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
}

/** The directory that new certificates come from. */
export function defaultDirectory({ authorities, defaultAuthority }: Configuration): string {
  return (authorities[defaultAuthority] as Authority).directory;
}

function readersOf({ view }: Context): Recipient[] {
  const backup = view.state.bus.recipients.filter(({ name }) => name === BACKUP);
  return [...view.checkpoint.managers.map(({ name, recipient }) => ({ name, recipient })), ...backup];
}

function connect(context: Context, authority: Authority, account: { accountKey: string; accountUrl?: string }): Acme {
  const { directory, roots, eab } = authority;
  return createAcme({
    directory,
    ...account,
    ...(roots ? { roots } : {}),
    ...(eab ? { eab: { kid: eab.kid, hmacKey: resolveSecret(eab.hmacKey, context.secrets) } } : {}),
    logger: context.logger,
  });
}

async function register(context: Context, authority: Authority, signal: AbortSignal): Promise<void> {
  const { directory, contact = [], termsOfServiceAgreed } = authority;
  // One account key a bus serves all its directories, so that its thumbprint answers HTTP-01 for each of them.
  const [known] = context.view.state.bus.accounts;
  const accountKey = known ? await open(known.sealedKey, context.key.identity) : await generateAccountKey();
  const sealedKey = await seal(accountKey, readersOf(context));
  const ca = connect(context, authority, { accountKey });
  try {
    const { url } = await registerAccount(ca, { contact, termsOfServiceAgreed, signal });
    const event = { directory, accountUrl: url, thumbprint: accountThumbprint(accountKey), sealedKey };
    await decide(
      context,
      ({ bus }) => {
        const isKnown = bus.accounts.some((account) => account.directory === directory);
        const isSameKey = bus.accounts.every(({ thumbprint }) => thumbprint === event.thumbprint);
        // Another manager was first: its account counts.
        return { events: isKnown || !isSameKey ? [] : [{ type: 'AccountRegistered', ...event }], result: undefined };
      },
      signal,
    );
  } finally {
    await ca.close();
  }
}

/**
 * Connects to a CA with the bus's account there, which is registered first where there is none. Rejects with an `AcmeError`,
 * `CERTBUS_MANAGER_SECRET_MISSING` or a `StoreError`.
 */
export async function openAuthority(context: Context, authority: Authority, signal: AbortSignal): Promise<Acme> {
  for (;;) {
    const account = context.view.state.bus.accounts.find(({ directory }) => directory === authority.directory);
    if (account) {
      const accountKey = await open(account.sealedKey, context.key.identity);
      return connect(context, authority, { accountKey, accountUrl: account.accountUrl });
    }
    signal.throwIfAborted();
    await register(context, authority, signal);
  }
}
