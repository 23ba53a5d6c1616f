/** The status of orders and authorizations at an instant. */
import type { Authorization, Order } from './records.ts';

/** States of an authorization (RFC 8555 §7.1.6). */
type AuthorizationStatus = Authorization['status'] | 'expired';

/** State of an authorization now. */
export function authorizationStatus({ status, expires }: Authorization, now: Date): AuthorizationStatus {
  const isOpen = status === 'pending' || status === 'valid';
  return isOpen && expires <= now ? 'expired' : status;
}

/** States of an order (RFC 8555 §7.1.6). */
type OrderStatus = 'pending' | 'ready' | 'processing' | 'valid' | 'invalid';

/** State of an order now: it follows from its authorizations, until it is finalized. */
export function orderStatus(order: Order, now: Date): OrderStatus {
  if (order.certificate) return 'valid';
  if (order.error) return 'invalid';
  if (order.finalizing) return 'processing';
  if (order.expires <= now) return 'invalid';
  const statuses = order.authorizations.map((authorization) => authorizationStatus(authorization, now));
  if (statuses.every((status) => status === 'valid')) return 'ready';
  return statuses.every((status) => status === 'valid' || status === 'pending') ? 'pending' : 'invalid';
}
