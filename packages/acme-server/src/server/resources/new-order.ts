/** The newOrder resource. */
import { randomBytes } from 'node:crypto';
import type { Ca } from '../ca.ts';
import type { Reply } from '../exchange.ts';
import type { Identifier } from '../identifier.ts';
import { parseIdentifiers, setKey } from '../identifier-policy.ts';
import { validityFrom } from '../issuance.ts';
import { authorizationStatus, orderStatus } from '../order-status.ts';
import { malformed, ProblemDocument } from '../problem-document.ts';
import type { Profile } from '../profile.ts';
import {
  type Account,
  type Authorization,
  type Challenge,
  type ChallengeType,
  createId,
  type IssuedCertificate,
  type Order,
} from '../records.ts';
import { type AccountRequest, requirePayload } from '../signed-request.ts';
import { checkAgreement } from '../terms.ts';
import { orderUrl } from '../urls.ts';
import { orderReply } from './order.ts';
import { findReplaced } from './replaces.ts';

interface OrderRequest {
  readonly identifiers: readonly Identifier[];
  readonly profileName: string;
  readonly profile: Profile;
  readonly replaced: IssuedCertificate | undefined;
}

const TYPES: Readonly<Record<'name' | 'wildcard' | 'ip', readonly ChallengeType[]>> = {
  name: ['http-01', 'dns-01', 'tls-alpn-01', 'dns-account-01', 'dns-persist-01'],
  wildcard: ['dns-01', 'dns-account-01', 'dns-persist-01'],
  // RFC 8738 §4, §5: no DNS challenge for addresses.
  ip: ['http-01', 'tls-alpn-01'],
};

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  return values
    .map((value) => ({ value, at: random() }))
    .toSorted((one, other) => one.at - other.at)
    .map(({ value }) => value);
}

function profileOf({ settings }: Ca, asked: unknown): Pick<OrderRequest, 'profile' | 'profileName'> {
  if (asked !== undefined && typeof asked !== 'string') throw malformed('profile must be a string');
  const profileName = asked ?? settings.defaultProfile;
  const profile = Object.hasOwn(settings.profiles, profileName) ? settings.profiles[profileName] : undefined;
  if (profile) return { profile, profileName };
  throw new ProblemDocument('invalidProfile', `There is no profile "${profileName}"`);
}

function checkProfile(
  identifiers: readonly Identifier[],
  { profile, profileName }: ReturnType<typeof profileOf>,
): void {
  const { maxNames, identifierTypes } = profile;
  if (identifiers.length > maxNames) {
    throw malformed(
      `An order of profile "${profileName}" has at most ${maxNames} identifiers, not ${identifiers.length}`,
    );
  }
  const other = identifiers.find(({ type }) => !identifierTypes.includes(type));
  if (other) throw malformed(`Profile "${profileName}" has no identifiers of type ${other.type} (${other.value})`);
}

function parseRequest(ca: Ca, request: AccountRequest): OrderRequest {
  const payload = requirePayload(request);
  if (payload['notBefore'] !== undefined || payload['notAfter'] !== undefined) {
    throw malformed('notBefore and notAfter are not supported');
  }
  const identifiers = parseIdentifiers(payload['identifiers'], ca.settings.blockedNames);
  const profile = profileOf(ca, payload['profile']);
  checkProfile(identifiers, profile);
  return { identifiers, ...profile, replaced: findReplaced(ca, payload['replaces'], request.account, identifiers) };
}

function createChallenge(type: ChallengeType): Challenge {
  return { id: createId(), type, token: randomBytes(32).toString('base64url'), status: 'pending', isChecked: false };
}

function createAuthorization(ca: Ca, account: Account, identifier: Identifier, order: OrderRequest): Authorization {
  const { settings, random, clock } = ca;
  const isWildcard = identifier.value.startsWith('*.');
  const types = TYPES[identifier.type === 'ip' ? 'ip' : isWildcard ? 'wildcard' : 'name'];
  const offered = types.filter((type) => settings.challengeTypes.includes(type));
  return {
    id: createId(),
    account,
    identifier: { type: identifier.type, value: identifier.value.replace(/^\*\./, '') },
    isWildcard,
    profile: order.profileName,
    status: 'pending',
    expires: new Date(clock.now().getTime() + order.profile.pendingAuthorizationMs),
    challenges: shuffled(offered.map(createChallenge), random),
  };
}

/** A valid authorization of the same account for the same identifier and profile, as Let's Encrypt takes it again. */
function reusable(ca: Ca, account: Account, { type, value }: Identifier, profile: string): Authorization | undefined {
  if (!ca.settings.reuseAuthorizations) return undefined;
  const now = ca.clock.now();
  const isWildcard = value.startsWith('*.');
  const name = value.replace(/^\*\./, '');
  return [...ca.records.authorizations.values()].find(
    (each) =>
      each.account === account &&
      each.profile === profile &&
      each.isWildcard === isWildcard &&
      each.identifier.type === type &&
      each.identifier.value === name &&
      authorizationStatus(each, now) === 'valid' &&
      // The draft of dns-persist-01 lets the record be looked at each time, which Boulder does.
      !each.challenges.some((challenge) => challenge.status === 'valid' && challenge.type === 'dns-persist-01'),
  );
}

function isOpenFor(order: Order, account: Account, { identifiers, profileName }: OrderRequest, now: Date): boolean {
  const isSame = order.account === account && order.profile === profileName;
  if (!isSame || setKey(order.identifiers) !== setKey(identifiers)) return false;
  const status = orderStatus(order, now);
  return status === 'pending' || status === 'ready';
}

function findOpenOrder(ca: Ca, account: Account, request: OrderRequest): Order | undefined {
  if (!ca.settings.reuseOrders || request.replaced) return undefined;
  const now = ca.clock.now();
  return [...ca.records.orders.values()].find((order) => isOpenFor(order, account, request, now));
}

function record({ records }: Ca, order: Order): void {
  records.orders.set(order.id, order);
  for (const authorization of order.authorizations) {
    records.authorizations.set(authorization.id, authorization);
    for (const challenge of authorization.challenges) {
      records.challenges.set(challenge.id, { challenge, authorization });
    }
  }
}

function createOrder(ca: Ca, account: Account, request: OrderRequest): Order {
  const { identifiers, profile, profileName, replaced } = request;
  const now = ca.clock.now();
  const isRenewal = ca.limiter.spendNewOrder({ account, identifiers, replaced });
  const authorizations = identifiers.map(
    (each) => reusable(ca, account, each, profileName) ?? createAuthorization(ca, account, each, request),
  );
  const ends = [now.getTime() + profile.orderLifetimeMs, ...authorizations.map(({ expires }) => expires.getTime())];
  return {
    id: createId(),
    account,
    identifiers,
    profile: profileName,
    ...(replaced ? { replaces: replaced.certificateId } : {}),
    isRenewal,
    authorizations,
    expires: new Date(Math.min(...ends)),
    createdAt: now,
    ...(ca.settings.fixesDates ? { validity: validityFrom(now, profile) } : {}),
  };
}

/** Creates an order (RFC 8555 §7.4, RFC 9773 §5), or gives one again that is still open. */
export function newOrder(ca: Ca, request: AccountRequest): Reply {
  checkAgreement(ca.terms, request.account, ca.settings.website);
  const parsed = parseRequest(ca, request);
  const open = findOpenOrder(ca, request.account, parsed);
  const order = open ?? createOrder(ca, request.account, parsed);
  if (!open) {
    record(ca, order);
    if (parsed.replaced) parsed.replaced.replacedBy = order.id;
  }
  const url = orderUrl(order, request.origin);
  const names = order.identifiers.map(({ value }) => value);
  const { replaces, profile } = order;
  ca.emit('order', { url, names, profile, ...(replaces ? { replaces } : {}), isReused: open !== undefined });
  const { body = {} } = orderReply(ca, order, request.origin);
  return { status: 201, headers: { location: url }, body };
}
