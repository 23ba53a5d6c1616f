/** Revokes a certificate once another has taken its place. */
import { REVOCATION_REASONS, type RevocationReason, revoke } from '@certbus/acme';
import { createOpener, type IssuedCertificate, type ManagedCertificate } from '@certbus/events';
import { evolve, MAX_RETIRED } from '@certbus/events/history';
import { openAccount } from '../accounts/open-account.ts';
import { authorityAt } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { leavesOf, recordRevocation, servedAs } from '../decide/revocation.ts';
import { certificateNotFound, ManagerError } from '../errors.ts';
import { type RunOptions, renew } from '../issuance/issue.ts';
import { ownFacts } from '../issuance/leaf.ts';
import { readHistory } from '../upkeep/history.ts';

/** What is to be revoked. */
export interface RevocationRequest {
  readonly certificateId: string;
  readonly reason: RevocationReason;
  /** Of which of its certificates, hexadecimal; default the current one. What serves it is replaced first. A removed one needs it. */
  readonly serialNumber?: string | undefined;
  /** An age identity that opens its private key, which signs then in the place of the account (RFC 8555 section 7.6). Default the account. */
  readonly identity?: string | undefined;
  /**
   * What {@link revocationSubject} found for this request: that is revoked, also where it was replaced since, and the history of the bus is not read
   * again. Default: it is looked for.
   */
  readonly subject?: Pick<RevocationSubject, 'issued'> | undefined;
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
  /** What is revoked. */
  readonly issued: IssuedCertificate;
  /** The certificates that it is served as, each of which is replaced before; none where it was replaced already. */
  readonly servedAs: readonly ManagedCertificate[];
}

/** What the bus, its state and its history are asked for a leaf with. */
type Places = Pick<Context, 'view' | 'bus' | 'now'>;

/** A leaf that the state does not have, and that was not revoked: what the history of the bus says of it. */
async function findInHistory(
  { view, bus, now }: Places,
  { certificateId, serialNumber }: { readonly certificateId: string; readonly serialNumber: string },
  signal: AbortSignal,
): Promise<IssuedCertificate | undefined> {
  let found: IssuedCertificate | undefined;
  const revoked = new Set<string>();
  // What an expelled manager wrote of a revocation is void.
  const { expelled } = view.checkpoint;
  for await (const { commit } of readHistory(bus, { expelled, signal }))
    for (const { event } of commit.events) {
      if (event?.type === 'CertificateRevoked') revoked.add(event.leafHash);
      if (event?.type !== 'CertificateObtained' && event?.type !== 'CertificateImported') continue;
      if (event.certificateId !== certificateId || ownFacts(event).serialNumber !== serialNumber) continue;
      found = evolve(undefined, event, commit)?.current;
    }
  return found && ownFacts(found).notAfter > now() && !revoked.has(found.leafHash) ? found : undefined;
}

/**
 * Whether the state of a certificate has all of its leaves that are valid: it keeps so many, and of what an expelled manager obtained fewer, none
 * of a certificate that was removed before.
 */
function isComplete({ view }: Places, { retired = [] }: ManagedCertificate): boolean {
  return view.checkpoint.expelled.length === 0 && retired.filter(({ distrusted }) => !distrusted).length < MAX_RETIRED;
}

async function find(
  places: Places,
  certificate: ManagedCertificate,
  {
    serialNumber,
    subject,
    signal,
  }: Pick<RevocationRequest, 'serialNumber' | 'subject'> & { readonly signal: AbortSignal },
): Promise<IssuedCertificate> {
  const { certificateId, current } = certificate;
  const known = leavesOf(certificate);
  const found = subject?.issued;
  const serialOf = (each: IssuedCertificate) => ownFacts(each).serialNumber;
  const asked = found ?? current;
  const wanted = serialNumber?.toUpperCase() ?? (asked && serialOf(asked));
  const issued =
    known.find((each) => serialOf(each) === wanted) ??
    (found && serialOf(found) === wanted ? found : undefined) ??
    (wanted === undefined || isComplete(places, certificate)
      ? undefined
      : await findInHistory(places, { certificateId, serialNumber: wanted }, signal));
  if (issued) return issued;
  const list = known.map(serialOf).join(', ');
  const has = list ? `it has: ${list}` : 'it has none';
  const what =
    wanted === undefined
      ? `Certificate ${certificateId} was never issued: there is nothing to revoke.`
      : `Certificate ${certificateId} has no valid leaf with the serial number ${wanted} (${has}).`;
  throw new ManagerError('CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND', what);
}

/** `CERTBUS_MANAGER_CONFIG_INVALID`: no CA of the configuration issued it. */
export function cameFromElsewhere({ serialNumber }: Pick<IssuedCertificate, 'serialNumber'>): ManagerError {
  const what = `The certificate with the serial number ${serialNumber} came from elsewhere: revoke it where it came from.`;
  return new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
}

/** The leaf that a request names, and what it is served as. Rejects `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`. */
async function subjectOf(
  places: Places,
  { certificateId, serialNumber, subject }: Pick<RevocationRequest, 'certificateId' | 'serialNumber' | 'subject'>,
  signal: AbortSignal,
) {
  const { state } = places.view;
  const certificate = state.certificate(certificateId);
  // Of a removed one nothing is current; its older leaves are as valid as before.
  if (!certificate || (certificate.removed && serialNumber === undefined)) throw certificateNotFound(certificateId);
  const issued = await find(places, certificate, { serialNumber, subject, signal });
  const isDropped = !leavesOf(certificate).includes(issued);
  return { issued, isDropped, served: servedAs(state, certificate, issued.leafHash) };
}

/**
 * What a request is about, by the bus as it was last read. A leaf that its state has dropped is looked for in its history. Rejects
 * `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`, or as that is read.
 */
export async function revocationSubject(
  places: Places,
  request: Pick<RevocationRequest, 'certificateId' | 'serialNumber'>,
  { signal }: { readonly signal: AbortSignal },
): Promise<RevocationSubject> {
  const { issued, served } = await subjectOf(places, request, signal);
  return { serialNumber: ownFacts(issued).serialNumber, issued, servedAs: served };
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
  const { issued, isDropped, served } = await subjectOf(context, request, options.signal);
  const { directory, leafHash } = issued;
  const { serialNumber } = ownFacts(issued);
  if (directory === undefined) throw cameFromElsewhere(issued);
  const authority = authorityAt(options.config, directory);
  const leaf = Buffer.from(issued.leaf, 'base64');
  const certificateKey = identity === undefined ? undefined : await createOpener(identity).openKeyOf(issued);
  const replacements: (string | undefined)[] = [];
  for (const each of served) replacements.push((await renew(context, each.certificateId, options)).serialNumber);
  const ca = await openAccount(context, authority, options);
  const { signal } = options;
  await revoke(ca, leaf, { reason, signal, ...(certificateKey === undefined ? {} : { certificateKey }) });
  const recorded = { leafHash, reason: REVOCATION_REASONS[reason] };
  for (const id of new Set([certificateId, ...served.map((each) => each.certificateId)]))
    await decide(context, (state) =>
      recordRevocation(state, { ...recorded, certificateId: id, isDropped: isDropped && id === certificateId }),
    );
  return { certificateId, serialNumber, replacement: replacements[0] };
}
