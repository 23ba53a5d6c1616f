/** The account resources. */
import { isRecord } from '../base64url.ts';
import type { Ca } from '../ca.ts';
import { timestamp } from '../clock.ts';
import type { Received, Reply } from '../exchange.ts';
import { malformed, ProblemDocument } from '../problem-document.ts';
import { type Account, accountOfKey, createId } from '../records.ts';
import { type AccountRequest, authenticateByJwk, requirePayload, type SignedRequest } from '../signed-request.ts';
import { agreementRequired } from '../terms.ts';
import { accountUrl } from '../urls.ts';
import { bindExternalAccount } from './external-account.ts';

const MAX_CONTACTS = 10;

/** An account as clients see it (RFC 8555 §7.1.2). There is no list of orders, as at Let's Encrypt. */
export function accountBody({ status, contact, createdAt, publicKey }: Account): object {
  return { status, contact, key: publicKey.key.export({ format: 'jwk' }), createdAt: timestamp(createdAt) };
}

function checkContact(contact: string): void {
  const [, scheme = '', address = ''] = /^([a-z][a-z0-9+.-]*):(.*)$/i.exec(contact) ?? [];
  if (scheme !== 'mailto') {
    throw new ProblemDocument('unsupportedContact', `The contact ${contact} is not a mailto URL`);
  }
  // RFC 8555 §7.3: no header fields, and one address in each.
  if (!/^[^\s@,?]+@[^\s@,?.]+(?:\.[^\s@,?.]+)+$/.test(address)) {
    throw new ProblemDocument(
      'invalidContact',
      `The contact ${contact} is not one e-mail address without header fields`,
    );
  }
}

function parseContacts(value: unknown): string[] {
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) {
    throw malformed('contact must be a list of URLs');
  }
  if (value.length > MAX_CONTACTS) {
    throw new ProblemDocument('invalidContact', `There may be at most ${MAX_CONTACTS} contacts`);
  }
  for (const contact of value) checkContact(contact);
  return value;
}

function flagOf(payload: Readonly<Record<string, unknown>>, name: string): boolean {
  const value = payload[name];
  if (value !== undefined && typeof value !== 'boolean') throw malformed(`${name} must be true or false`);
  return value === true;
}

function replyWith(account: Account, status: number, { origin }: Received): Reply {
  return { status, headers: { location: accountUrl(account, origin) }, body: accountBody(account) };
}

function existingReply(account: Account, request: Received): Reply {
  if (account.status === 'valid') return replyWith(account, 200, request);
  throw new ProblemDocument('unauthorized', 'An account with this key exists and is deactivated');
}

function createAccount(ca: Ca, request: SignedRequest): Account {
  const payload = requirePayload(request);
  const isAgreed = flagOf(payload, 'termsOfServiceAgreed');
  const contact = payload['contact'] === undefined ? [] : parseContacts(payload['contact']);
  if (ca.terms.url !== null && !isAgreed) throw agreementRequired(ca.terms.url);
  const binding = payload['externalAccountBinding'];
  if (binding !== undefined && !isRecord(binding)) throw malformed('externalAccountBinding must be a JWS');
  const externalAccount = bindExternalAccount(ca, binding, request);
  ca.limiter.spendNewAccount(request.from);
  return {
    id: createId(),
    publicKey: request.publicKey,
    status: 'valid',
    contact,
    createdAt: ca.clock.now(),
    ...(externalAccount === undefined ? {} : { externalAccount }),
  };
}

/** Creates an account, or finds the one that its key has (RFC 8555 §7.3, §7.3.1). */
export function newAccount(ca: Ca, received: Received): Reply {
  const request = authenticateByJwk(ca, received);
  const payload = requirePayload(request);
  const existing = accountOfKey(ca.records, request.publicKey);
  if (existing) return existingReply(existing, request);
  if (flagOf(payload, 'onlyReturnExisting')) {
    throw new ProblemDocument('accountDoesNotExist', 'No account has this key');
  }
  const account = createAccount(ca, request);
  ca.records.accounts.set(account.id, account);
  ca.emit('account', { url: accountUrl(account, request.origin), what: 'created' });
  return replyWith(account, 201, request);
}

/** Ends what an account still had open (RFC 8555 §7.3.6). */
function deactivate(ca: Ca, account: Account): void {
  account.status = 'deactivated';
  for (const authorization of ca.records.authorizations.values()) {
    if (authorization.account === account && authorization.status === 'pending') authorization.status = 'deactivated';
  }
}

/** Reads, updates or deactivates an account (RFC 8555 §7.3.2, §7.3.6). Only its owner may. */
export function account(ca: Ca, request: AccountRequest, id: string): Reply {
  const { account: owner, payload, origin } = request;
  if (owner.id !== id) throw new ProblemDocument('unauthorized', 'This is the account of another key');
  if (payload === undefined) return { status: 200, body: accountBody(owner) };
  const { status, contact } = payload;
  if (status !== undefined && status !== 'deactivated') throw malformed('status can only be set to deactivated');
  if (contact !== undefined) owner.contact = parseContacts(contact);
  if (status === 'deactivated') deactivate(ca, owner);
  ca.emit('account', { url: accountUrl(owner, origin), what: status === 'deactivated' ? status : 'updated' });
  return { status: 200, body: accountBody(owner) };
}
