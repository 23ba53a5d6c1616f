/** The order at a CA: making it, reading it, and the errors of one that leads nowhere. */
import { AcmeError } from '../errors.ts';
import { checkOrigin } from '../wire/directory.ts';
import type { Engine, Resource, Session } from '../wire/engine.ts';
import { instantOf, isRecord, textOf } from '../wire/json.ts';
import { AcmeProblemError, type Problem, parseProblem, shortType } from '../wire/problem.ts';
import { canonicalName, type Identifier, identifierOf } from './identifier.ts';
import { awaitOrder, heedRefusal } from './order-limits.ts';
import { checkIdentifiers, chooseProfile, type IfMissing } from './profile.ts';

/** As many as an order of any CA has names, and some more. */
const MAX_NAMES = 1000;

const STATUSES = ['pending', 'ready', 'processing', 'valid', 'invalid'] as const;

/** States of an order (RFC 8555 §7.1.6). */
type OrderStatus = (typeof STATUSES)[number];

/** An order (RFC 8555 §7.1.3). */
export interface Order {
  readonly url: string;
  readonly status: OrderStatus;
  readonly names: readonly string[];
  readonly authorizations: readonly string[];
  readonly finalize: string;
  readonly certificate?: string;
  readonly expires?: Date;
  /** Dates of the certificate to come, where the CA fixes them with the order. */
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  readonly profile?: string;
  readonly error?: Problem;
  readonly retryAfter: Date | undefined;
}

function malformed(url: string, what: string): AcmeError {
  return new AcmeError(
    'CERTBUS_ACME_NOT_ACME',
    `The order ${url} cannot be read: ${what}. Is the directory an ACME server's?`,
  );
}

function parseNames(value: unknown): string[] {
  const identifiers = Array.isArray(value) ? value.slice(0, MAX_NAMES).filter(isRecord) : [];
  return identifiers.map((identifier) => canonicalName(textOf(identifier.value, 255) ?? ''));
}

/** An instant of an order; Go's zero time, which some CAs send, means that there is none. */
function dateOf(value: unknown): Date | undefined {
  const instant = instantOf(value);
  return instant && instant.getTime() > 0 ? instant : undefined;
}

/** Reads an order; its addresses must lie at the directory's origin. Throws `CERTBUS_ACME_NOT_ACME`. */
export function parseOrder({ url, body, retryAfter }: Resource, directory: string): Order {
  if (!isRecord(body)) throw malformed(url, 'it is not an object');
  const status = STATUSES.find((known) => known === body.status);
  if (!status) throw malformed(url, 'its status is unknown');
  const { authorizations, certificate, profile } = body;
  const [expires, notBefore, notAfter] = [body.expires, body.notBefore, body.notAfter].map(dateOf);
  const error = parseProblem(body.error, 400);
  return {
    url,
    status,
    names: parseNames(body.identifiers),
    authorizations: (Array.isArray(authorizations) ? authorizations : [])
      .slice(0, MAX_NAMES)
      .map((each) => checkOrigin(each, directory)),
    finalize: checkOrigin(body.finalize, directory),
    ...(certificate === undefined ? {} : { certificate: checkOrigin(certificate, directory) }),
    ...(expires ? { expires } : {}),
    ...(notBefore ? { notBefore } : {}),
    ...(notAfter ? { notAfter } : {}),
    ...(typeof profile === 'string' ? { profile: textOf(profile, 100) ?? '' } : {}),
    ...(error ? { error } : {}),
    retryAfter,
  };
}

/** Whether two lists hold the same names and addresses, in any order, case and spelling. */
export function isSameNames(one: readonly string[], other: readonly string[]): boolean {
  const set = new Set(one.map(canonicalName));
  const wanted = new Set(other.map(canonicalName));
  return set.size === wanted.size && [...set].every((name) => wanted.has(name));
}

/** What to order. */
export interface OrderRequest {
  readonly names: readonly string[];
  readonly profile?: string | undefined;
  /** Where the CA has no such profile. Default `fail`. */
  readonly ifProfileMissing?: IfMissing | undefined;
  /** RFC 9773 identifier of the certificate to be replaced. */
  readonly replaces?: string | undefined;
  /** Whether the account's limit on new orders does not count it. Default: whether it replaces a certificate. */
  readonly isRenewal?: boolean | undefined;
}

// These say nothing about `replaces`, so that an order without it would fare no better.
const NOT_ABOUT_REPLACES = new Set([
  'accountDoesNotExist',
  'badNonce',
  'externalAccountRequired',
  'invalidProfile',
  'rateLimited',
  'userActionRequired',
]);

/**
 * Whether a refusal of an order may come from its `replaces`: already replaced, issued by another CA or for another account, all
 * answered in different ways by different CAs.
 */
function isAboutReplaces(error: unknown): boolean {
  if (!(error instanceof AcmeProblemError)) return false;
  const { type, status } = error.problem;
  // A CA that stumbles over what it is told of the old certificate says 500; one that is away says 502 to 504.
  return status >= 400 && status <= 500 && !NOT_ABOUT_REPLACES.has(shortType(type));
}

/** The same order with less in it, where that may pass; `undefined` where there is nothing to leave out. */
function reduced(engine: Engine, order: OrderPayload, ifMissing: IfMissing, error: unknown): OrderPayload | undefined {
  const { profile, replaces, ...rest } = order;
  const isProfile = error instanceof AcmeProblemError && shortType(error.problem.type) === 'invalidProfile';
  if (isProfile && profile !== undefined && ifMissing === 'default') {
    engine.logger.warn("the CA does not take its own profile; ordering with the CA's default", { profile });
    return { ...rest, ...(replaces === undefined ? {} : { replaces }) };
  }
  if (replaces === undefined || !isAboutReplaces(error)) return undefined;
  engine.logger.info('the CA refused an order that replaces a certificate; ordering without saying so', {
    names: order.identifiers.map(({ value }) => value),
  });
  return { ...rest, ...(profile === undefined ? {} : { profile }) };
}

/** An order as it is sent (RFC 8555 §7.4, RFC 9773 §5, draft-ietf-acme-profiles). */
interface OrderPayload extends Readonly<Record<string, unknown>> {
  readonly identifiers: readonly Identifier[];
  readonly profile?: string;
  readonly replaces?: string;
}

/**
 * Creates an order (RFC 8555 §7.4), as soon as the CA's limits have room. `replaces` is sent only to a CA with renewal information;
 * where it is refused, the order is made once more without it, because a renewal matters more than its exemption from rate limits.
 */
export async function createOrder(engine: Engine, session: Session, request: OrderRequest): Promise<Order> {
  const { names, replaces, ifProfileMissing: ifMissing = 'fail', isRenewal = replaces !== undefined } = request;
  const resources = await session.readDirectory();
  const profile = chooseProfile(request.profile, resources, { ifMissing, directory: engine.directory });
  const identifiers = names.map(identifierOf);
  checkIdentifiers(profile, identifiers, engine.directory);
  const isReplacing = replaces !== undefined && resources.renewalInfo !== undefined;
  let order: OrderPayload | undefined = {
    identifiers,
    ...(profile ? { profile } : {}),
    ...(isReplacing ? { replaces } : {}),
  };
  for (;;) {
    await awaitOrder(engine, session, { names, isRenewal });
    try {
      return parseOrder(await session.createOrder(order), engine.directory);
    } catch (error) {
      heedRefusal(engine, error);
      order = reduced(engine, order, ifMissing, error);
      if (!order) throw error;
    }
  }
}

/** Reads an order's state. */
export async function readOrder(engine: Engine, session: Session, url: string): Promise<Order> {
  const resource = await session.read(url);
  return parseOrder({ ...resource, url }, engine.directory);
}

/** `CERTBUS_ACME_ORDER_INVALID` with the CA's reason, where it gave one. */
export function orderInvalid({ url, names, error }: Order, what = 'became invalid'): AcmeError {
  const attempt = `The order for ${names.join(', ')} ${what}`;
  if (error)
    return new AcmeProblemError(error, { attempt, url, code: 'CERTBUS_ACME_ORDER_INVALID', isValidation: true });
  return new AcmeError('CERTBUS_ACME_ORDER_INVALID', `${attempt} (${url}). Order again.`);
}

/** `CERTBUS_ACME_ORDER_GONE`: this order leads nowhere, a new one may. */
export function orderGone(url: string, why: string, cause?: unknown): AcmeError {
  return new AcmeError('CERTBUS_ACME_ORDER_GONE', `The order ${url} leads nowhere: ${why}. Make a new one.`, {
    cause,
  });
}

/**
 * Throws `CERTBUS_ACME_ORDER_GONE` where an order is not worth going on with: its certificate would have less than half of the lifetime
 * that it had left at `since`, the instant of the order, or of its own `notBefore`. Only CAs that fix the dates with the order (step-ca)
 * have such orders, and refuse to finalize those whose certificate has ended. `refusal` is the CA's, where there was one.
 */
export function checkWorth({ url, notAfter }: Order, since: Date | undefined, now: Date, refusal?: unknown): void {
  if (!notAfter) return;
  const left = notAfter.getTime() - now.getTime();
  const whole = since ? notAfter.getTime() - since.getTime() : 0;
  if (left > 0 && left >= whole / 2) return;
  const said = refusal instanceof Error ? `; ${refusal.message}` : '';
  throw orderGone(url, `its certificate would end at ${notAfter.toISOString()}${said}`, refusal);
}
