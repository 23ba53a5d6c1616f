/** The finalize resource. */
import { decodeBase64Url } from '../base64url.ts';
import type { Ca } from '../ca.ts';
import { checkCsr } from '../csr.ts';
import type { Reply } from '../exchange.ts';
import { beginIssuance } from '../issuance.ts';
import { orderStatus } from '../order-status.ts';
import { ProblemDocument } from '../problem-document.ts';
import { type AccountRequest, requirePayload } from '../signed-request.ts';
import { orderUrl } from '../urls.ts';
import { findOrder, orderReply } from './order.ts';

/** Takes the CSR for an order that is ready (RFC 8555 §7.4). A CSR that is refused leaves the order ready, and so does one that comes too late. */
export async function finalize(ca: Ca, request: AccountRequest, id: string): Promise<Reply> {
  const order = findOrder(ca, id, request.account);
  const csr = decodeBase64Url(requirePayload(request)['csr'], 'The csr');
  const checkReady = () => {
    const status = orderStatus(order, ca.clock.now());
    if (status !== 'ready') throw new ProblemDocument('orderNotReady', `The order is ${status}, not ready`);
  };
  checkReady();
  const publicKey = await checkCsr(csr, order.identifiers, [...ca.records.accounts.values()]);
  // In step-ca's words.
  const hasEnded = order.validity && order.validity.notAfter <= ca.clock.now();
  if (hasEnded) throw new ProblemDocument('serverInternal', 'notAfter cannot be in the past');
  // Another request may have finalized it while the CSR was looked at.
  checkReady();
  await beginIssuance(ca, order, publicKey);
  const reply = orderReply(ca, order, request.origin);
  return { ...reply, headers: { ...reply.headers, location: orderUrl(order, request.origin) } };
}
