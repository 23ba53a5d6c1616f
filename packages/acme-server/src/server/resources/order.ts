/** The order resource. */
import type { Ca } from '../ca.ts';
import { timestamp } from '../clock.ts';
import type { Reply } from '../exchange.ts';
import { issueIfDue } from '../issuance.ts';
import { orderStatus } from '../order-status.ts';
import { notFound, ProblemDocument } from '../problem-document.ts';
import type { Account, Order } from '../records.ts';
import { type AccountRequest, checkPostAsGet } from '../signed-request.ts';
import { authorizationUrl, certificateUrl, finalizeUrl } from '../urls.ts';

/** Finds an order of an account. Throws `malformed` with status 404, or `unauthorized`. */
export function findOrder({ records }: Ca, id: string, account: Account): Order {
  const order = records.orders.get(id);
  if (!order) throw notFound('This order');
  if (order.account !== account) throw new ProblemDocument('unauthorized', 'This is an order of another account');
  return order;
}

/** `Retry-After` of what is being worked on (RFC 8555 §7.4, §7.5.1). */
export function retryAfter({ settings: { pollRetryAfterS } }: Ca): Record<string, string> {
  return pollRetryAfterS === null ? {} : { 'retry-after': String(pollRetryAfterS) };
}

/** An order as clients see it (RFC 8555 §7.1.3). */
export function orderReply(ca: Ca, order: Order, origin: string): Reply {
  const status = orderStatus(order, ca.clock.now());
  const { identifiers, authorizations, expires, validity, profile, replaces, certificate, error } = order;
  return {
    status: 200,
    headers: status === 'processing' ? retryAfter(ca) : {},
    body: {
      status,
      expires: timestamp(expires),
      ...(validity ? { notBefore: timestamp(validity.notBefore), notAfter: timestamp(validity.notAfter) } : {}),
      identifiers,
      profile,
      ...(replaces === undefined ? {} : { replaces }),
      authorizations: authorizations.map((each) => authorizationUrl(each, origin)),
      finalize: finalizeUrl(order, origin),
      ...(certificate ? { certificate: certificateUrl(certificate, origin) } : {}),
      ...(error ? { error } : {}),
    },
  };
}

/** Reads an order (RFC 8555 §7.4). */
export async function order(ca: Ca, request: AccountRequest, id: string): Promise<Reply> {
  const found = findOrder(ca, id, request.account);
  checkPostAsGet(request);
  await issueIfDue(ca, found);
  return orderReply(ca, found, request.origin);
}
