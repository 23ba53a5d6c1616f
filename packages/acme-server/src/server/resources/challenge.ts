/** The challenge resource. */
import type { Ca } from '../ca.ts';
import { link, type Reply } from '../exchange.ts';
import { authorizationStatus } from '../order-status.ts';
import { malformed, notFound, ProblemDocument } from '../problem-document.ts';
import type { AccountRequest } from '../signed-request.ts';
import { accountUrl, authorizationUrl } from '../urls.ts';
import { challengeBody } from './authorization.ts';

/** Begins the validation of a challenge, or reads it (RFC 8555 §7.5.1). Saying twice that it is met does no harm. */
export function challenge(ca: Ca, request: AccountRequest, id: string): Reply {
  const { account, payload, origin } = request;
  const found = ca.records.challenges.get(id);
  if (!found) throw notFound('This challenge');
  const { challenge: subject, authorization } = found;
  if (authorization.account !== account) {
    throw new ProblemDocument('unauthorized', 'This is a challenge of another account');
  }
  const isOpen = subject.status === 'pending' || subject.status === 'processing';
  if (payload !== undefined && isOpen && !subject.isChecked) {
    const status = authorizationStatus(authorization, ca.clock.now());
    if (status !== 'pending') throw malformed(`The authorization of this challenge is ${status}`);
    subject.status = 'processing';
    subject.isChecked = true;
    ca.validate({ account, accountUrl: accountUrl(account, origin), authorization, challenge: subject });
  }
  return {
    status: 200,
    headers: { link: link(authorizationUrl(authorization, origin), 'up') },
    body: challengeBody(subject, origin, ca.settings.caaIdentities),
  };
}
