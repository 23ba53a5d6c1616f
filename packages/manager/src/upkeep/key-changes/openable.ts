/** Lists the certificates whose private key somebody can open who is not sealed to any more, or cannot open who came later. */
import type { IssuedCertificate, ManagedCertificate, Recipient } from '@certbus/events';
import { issuedFilter } from '../../renewal/campaign/predicate.ts';
import { inTurns } from '../../renewal/turns.ts';
import { type RootHistory, rootHistoryOf } from '../../state/root-history.ts';
import type { RootPicture } from './keys-in-force.ts';

/** A bus can have a million; the counts are exact. */
const MAX_LISTED = 1_000;

/** Certificates that are served, or stand in for one that is. */
export interface SealedCertificates {
  readonly count: number;
  /** The first 1,000 of them, in order of id. */
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

/** Looks at every certificate of the bus, and holds no more of them than it lists. Rejects with the signal's reason. */
async function list(
  { certificates: all }: RootPicture,
  { fits, signal }: ListOptions & { readonly fits: Fits },
): Promise<SealedCertificates> {
  const certificates: { readonly certificateId: string; readonly names: readonly string[] }[] = [];
  let count = 0;
  for await (const certificate of inTurns(all())) {
    signal?.throwIfAborted();
    const { certificateId, names, current, predecessors } = certificate;
    const issued = current ? [current, ...predecessors] : predecessors;
    if (!issued.some((each) => fits(certificate, each))) continue;
    count += 1;
    if (count <= MAX_LISTED) certificates.push({ certificateId, names });
  }
  return { count, certificates };
}

/** Certificates of which one of these recipients can open a private key; also those of which the bus does not say whom it was sealed to. */
export async function findOpenable(
  picture: RootPicture,
  recipients: readonly Recipient[],
  options: ListOptions = {},
): Promise<SealedCertificates> {
  if (recipients.length === 0) return NONE_SEALED;
  const history = historyOf(picture);
  const filters = recipients.map(({ recipient }) => issuedFilter({ sealedTo: recipient }, history));
  const fits: Fits = (certificate, issued) => filters.some((canOpen) => canOpen(certificate, issued));
  return list(picture, { ...options, fits });
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
  return list(picture, { ...options, fits });
}
