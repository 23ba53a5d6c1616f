/** Lists the certificates whose private key somebody can open who is not sealed to any more, or cannot open who came later. */
import type { IssuedCertificate, ManagedCertificate, Recipient } from '@certbus/events';
import { issuedFilter, sealedToOf } from '../../renewal/campaign/predicate.ts';
import { inTurns } from '../../renewal/turns.ts';
import { type RootHistory, rootHistoryOf } from '../../state/root-history.ts';
import type { RootPicture } from './keys-in-force.ts';

/** A bus can have a million; the counts are exact. */
const MAX_LISTED = 1_000;

/** Certificates, removed ones among them, that have a leaf whose private key is meant. */
export interface SealedCertificates {
  readonly count: number;
  /** The first 1,000 of them, in order of id; behind them those that are removed. */
  readonly certificates: readonly { readonly certificateId: string; readonly names: readonly string[] }[];
}

/** Nothing is sealed to anybody. */
const NONE_SEALED: SealedCertificates = { count: 0, certificates: [] };

const historyOf = ({ rootEvents, bus, checkpoint }: RootPicture): RootHistory =>
  rootHistoryOf({ replica: { rootEvents: () => [...rootEvents] }, state: { bus }, checkpoint });

type Fits = (certificate: ManagedCertificate, issued: IssuedCertificate) => boolean;

/** How a list is made. */
interface ListOptions {
  /** Ends the look at what can be a million certificates. */
  readonly signal?: AbortSignal | undefined;
}

/** Looks at each of what can be a million certificates, and holds no more of them than it lists. Rejects with the signal's reason. */
async function list(
  all: Iterable<ManagedCertificate>,
  { fits, signal }: ListOptions & { readonly fits: Fits },
): Promise<SealedCertificates> {
  const certificates: { readonly certificateId: string; readonly names: readonly string[] }[] = [];
  let count = 0;
  for await (const certificate of inTurns(all)) {
    signal?.throwIfAborted();
    const { certificateId, names, current, predecessors, retired = [] } = certificate;
    const issued = [...(current ? [current] : []), ...predecessors, ...retired];
    if (!issued.some((each) => fits(certificate, each))) continue;
    count += 1;
    if (count <= MAX_LISTED) certificates.push({ certificateId, names });
  }
  return { count, certificates };
}

/** All of a bus, and behind them the removed ones that still have a leaf to be revoked at `now`. */
function* withRetired({ certificates, retired }: RootPicture, now: Date): Iterable<ManagedCertificate> {
  yield* certificates();
  yield* retired(now);
}

/**
 * Certificates of which one of these recipients can open a private key: of what is served, and of every leaf that has not ended at `now`. Also
 * those of which the bus does not say whom it was sealed to.
 */
export async function findOpenable(
  picture: RootPicture,
  recipients: readonly Recipient[],
  { now, ...options }: ListOptions & { readonly now: Date },
): Promise<SealedCertificates> {
  if (recipients.length === 0) return NONE_SEALED;
  const history = historyOf(picture);
  const filters = recipients.map(({ recipient }) => issuedFilter({ sealedTo: recipient }, history));
  const counts = (certificate: ManagedCertificate, issued: IssuedCertificate) =>
    issued === certificate.current || Date.parse(issued.notAfter) > now.getTime();
  const fits: Fits = (certificate, issued) =>
    counts(certificate, issued) && filters.some((canOpen) => canOpen(certificate, issued));
  return list(withRetired(picture, now), { ...options, fits });
}

/** A recipient that nothing is sealed to any more. */
export interface RemovedRecipient {
  readonly name: string;
  /** What `sealedTo` of a predicate calls it. */
  readonly sealedTo: string;
}

/** How these recipients are named in commands that replace what they can open. */
export function nameRemoved(picture: RootPicture, recipients: readonly Recipient[]): readonly RemovedRecipient[] {
  const history = historyOf(picture);
  return recipients.map((removed) => ({ name: removed.name, sealedTo: sealedToOf(removed, history) }));
}

/** Certificates of which one of these recipients cannot open a private key, as far as the bus says whom it was sealed to. */
export async function findUnopenable(
  picture: RootPicture,
  recipients: readonly Recipient[],
  options: ListOptions = {},
): Promise<SealedCertificates> {
  if (recipients.length === 0) return NONE_SEALED;
  const history = historyOf(picture);
  const filters = recipients.map(({ recipient }) => issuedFilter({ sealedTo: recipient }, history));
  const fits: Fits = (certificate, issued) =>
    issued === certificate.current &&
    (issued.origin?.recipientsPosition === undefined || filters.some((canOpen) => !canOpen(certificate, issued)));
  return list(picture.certificates(), { ...options, fits });
}
