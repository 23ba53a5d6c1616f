/** Replaces the key of an account, and finds out which of several keys is in force. */
import type { Acme } from '../acme.ts';
import { AcmeError } from '../errors.ts';
import { NotAcmeAnswerError } from '../wire/answer.ts';
import type { Engine, Session } from '../wire/engine.ts';
import { engineOf } from '../wire/handles.ts';
import { mayHaveArrived } from '../wire/may-have-arrived.ts';
import { AcmeProblemError, shortType } from '../wire/problem.ts';
import { isAccountUnknown, parseAccount } from './account.ts';
import { type AccountKey, readAccountKey, thumbprintOf } from './account-key.ts';

/** A new key for an account. */
export interface RollOverOptions {
  /** PKCS#8 PEM. It MUST be stored, beside the old one, before this is called. */
  readonly newAccountKey: string;
  readonly signal: AbortSignal;
}

/** The account that a key has at the CA; `undefined` where it has none. */
async function accountOf(session: Session, key: AccountKey): Promise<string | undefined> {
  try {
    const resource = await session.findAccount(key);
    return parseAccount(resource).status === 'valid' ? resource.url : undefined;
  } catch (error) {
    if (isAccountUnknown(error)) return undefined;
    throw error;
  }
}

function keyTaken({ directory }: Engine, other: string | undefined, cause?: AcmeProblemError): AcmeError {
  const whose = other ? ` (${other})` : '';
  const message = `The new key already has another account${whose} at ${directory}, so it cannot take this one over. Generate a fresh key.`;
  return new AcmeError('CERTBUS_ACME_ACCOUNT_KEY_TAKEN', message, { cause });
}

/** Statuses of an address where nothing is, or nothing that takes a POST. */
const ABSENT = new Set([404, 405, 410, 501]);
/** What such a status can say of an account instead. */
const OF_THE_ACCOUNT = new Set(['accountDoesNotExist', 'unauthorized']);

/** The status by which a CA says that it has no key change, as step-ca and Caddy do with 501; `undefined` for any other error. */
function absentStatus(error: unknown): number | undefined {
  if (error instanceof NotAcmeAnswerError) return ABSENT.has(error.status) ? error.status : undefined;
  if (!(error instanceof AcmeProblemError)) return undefined;
  const { status, type } = error.problem;
  const isAbsent = ABSENT.has(status) && !OF_THE_ACCOUNT.has(shortType(type));
  return isAbsent || shortType(type) === 'notImplemented' ? status : undefined;
}

function keyChangeUnsupported({ directory }: Engine, why: string, cause?: unknown): AcmeError {
  const message = `The CA at ${directory} cannot change the key of an account (RFC 8555 section 7.3.5): ${why}. The account keeps its key.`;
  return new AcmeError('CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED', message, { cause });
}

/** Changes the key, and sees for itself: Pebble 2.10.1 answers 200 for a key that has another account, and changes nothing. */
async function change(engine: Engine, session: Session, newKey: AccountKey, account: string): Promise<void> {
  await session.changeKey(newKey);
  const found = await accountOf(session, newKey);
  if (found === account) return;
  if (found !== undefined) throw keyTaken(engine, found);
  const message = `The CA at ${engine.directory} accepted the new account key, but does not know it. The old one stays in force.`;
  throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
}

/**
 * Puts a new key in the place of `ca`'s account key (RFC 8555 §7.3.5), and looks whether it is there. The account, its URL and what
 * CAA records say of it stay. From then on `ca` is of no use: make another with the new key. Resolves also where the new key is in
 * force already, so that it can be repeated after a crash; make `ca` with the account's URL, so that the account is known for sure.
 * `findAccountKey` tells which key is in force. Rejects with `CERTBUS_ACME_ACCOUNT_KEY_TAKEN` where the new key has another account,
 * `CERTBUS_ACME_ACCOUNT_KEY_INVALID`, `CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED` where the CA has no key change, or as `readDirectory` does.
 */
export async function rollOverAccountKey(
  ca: Acme,
  { newAccountKey, signal }: RollOverOptions,
): Promise<{ readonly url: string }> {
  const newKey = readAccountKey(newAccountKey);
  const engine = engineOf(ca);
  if (thumbprintOf(newKey.jwk) === engine.thumbprint) throw new TypeError('The new account key is the old one');
  using session = await engine.open({ signal });
  let account = engine.accountUrl;
  try {
    // With the old key gone this says so before anything is changed.
    account ??= (await session.createAccount({ onlyReturnExisting: true })).url;
    if ((await session.readDirectory()).keyChange === undefined)
      throw keyChangeUnsupported(engine, 'its directory has no keyChange');
    await change(engine, session, newKey, account);
    return { url: account };
  } catch (error) {
    session.signal.throwIfAborted();
    // An old key that is out of force is refused in many ways: as unknown, unauthorized, or by a signature that does not verify.
    const absent = absentStatus(error);
    if (absent === undefined && !(error instanceof AcmeProblemError) && !mayHaveArrived(error)) throw error;
    const found = await accountOf(session, newKey).catch(() => undefined);
    if (found !== undefined && (account === undefined || found === account)) return { url: found };
    if (absent !== undefined) throw keyChangeUnsupported(engine, `it answered HTTP ${absent}`, error);
    throw error instanceof AcmeProblemError && error.problem.status === 409
      ? keyTaken(engine, found ?? error.location, error)
      : error;
  }
}

/** Keys that may be an account's. */
export interface KeyCandidates {
  /** PKCS#8 PEM, the likeliest first. */
  readonly accountKeys: readonly string[];
  /** The account's URL. Default: any account that a key has. */
  readonly accountUrl?: string;
  readonly signal: AbortSignal;
}

/**
 * Which of several keys is the account's now: after a roll-over whose end was not seen. Makes no account and changes nothing; `ca` may
 * have any of the keys. Resolves `undefined` where none is. Rejects as `readDirectory` does.
 */
export async function findAccountKey(
  ca: Acme,
  { accountKeys, accountUrl, signal }: KeyCandidates,
): Promise<{ readonly accountKey: string; readonly url: string } | undefined> {
  using session = await engineOf(ca).open({ signal });
  for (const accountKey of accountKeys) {
    const url = await accountOf(session, readAccountKey(accountKey));
    if (url !== undefined && (accountUrl === undefined || url === accountUrl)) return { accountKey, url };
  }
  return undefined;
}
