/** What a target is to hold: what the replica says of the certificates that are selected. */
import type { Candidate, CertificateSummary, Health, MaterialSource } from '@certbus/client/material';
import { AgentError } from '../errors.ts';
import { checkPair, type Instants, type Pair } from '../pairs/pair.ts';
import type { Wanted } from '../targets/target.ts';
import { keptPairsOf } from './kept-pairs.ts';
import { isSelected, type Selection } from './selection.ts';

/** What is needed of a source. */
export type Certificates = Pick<
  MaterialSource,
  'certificates' | 'certificate' | 'material' | 'ranking' | 'open' | 'isWhole' | 'gone' | 'on'
> & { health(): Pick<Health, 'newestCommitAt'> };

/** A certificate that a target is to hold, before anything of it is opened. */
export interface Desired extends Wanted {
  /** SHA-256 of the leaf that the bus says is the current one, base64url. Another one is put where its key does not open here. */
  readonly leafHash: string;
  readonly notAfter: Date;
}

const instantsOf = (source: Certificates, now: Date): Instants => ({ now, begun: source.health().newestCommitAt });

async function openPair(
  source: Certificates,
  current: Pick<Pair, 'certificateId' | 'leafHash'>,
  now: Date,
): Promise<Pair> {
  const { certificateId } = current;
  const pairs = keptPairsOf(source);
  const kept = pairs.get(current, now);
  if (kept) return kept;
  const material = await source.material(certificateId);
  if (material) {
    const pair = checkPair(material, instantsOf(source, now));
    pairs.keep(pair, { now, until: material.until });
    return pair;
  }
  const why = source.certificate(certificateId)
    ? 'its private key does not open on this machine. Is this the identity of its recipients?'
    : 'it was removed meanwhile, or does not read in the replica.';
  const what = `Certificate ${certificateId} is not handed to any balancer: ${why}`;
  throw new AgentError('CERTBUS_AGENT_PAIR_REFUSED', what);
}

/** What is selected of a source, and by which clock it is judged. */
export interface DesiredOptions {
  readonly source: Certificates;
  readonly selection: Selection;
  readonly now: () => Date;
}

function desire(summary: CertificateSummary, { source, now }: DesiredOptions): Desired {
  const { certificateId, names, leafHash, notAfter } = summary;
  return { certificateId, names, leafHash, notAfter, open: () => openPair(source, summary, now()) };
}

/** The certificates that a selection takes, by id. */
export function allDesired(options: DesiredOptions): Map<string, Desired> {
  const desired = new Map<string, Desired>();
  for (const summary of options.source.certificates())
    if (isSelected(summary, options.selection)) desired.set(summary.certificateId, desire(summary, options));
  return desired;
}

/** One certificate, where the selection takes it. */
export function desiredOf(certificateId: string, options: DesiredOptions): Desired | undefined {
  const summary = options.source.certificate(certificateId);
  return summary && isSelected(summary, options.selection) ? desire(summary, options) : undefined;
}

/** What is to be done with certificates that a target holds and that are not desired. */
export interface Undesired {
  /** They are gone, or the selection leaves them out. */
  readonly remove: readonly string[];
  /** They stay, since they may be in what does not read of a damaged replica. */
  readonly unread: readonly string[];
}

/**
 * Sorts certificates that a target holds and that are not desired. Only what the replica positively says is removed, and nothing at all while it is
 * not whole.
 */
export async function sortUndesired(
  certificateIds: readonly string[],
  { source, selection }: Pick<DesiredOptions, 'source' | 'selection'>,
): Promise<Undesired> {
  if (certificateIds.length === 0) return { remove: [], unread: [] };
  const gone = await source.gone(certificateIds);
  const isExcluded = (id: string) => {
    const summary = source.certificate(id);
    return summary !== undefined && !isSelected(summary, selection);
  };
  const remove = certificateIds.filter((id) => gone.has(id) || isExcluded(id));
  return source.isWhole() ? { remove, unread: [] } : { remove: [], unread: certificateIds };
}

/** The certificate that ranks first for a name, of those that pass. */
export function bestFor(
  source: Certificates,
  serverName: string,
  isAmong: (certificateId: string) => boolean,
): string | undefined {
  return source.ranking(serverName).candidates.find(({ certificateId }) => isAmong(certificateId))?.certificateId;
}

/** The certificate that ranks first for a name, of those that are held or can be handed over: no default gives way to one that has no key here. */
export async function chooseDefault(
  source: Certificates,
  serverName: string,
  { desired, held }: { readonly desired: ReadonlyMap<string, Wanted>; readonly held: ReadonlyMap<string, unknown> },
): Promise<string | undefined> {
  for (const id of new Set(source.ranking(serverName).candidates.map(({ certificateId }) => certificateId))) {
    const wanted = desired.get(id);
    if (!wanted) continue;
    const isUsable =
      held.has(id) ||
      (await wanted.open().then(
        () => true,
        () => false,
      ));
    if (isUsable) return id;
  }
  return undefined;
}

/** One leaf of a certificate with its key, whether it is the current one or not; `undefined` where it cannot be had any more. */
export async function openLeaf(
  source: Certificates,
  { certificateId, names }: Pick<Wanted, 'certificateId' | 'names'>,
  leafHash: string,
  now: Date,
): Promise<Pair | undefined> {
  const isIt = (candidate: Candidate) =>
    candidate.certificateId === certificateId && candidate.issued.leafHash === leafHash;
  const candidate = source.ranking(names[0] ?? '').candidates.find(isIt);
  if (!candidate) return undefined;
  try {
    return checkPair(await source.open(candidate), instantsOf(source, now));
  } catch {
    return undefined;
  }
}
