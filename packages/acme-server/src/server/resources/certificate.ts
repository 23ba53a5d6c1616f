/** The certificate resource. */
import type { Ca } from '../ca.ts';
import { link, type Reply } from '../exchange.ts';
import { notFound, ProblemDocument } from '../problem-document.ts';
import { type AccountRequest, checkPostAsGet } from '../signed-request.ts';
import { certificateUrl } from '../urls.ts';

/** Gives a chain (RFC 8555 §7.4.2), and says where the others are. */
export function certificate(ca: Ca, request: AccountRequest, serial: string, chain: number): Reply {
  const { account, origin } = request;
  const found = ca.records.certificates.get(serial);
  const pem = found?.chains[chain];
  if (!found || pem === undefined) throw notFound('This certificate');
  if (found.account !== account) {
    throw new ProblemDocument('unauthorized', 'This is a certificate of another account');
  }
  checkPostAsGet(request);
  const others = found.chains.map((_, index) => index).filter((index) => index !== chain);
  return {
    status: 200,
    headers: { link: others.map((index) => link(certificateUrl(found, origin, index), 'alternate')) },
    contentType: 'application/pem-certificate-chain',
    body: pem,
  };
}
