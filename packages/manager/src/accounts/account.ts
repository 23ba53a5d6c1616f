import {
  type Acme,
  accountThumbprint,
  type ExternalAccount,
  findAccountKey,
  generateAccountKey,
  registerAccount,
} from '@certbus/acme';
import { open, type Recipient, seal } from '@certbus/events';
import type { Account, BusState } from '@certbus/events/history';
import type { Authority, Configuration } from '../configuration/configuration.ts';
import { hostsOf, resolveSecret } from '../configuration/secrets.ts';
import { type Context, decide } from '../context.ts';
import { ManagerError } from '../errors.ts';
import type { Connections } from './connections.ts';

/** Name of the recipient to whom account keys are sealed beside the managers. */
const BACKUP = 'backup';

/** The authority with this directory. Throws `CERTBUS_MANAGER_CONFIG_INVALID` when the configuration has none any more. */
export function authorityOf({ authorities }: Configuration, directory: string): Authority {
  const authority = Object.values(authorities).find((candidate) => candidate.directory === directory);
  if (authority) return authority;
  const what = `The configuration has no authority with the directory ${directory}, which this certificate came from. Add it with "certbus conf update".`;
  throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
}

/** The authority of this name, or the default one. Throws `CERTBUS_MANAGER_CONFIG_INVALID` where there is none. */
export function authorityNamed(
  { authorities, defaultAuthority }: Configuration,
  name: string = defaultAuthority,
): Authority {
  const authority = Object.hasOwn(authorities, name) ? authorities[name] : undefined;
  if (authority) return authority;
  const what = `The configuration has no authority "${name}" (it has: ${Object.keys(authorities).join(', ')}).`;
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

function externalAccount(
  { kid, hmacKey, algorithm }: NonNullable<Authority['eab']>,
  { secrets }: Context,
  directory: string,
): ExternalAccount {
  const key = resolveSecret(hmacKey, secrets, { hosts: hostsOf(directory) });
  return { kid, hmacKey: key, ...(algorithm ? { algorithm } : {}) };
}

function connect(context: Context, authority: Authority, account: { accountKey: string; accountUrl?: string }): Acme {
  const { directory, roots, eab } = authority;
  return context.connections.connect({
    directory,
    ...account,
    ...(roots ? { roots } : {}),
    ...(eab ? { eab: externalAccount(eab, context, directory) } : {}),
    now: context.now,
    logger: context.logger,
  });
}

/** An account key sealed to whoever may use it, and to the backup. */
export const sealAccountKey = (context: Context, accountKey: string): Promise<string> =>
  seal(accountKey, readersOf(context));

/** The connection with an account of the bus. */
export async function connectAs(context: Context, authority: Authority, account: Account): Promise<Acme> {
  const accountKey = await open(account.sealedKey, context.key.identity);
  return connect(context, authority, { accountKey, accountUrl: account.accountUrl });
}

/** A connection for looking round: with the bus's account there, or with a key that nobody keeps. Nothing is registered. */
export async function openProbe(context: Context, authority: Authority): Promise<Acme> {
  const account = accountAt(context.view.state.bus, authority.directory);
  if (account) return connectAs(context, authority, account);
  return connect(context, authority, { accountKey: await generateAccountKey() });
}

/** The key that every account has, or is to have: one a bus, so that its thumbprint answers HTTP-01 for each of them. */
const sharedKeyOf = ({ nextAccountKey, accounts }: BusState) => nextAccountKey ?? accounts.at(-1);

/** The shared key, which lies on the bus before a CA hears of it: so no crash can lose an account, or what it was bound with. */
async function claimKey(context: Context, signal: AbortSignal): Promise<Pick<Account, 'thumbprint' | 'sealedKey'>> {
  const known = sharedKeyOf(context.view.state.bus);
  if (known) return known;
  const fresh = await generateAccountKey();
  const offered = { thumbprint: accountThumbprint(fresh), sealedKey: await sealAccountKey(context, fresh) };
  return decide(
    context,
    ({ bus }) => {
      const shared = sharedKeyOf(bus);
      if (shared) return { events: [], result: shared };
      return { events: [{ type: 'AccountKeyRollOverStarted', ...offered }], result: offered };
    },
    { signal },
  );
}

async function register(context: Context, authority: Authority, signal: AbortSignal): Promise<void> {
  const { directory, contact = [], termsOfServiceAgreed } = authority;
  const shared = await claimKey(context, signal);
  if (isSpentAt(context.view.state.bus, directory)) throw accountClosed(directory, true);
  const accountKey = await open(shared.sealedKey, context.key.identity);
  const sealedKey = await sealAccountKey(context, accountKey);
  const ca = connect(context, authority, { accountKey });
  const { url } = await registerAccount(ca, { contact, termsOfServiceAgreed, signal });
  const event = { directory, accountUrl: url, thumbprint: accountThumbprint(accountKey), sealedKey };
  await decide(
    context,
    ({ bus }) => {
      const isKnown = bus.accounts.some((account) => account.directory === directory);
      const isSameKey = (sharedKeyOf(bus)?.thumbprint ?? event.thumbprint) === event.thumbprint;
      // Another manager was first: its account counts.
      return { events: isKnown || !isSameKey ? [] : [{ type: 'AccountRegistered', ...event }], result: undefined };
    },
    { signal },
  );
}

/** Where each manager's registrations stand. */
const registering = new WeakMap<Connections, Promise<void>>();

/** Registers where nobody in this process did meanwhile: jobs that begin at once would each make a key and an account of its own. */
async function registerInTurn(context: Context, authority: Authority, signal: AbortSignal): Promise<void> {
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

const closedAt = ({ closedAccounts }: BusState, directory: string) =>
  closedAccounts.filter((closed) => closed.directory === directory);

/** Whether the key that an account there would have is that of one that was deactivated. */
const isSpentAt = (bus: BusState, directory: string): boolean =>
  closedAt(bus, directory).some(({ thumbprint }) => thumbprint === sharedKeyOf(bus)?.thumbprint);

function accountClosed(directory: string, isKeySpent: boolean): ManagerError {
  const first = isKeySpent
    ? 'first give the other accounts a fresh key, for that one is spent ("certbus account rollover"), then '
    : '';
  const what = `The account at ${directory} was deactivated. Take that CA out of the configuration, or make another account: ${first}"certbus account register NAME", with the CA's name in the configuration.`;
  return new ManagerError('CERTBUS_MANAGER_ACCOUNT_CLOSED', what);
}

/** Whether the bus had an account at a CA and has none any more, so that none is registered unasked. */
export const isClosedAt = (bus: BusState, directory: string): boolean =>
  accountAt(bus, directory) === undefined && closedAt(bus, directory).length > 0;

/** The bus's account at a CA; `undefined` before it is registered. */
export const accountAt = ({ accounts }: BusState, directory: string): Account | undefined =>
  accounts.find((account) => account.directory === directory);

/**
 * Connects to a CA with the bus's account there, which is registered first where there is none, and whose key is looked up where a
 * roll-over was interrupted. After a deactivation only `anew` registers another. The connection lives as long as the manager. Rejects
 * with an `AcmeError`, `CERTBUS_MANAGER_ACCOUNT_CLOSED`, `CERTBUS_MANAGER_SECRET_MISSING` or a `StoreError`.
 */
export async function openAuthority(
  context: Context,
  authority: Authority,
  { signal, anew = false }: { readonly signal: AbortSignal; readonly anew?: boolean },
): Promise<Acme> {
  for (;;) {
    signal.throwIfAborted();
    const { bus } = context.view.state;
    const account = accountAt(bus, authority.directory);
    if (isClosedAt(bus, authority.directory) && !anew)
      throw accountClosed(authority.directory, isSpentAt(bus, authority.directory));
    if (!account) await registerInTurn(context, authority, signal);
    else if (await settleRollOver(context, authority, { account, signal })) continue;
    else return connectAs(context, authority, account);
  }
}

/** Says the end of a roll-over that nobody saw, where the CA has the new key already; whether it did. */
async function settleRollOver(
  context: Context,
  authority: Authority,
  { account, signal }: { readonly account: Account; readonly signal: AbortSignal },
): Promise<boolean> {
  const { nextAccountKey } = context.view.state.bus;
  if (!nextAccountKey || nextAccountKey.thumbprint === account.thumbprint) return false;
  const next = await open(nextAccountKey.sealedKey, context.key.identity);
  const ca = await connectAs(context, authority, account);
  const { accountUrl } = account;
  if (!(await findAccountKey(ca, { accountKeys: [next], accountUrl, signal }))) return false;
  await sayRolledOver(context, account, nextAccountKey.thumbprint);
  return true;
}

/** Says that the CA took the key that was to come for an account, by its thumbprint, unless another manager said so first. */
export async function sayRolledOver(
  context: Context,
  { directory, accountUrl }: Account,
  thumbprint: string,
): Promise<void> {
  await decide(context, ({ bus }) => {
    const { nextAccountKey } = bus;
    // The roll-over may be over by now, and the next begun, whose key this CA has not heard of.
    const isOther = nextAccountKey?.thumbprint !== thumbprint;
    if (isOther || accountAt(bus, directory)?.thumbprint === thumbprint) return { events: [], result: undefined };
    const event = { type: 'AccountKeyRolledOver' as const, directory, accountUrl, ...nextAccountKey };
    return { events: [event], result: undefined };
  });
}
