/** Revokes a certificate once another has taken its place. */
import { REVOCATION_REASONS, type RevocationReason, revoke } from '@certbus/acme';
import { createOpener, type IssuedCertificate, type ManagedCertificate } from '@certbus/events';
import { evolve, MAX_RETIRED } from '@certbus/events/history';
import { openAccount } from '../accounts/open-account.ts';
import { authorityAt } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { recordRevocation, servedAs } from '../decide/revocation.ts';
import { certificateNotFound, ManagerError } from '../errors.ts';
import { type RunOptions, renew } from '../issuance/issue.ts';
import { readHistory } from '../upkeep/history.ts';

/** What is to be revoked. */
export interface RevocationRequest {
  readonly certificateId: string;
  readonly reason: RevocationReason;
  /** Of which of its certificates, hexadecimal; default the current one. What serves it is replaced first. */
  readonly serialNumber?: string | undefined;
  /** An age identity that opens its private key, which signs then in the place of the account (RFC 8555 section 7.6). Default the account. */
  readonly identity?: string | undefined;
}

/** What came of it. */
export interface RevocationResult {
  readonly certificateId: string;
  readonly serialNumber: string;
  /** Serial number of what took its place, where it had to be replaced; the first one, where it was served as several certificates. */
  readonly replacement: string | undefined;
}

/** What a revocation is about. */
export interface RevocationSubject {
  /** Of what is revoked, hexadecimal. */
  readonly serialNumber: string;
  /** The certificates that it is served as, each of which is replaced before; none where it was replaced already. */
  readonly servedAs: readonly ManagedCertificate[];
}

/** A leaf that the state has dropped, since it keeps so many of a certificate: what the history of the bus says of it. */
async function findInHistory(
  { bus, now }: Pick<Context, 'bus' | 'now'>,
  { certificateId, serialNumber }: { readonly certificateId: string; readonly serialNumber: string | undefined },
  signal: AbortSignal,
): Promise<IssuedCertificate | undefined> {
  for await (const { commit } of readHistory(bus, { signal }))
    for (const { event } of commit.events) {
      if (event?.type !== 'CertificateObtained' && event?.type !== 'CertificateImported') continue;
      if (event.certificateId !== certificateId || event.serialNumber !== serialNumber) continue;
      const issued = evolve(undefined, event, commit)?.current;
      return issued && Date.parse(issued.notAfter) > now().getTime() ? issued : undefined;
    }
  return undefined;
}

async function find(
  context: Pick<Context, 'bus' | 'now'>,
  certificate: ManagedCertificate,
  { serialNumber, signal }: { readonly serialNumber: string | undefined; readonly signal: AbortSignal },
): Promise<IssuedCertificate> {
  const { certificateId, current, predecessors, retired = [] } = certificate;
  const known = current ? [current, ...predecessors, ...retired] : [];
  const wanted = serialNumber?.toUpperCase() ?? current?.serialNumber;
  const isComplete = retired.filter(({ distrusted }) => !distrusted).length < MAX_RETIRED;
  const issued =
    known.find((each) => each.serialNumber === wanted) ??
    (isComplete ? undefined : await findInHistory(context, { certificateId, serialNumber: wanted }, signal));
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

/** The leaf that a request names, and what it is served as. Rejects `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`. */
async function subjectOf(
  context: Pick<Context, 'view' | 'bus' | 'now'>,
  { certificateId, serialNumber }: Pick<RevocationRequest, 'certificateId' | 'serialNumber'>,
  signal: AbortSignal,
) {
  const { state } = context.view;
  const certificate = state.certificate(certificateId);
  if (!certificate || certificate.removed) throw certificateNotFound(certificateId);
  const issued = await find(context, certificate, { serialNumber, signal });
  return { issued, served: servedAs(state, certificate, issued.leafHash) };
}

/**
 * What a request is about, by the bus as it was last read. A leaf that its state has dropped is looked for in its history. Rejects
 * `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`, or as that is read.
 */
export async function revocationSubject(
  context: Pick<Context, 'view' | 'bus' | 'now'>,
  request: Pick<RevocationRequest, 'certificateId' | 'serialNumber'>,
  { signal }: { readonly signal: AbortSignal },
): Promise<RevocationSubject> {
  const { issued, served } = await subjectOf(context, request, signal);
  return { serialNumber: issued.serialNumber, servedAs: served };
}

/**
 * Revokes a certificate at the CA that issued it, once another has taken its place on the bus, in each certificate that it is served as: no visitor
 * meets a revoked one because there is no better. Where a run ends in between, `serialNumber` goes on with the one that was replaced. Rejects
 * `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`, `CERTBUS_MANAGER_CONFIG_INVALID` where its CA is not in the configuration, or as `renew` and
 * `revoke` do.
 */
export async function revokeCertificate(
  context: Context,
  request: RevocationRequest,
  options: RunOptions & { readonly config: Configuration },
): Promise<RevocationResult> {
  const { certificateId, reason, identity } = request;
  const { issued, served } = await subjectOf(context, request, options.signal);
  const { directory, leafHash, serialNumber } = issued;
  if (directory === undefined) throw cameFromElsewhere(issued);
  const authority = authorityAt(options.config, directory);
  const leaf = Buffer.from(issued.leaf, 'base64');
  const certificateKey = identity === undefined ? undefined : await createOpener(identity).openKeyOf(issued);
  const replacements: (string | undefined)[] = [];
  for (const each of served) replacements.push((await renew(context, each.certificateId, options)).serialNumber);
  const ca = await openAccount(context, authority, options);
  const { signal } = options;
  await revoke(ca, leaf, { reason, signal, ...(certificateKey === undefined ? {} : { certificateKey }) });
  for (const id of new Set([certificateId, ...served.map((each) => each.certificateId)]))
    await decide(context, (state) =>
      recordRevocation(state, { certificateId: id, leafHash, reason: REVOCATION_REASONS[reason] }),
    );
  return { certificateId, serialNumber, replacement: replacements[0] };
}
