/** Accounts at a CA: register, read, update, deactivate. */
import type { Acme } from '../acme.ts';
import { AcmeError } from '../errors.ts';
import type { Resource, Session } from '../wire/engine.ts';
import { engineOf } from '../wire/handles.ts';
import { isRecord, textOf } from '../wire/json.ts';
import { mayHaveArrived } from '../wire/may-have-arrived.ts';
import { AcmeProblemError, shortType } from '../wire/problem.ts';

const STATUSES = ['valid', 'deactivated', 'revoked'] as const;

/** An account at a CA (RFC 8555 §7.1.2). */
export interface Account {
  readonly url: string;
  readonly status: (typeof STATUSES)[number];
  /** Empty where the CA keeps none, as Let's Encrypt does not. */
  readonly contact: readonly string[];
}

/** What registering an account takes. */
export interface RegistrationOptions {
  /** URLs such as `mailto:ops@example.com`. */
  readonly contact?: readonly string[];
  /** Whether the operator agreed to the CA's terms of service (see `readDirectory`). */
  readonly termsOfServiceAgreed: boolean;
  readonly signal: AbortSignal;
}

/** An account that was found or made. */
export interface RegisteredAccount {
  readonly url: string;
  /** False where the key had an account already. */
  readonly created: boolean;
}

/** Whether the CA says that a key has no account. */
export function isAccountUnknown(error: unknown): boolean {
  return error instanceof AcmeProblemError && shortType(error.problem.type) === 'accountDoesNotExist';
}

/** Reads an account. Throws `CERTBUS_ACME_NOT_ACME`. */
export function parseAccount({ url, body }: Resource): Account {
  const fields = isRecord(body) ? body : {};
  const status = STATUSES.find((known) => known === fields.status);
  if (!status) throw new AcmeError('CERTBUS_ACME_NOT_ACME', `The account ${url} has no status that RFC 8555 knows.`);
  const contact = Array.isArray(fields.contact) ? fields.contact.slice(0, 100) : [];
  return { url, status, contact: contact.flatMap((each) => textOf(each, 500) ?? []) };
}

/**
 * Finds the account of `ca`'s key, and makes one only where there is none (RFC 8555 §7.3, §7.3.1), so that it can be repeated after
 * a lost answer. Where `ca` was made with an account's URL, none is made in its place: CAA records may name it. Rejects with an
 * `AcmeProblemError`, of class `operator-action` where the CA wants terms agreed (`page` says where) or an external account bound,
 * or as `readDirectory` does.
 */
export async function registerAccount(
  ca: Acme,
  { contact = [], termsOfServiceAgreed, signal }: RegistrationOptions,
): Promise<RegisteredAccount> {
  const engine = engineOf(ca);
  using session = await engine.open({ signal });
  try {
    const { url } = await session.createAccount({ onlyReturnExisting: true });
    return { url, created: false };
  } catch (error) {
    if (engine.accountUrl || !isAccountUnknown(error)) throw error;
  }
  const waitedMs = await engine.limiter.account(session);
  if (waitedMs > 0) engine.observe({ type: 'wait', for: 'accounts', ms: waitedMs });
  const { url, status } = await session.createAccount({
    ...(contact.length > 0 ? { contact } : {}),
    ...(termsOfServiceAgreed ? { termsOfServiceAgreed } : {}),
  });
  return { url, created: status === 201 };
}

/** The account as the CA has it now. Rejects as `readDirectory` does; a deactivated account is refused as `unauthorized` by many. */
export async function readAccount(ca: Acme, { signal }: { readonly signal: AbortSignal }): Promise<Account> {
  using session = await engineOf(ca).open({ signal });
  return parseAccount(await session.readAccount());
}

/** Changes of an account; what is left out stays. */
export interface AccountUpdate {
  /** All contacts from now on; an empty list removes them. */
  readonly contact?: readonly string[];
  /** Agrees to the terms of service as they are now. */
  readonly termsOfServiceAgreed?: true;
  readonly signal: AbortSignal;
}

/** Changes the contacts, or agrees to new terms (RFC 8555 §7.3.2, §7.3.3). Rejects as `readDirectory` does. */
export async function updateAccount(ca: Acme, { signal, ...changes }: AccountUpdate): Promise<Account> {
  using session = await engineOf(ca).open({ signal });
  return parseAccount(await session.updateAccount(changes));
}

async function deactivateOnce(session: Session): Promise<Account> {
  return parseAccount(await session.updateAccount({ status: 'deactivated' }));
}

/** Whether the CA refused as it refuses a deactivated account, which may ask nothing (RFC 8555 §7.3.6). */
function isUnauthorized(error: unknown): boolean {
  return error instanceof AcmeProblemError && shortType(error.problem.type) === 'unauthorized';
}

/** Whether the key's account is deactivated; a key that has none, or a valid one, was refused for another reason. */
async function isDeactivated(session: Session): Promise<boolean> {
  try {
    return parseAccount(await session.createAccount({ onlyReturnExisting: true })).status !== 'valid';
  } catch (error) {
    session.signal.throwIfAborted();
    return isUnauthorized(error);
  }
}

/**
 * Deactivates the account permanently (RFC 8555 §7.3.6): it can order nothing any more, its certificates stay valid. Where the
 * answer is lost it is asked once more. An account that is already deactivated is a success, so that it can be repeated after a
 * crash. Rejects as `readDirectory` does.
 */
export async function deactivateAccount(ca: Acme, { signal }: { readonly signal: AbortSignal }): Promise<void> {
  using session = await engineOf(ca).open({ signal });
  try {
    await deactivateOnce(session);
  } catch (error) {
    session.signal.throwIfAborted();
    if (mayHaveArrived(error)) {
      await deactivateOnce(session).catch((again: unknown) => {
        if (!isUnauthorized(again)) throw again;
      });
    } else if (!isUnauthorized(error) || !(await isDeactivated(session))) throw error;
  }
}
