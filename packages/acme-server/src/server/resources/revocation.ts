/** The revokeCert resource. */
import { X509Certificate } from 'node:crypto';
import { decodeBase64Url } from '../base64url.ts';
import type { Ca } from '../ca.ts';
import type { Received, Reply } from '../exchange.ts';
import { authorizationStatus } from '../order-status.ts';
import { malformed, notFound, ProblemDocument } from '../problem-document.ts';
import { thumbprintOf } from '../public-key.ts';
import type { Account, IssuedCertificate } from '../records.ts';
import { authenticateByEither, requirePayload, type SignedRequest } from '../signed-request.ts';

/** unspecified, keyCompromise, superseded, cessationOfOperation: the ones that Let's Encrypt lets subscribers give. */
const REASONS = new Set([0, 1, 4, 5]);

function parseReason(value: unknown): number {
  if (value === undefined) return 0;
  if (typeof value === 'number' && REASONS.has(value)) return value;
  const detail = `The reason must be one of ${[...REASONS].join(', ')}, not ${String(value)}`;
  throw new ProblemDocument('badRevocationReason', detail);
}

function findCertificate({ records }: Ca, value: unknown): IssuedCertificate {
  const der = decodeBase64Url(value, 'The certificate');
  const found = [...records.certificates.values()].find(({ leaf }) => leaf.equals(der));
  if (!found) throw notFound('This certificate');
  return found;
}

/** Whether an account holds a valid authorization for each name of a certificate (RFC 8555 §7.6). */
function holdsAll({ records, clock }: Ca, account: Account, { identifiers }: IssuedCertificate): boolean {
  const now = clock.now();
  const valid = [...records.authorizations.values()].filter(
    (each) => each.account === account && authorizationStatus(each, now) === 'valid',
  );
  return identifiers.every(({ type, value }) =>
    valid.some(
      ({ identifier, isWildcard }) =>
        identifier.type === type && (isWildcard ? `*.${identifier.value}` : identifier.value) === value,
    ),
  );
}

function checkRight(ca: Ca, request: SignedRequest, account: Account | undefined, found: IssuedCertificate): void {
  if (account) {
    if (found.account === account || holdsAll(ca, account, found)) return;
    throw new ProblemDocument('unauthorized', 'This account neither holds the certificate nor all of its names');
  }
  const key = thumbprintOf(new X509Certificate(found.leaf).publicKey);
  if (key === request.publicKey.thumbprint) return;
  throw new ProblemDocument('unauthorized', "The key of this request is not the certificate's");
}

/** Revokes a certificate (RFC 8555 §7.6): for its account, for one that holds all of its names, or by its own key. */
export function revokeCert(ca: Ca, received: Received): Reply {
  const request = authenticateByEither(ca, received);
  const { certificate, reason } = requirePayload(request);
  if (certificate === undefined) throw malformed('The request names no certificate');
  const found = findCertificate(ca, certificate);
  checkRight(ca, request, 'account' in request ? request.account : undefined, found);
  if (found.revoked) throw new ProblemDocument('alreadyRevoked', 'The certificate is revoked already');
  found.revoked = { at: ca.clock.now(), reason: parseReason(reason) };
  ca.emit('revocation', { serial: found.serial, reason: found.revoked.reason });
  return { status: 200 };
}
