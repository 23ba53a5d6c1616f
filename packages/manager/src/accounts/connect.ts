/** Connects to the CAs of the configuration, with an account of the bus or without one. */
import { type Acme, type ExternalAccount, generateAccountKey } from '@certbus/acme';
import type { Account } from '@certbus/events/history';
import type { CertificateAuthority } from '../configuration/configuration.ts';
import { limitsAt } from '../configuration/limits.ts';
import { hostsOf, resolveSecret } from '../configuration/secrets.ts';
import type { Context } from '../context.ts';
import { accountAt } from '../state/accounts.ts';
import { openAccountKey } from './account-key.ts';

function externalAccount(
  { kid, hmacKey, algorithm }: NonNullable<CertificateAuthority['eab']>,
  { secrets }: Context,
  directory: string,
): ExternalAccount {
  const key = resolveSecret(hmacKey, secrets, { hosts: hostsOf(directory) });
  return { kid, hmacKey: key, ...(algorithm ? { algorithm } : {}) };
}

/** The connection with an account key; without `accountUrl` the account is not known yet. Throws `CERTBUS_MANAGER_SECRET_MISSING` or
 * `CERTBUS_MANAGER_SECRET_HOST_REFUSED`. */
export function connectWithKey(
  context: Context,
  authority: CertificateAuthority,
  account: { readonly accountKey: string; readonly accountUrl?: string },
): Acme {
  const { directory, roots, eab, limits } = authority;
  const options = {
    directory,
    ...account,
    ...(roots ? { roots } : {}),
    ...(eab ? { eab: externalAccount(eab, context, directory) } : {}),
    now: context.now,
    logger: context.logger,
  };
  return context.connections.connect(options, limitsAt(context.publishedLimits(directory), limits));
}

/** The connection with an account of the bus. */
export async function connectAs(context: Context, authority: CertificateAuthority, account: Account): Promise<Acme> {
  const accountKey = await openAccountKey(context, account);
  return connectWithKey(context, authority, { accountKey, accountUrl: account.accountUrl });
}

/** A connection for reading: with the bus's account there, or with a key that is not kept. Nothing is registered. */
export async function connectToRead(context: Context, authority: CertificateAuthority): Promise<Acme> {
  const account = accountAt(context.view.state.bus, authority.directory);
  if (account) return connectAs(context, authority, account);
  return connectWithKey(context, authority, { accountKey: await generateAccountKey() });
}
