/** Finds the certificate that an order replaces. */
import type { Ca } from '../ca.ts';
import { parseCertificateId } from '../certificate-id.ts';
import type { Identifier } from '../identifier.ts';
import { orderStatus } from '../order-status.ts';
import { malformed, notFound, ProblemDocument } from '../problem-document.ts';
import type { Account, IssuedCertificate } from '../records.ts';

/** Whether an order stands that replaces a certificate; one that came to nothing does not count (RFC 9773 §5). */
function isReplaced({ records, clock }: Ca, { replacedBy }: IssuedCertificate): boolean {
  const order = replacedBy === undefined ? undefined : records.orders.get(replacedBy);
  return order !== undefined && orderStatus(order, clock.now()) !== 'invalid';
}

/**
 * Finds the certificate that an order replaces (RFC 9773 §5). Throws as Let's Encrypt does: `malformed` for a text that is not the name of
 * a certificate or one without a common identifier, `malformed` with status 404 for one of another CA, `unauthorized` for one of
 * another account, `alreadyReplaced` for one that has a replacement.
 */
export function findReplaced(
  ca: Ca,
  value: unknown,
  account: Account,
  identifiers: readonly Identifier[],
): IssuedCertificate | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string') throw malformed('replaces must be a string');
  const { keyIdentifier, serial } = parseCertificateId(value);
  const certificate = keyIdentifier === ca.hierarchy.keyIdentifier ? ca.records.certificates.get(serial) : undefined;
  if (!certificate) throw notFound(`The certificate ${value} that is to be replaced`);
  if (certificate.account !== account) {
    throw new ProblemDocument('unauthorized', `The certificate ${value} belongs to another account`);
  }
  const names = new Set(certificate.identifiers.map((each) => each.value));
  if (!identifiers.some((each) => names.has(each.value))) {
    throw malformed(`The order has no identifier in common with the certificate ${value}`);
  }
  if (isReplaced(ca, certificate)) {
    throw new ProblemDocument('alreadyReplaced', `The certificate ${value} is replaced by an order already`);
  }
  return certificate;
}
