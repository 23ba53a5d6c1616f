/** The authorization resource. */
import type { Ca } from '../ca.ts';
import { timestamp } from '../clock.ts';
import type { Reply } from '../exchange.ts';
import { authorizationStatus } from '../order-status.ts';
import { malformed, notFound, ProblemDocument } from '../problem-document.ts';
import type { Authorization, Challenge } from '../records.ts';
import type { AccountRequest } from '../signed-request.ts';
import { challengeUrl } from '../urls.ts';
import { retryAfter } from './order.ts';

/** A challenge as clients see it (RFC 8555 §8). One of dns-persist-01 has no token. */
export function challengeBody(challenge: Challenge, origin: string, caaIdentities: readonly string[]): object {
  const { type, status, token, validatedAt, error } = challenge;
  return {
    type,
    url: challengeUrl(challenge, origin),
    status,
    ...(type === 'dns-persist-01' ? { 'issuer-domain-names': caaIdentities } : { token }),
    ...(validatedAt ? { validated: timestamp(validatedAt) } : {}),
    ...(error ? { error } : {}),
  };
}

/** What RFC 8555 §7.1.4 wants to be shown: all while pending, afterwards the ones that decided. */
function shownChallenges({ status, challenges }: Authorization): readonly Challenge[] {
  if (status !== 'valid' && status !== 'invalid') return challenges;
  return challenges.filter((challenge) => challenge.status === status);
}

function authorizationReply(ca: Ca, authorization: Authorization, origin: string): Reply {
  const { identifier, isWildcard, expires, challenges } = authorization;
  const shown = shownChallenges(authorization);
  const isWorkedOn = challenges.some(({ status, error }) => status === 'processing' || (status === 'pending' && error));
  return {
    status: 200,
    headers: isWorkedOn ? retryAfter(ca) : {},
    body: {
      identifier,
      status: authorizationStatus(authorization, ca.clock.now()),
      expires: timestamp(expires),
      challenges: shown.map((each) => challengeBody(each, origin, ca.settings.caaIdentities)),
      ...(isWildcard ? { wildcard: true } : {}),
    },
  };
}

/** Reads an authorization, or deactivates it (RFC 8555 §7.5, §7.5.2). */
export function authorization(ca: Ca, request: AccountRequest, id: string): Reply {
  const { account, payload, origin } = request;
  const found = ca.records.authorizations.get(id);
  if (!found) throw notFound('This authorization');
  if (found.account !== account) {
    throw new ProblemDocument('unauthorized', 'This is an authorization of another account');
  }
  if (payload !== undefined) {
    if (payload['status'] !== 'deactivated') throw malformed('An authorization can only be read or deactivated');
    const status = authorizationStatus(found, ca.clock.now());
    if (status !== 'pending' && status !== 'valid') throw malformed(`An authorization that is ${status} stays so`);
    found.status = 'deactivated';
  }
  return authorizationReply(ca, found, origin);
}
