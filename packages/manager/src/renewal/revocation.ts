/** Revokes a certificate once another has taken its place. */
import { REVOCATION_REASONS, type RevocationReason, revoke } from '@certbus/acme';
import { createOpener, type IssuedCertificate, type ManagedCertificate } from '@certbus/events';
import { openAccount } from '../accounts/open-account.ts';
import { authorityAt } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { recordRevocation } from '../decide/revocation.ts';
import { certificateNotFound, ManagerError } from '../errors.ts';
import { type RunOptions, renew } from '../issuance/issue.ts';

/** What is to be revoked. */
export interface RevocationRequest {
  readonly certificateId: string;
  readonly reason: RevocationReason;
  /** Of which of its certificates, hexadecimal; default the current one, which is replaced first. */
  readonly serialNumber?: string | undefined;
  /** An age identity that opens its private key, which signs then in the place of the account (RFC 8555 section 7.6). Default the account. */
  readonly identity?: string | undefined;
}

/** What came of it. */
export interface RevocationResult {
  readonly certificateId: string;
  readonly serialNumber: string;
  /** Serial number of what took its place, where it had to be replaced. */
  readonly replacement: string | undefined;
}

function find(certificate: ManagedCertificate, serialNumber?: string): IssuedCertificate {
  const { certificateId, current, predecessors, retired = [] } = certificate;
  const known = current ? [current, ...predecessors, ...retired] : [];
  const wanted = serialNumber?.toUpperCase() ?? current?.serialNumber;
  const issued = known.find((each) => each.serialNumber === wanted);
  if (issued) return issued;
  const list = known.map((each) => each.serialNumber).join(', ');
  const what = list
    ? `Certificate ${certificateId} has no valid leaf with the serial number ${wanted} (it has: ${list}).`
    : `Certificate ${certificateId} was never issued: there is nothing to revoke.`;
  throw new ManagerError('CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND', what);
}

/** `CERTBUS_MANAGER_CONFIG_INVALID`: no CA of the configuration issued it. */
export function cameFromElsewhere({ serialNumber }: Pick<IssuedCertificate, 'serialNumber'>): ManagerError {
  const what = `The certificate with the serial number ${serialNumber} came from elsewhere: revoke it where it came from.`;
  return new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
}

/**
 * Revokes a certificate at the CA that issued it, once another has taken its place on the bus: no visitor meets a revoked one because
 * there is no better. Where a run ends in between, `serialNumber` goes on with the one that was replaced. Rejects
 * `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`, `CERTBUS_MANAGER_CONFIG_INVALID` where its CA is not in the configuration, or as `renew` and
 * `revoke` do.
 */
export async function revokeCertificate(
  context: Context,
  { certificateId, reason, serialNumber, identity }: RevocationRequest,
  options: RunOptions & { readonly config: Configuration },
): Promise<RevocationResult> {
  const certificate = context.view.state.certificate(certificateId);
  if (!certificate || certificate.removed) throw certificateNotFound(certificateId);
  const issued = find(certificate, serialNumber);
  const { directory, leafHash } = issued;
  if (directory === undefined) throw cameFromElsewhere(issued);
  const authority = authorityAt(options.config, directory);
  const leaf = Buffer.from(issued.leaf, 'base64');
  const certificateKey = identity === undefined ? undefined : await createOpener(identity).openKeyOf(issued);
  const isCurrent = leafHash === certificate.current?.leafHash;
  const replaced = isCurrent ? await renew(context, certificateId, options) : undefined;
  const ca = await openAccount(context, authority, options);
  const { signal } = options;
  await revoke(ca, leaf, { reason, signal, ...(certificateKey === undefined ? {} : { certificateKey }) });
  await decide(context, (state) =>
    recordRevocation(state, { certificateId, leafHash, reason: REVOCATION_REASONS[reason] }),
  );
  return { certificateId, serialNumber: issued.serialNumber, replacement: replaced?.serialNumber };
}
