/** Shows what an expulsion would make void, before anybody is expelled. */
import { type BusEvent, type EventType, sha256 } from '@certbus/events';
import { decodeCommit, type Expulsion } from '@certbus/events/history';
import type { Bus } from '@certbus/store';
import { ownFacts } from '../../issuance/leaf.ts';
import { type HistoryOptions, type ReadCommit, readHistory } from '../history.ts';
import { findSuspect, type Suspect, type Suspicion } from './suspect.ts';

/** Anyone who has a manager's key could write any number of them; the counts are exact. */
const MAX_LISTED = 1_000;

/** An event of a suspect. */
export interface SuspectEvent {
  readonly position: number;
  /** The certificate, directory, name or place that it is about; `undefined` for the bus as a whole, and where it cannot be read. */
  readonly subject: string | undefined;
}

/** All events of one type. */
export interface EventsOfType {
  /** As it is written on the bus, whether this release knows it or not. */
  readonly type: string;
  readonly count: number;
  /** In order, the first 1,000. */
  readonly events: readonly SuspectEvent[];
}

/** A leaf that a suspect obtained, or whose private key it made. The certificate can have newer ones, of others, or be removed. */
export interface SuspectCertificate {
  readonly certificateId: string;
  readonly names: readonly string[];
  /** Hexadecimal, of the leaf itself, whatever its event says. */
  readonly serialNumber: string;
  /** SHA-256 of the leaf, base64url. */
  readonly leafHash: string;
  /** Its end, ISO 8601, as above. */
  readonly notAfter: string;
  /** The CA whose account can revoke it; `undefined` where it came from elsewhere. */
  readonly directory: string | undefined;
  /** Position of the commit that has it. */
  readonly position: number;
}

/** What a suspect left on the bus. */
export interface Traces {
  /** What is void, by type. */
  readonly voided: readonly EventsOfType[];
  /** What counts all the same: certificates and issuers, by type. */
  readonly kept: readonly EventsOfType[];
  /** Leaves to be replaced and revoked, as the suspect may have their private keys; without those whose revocation is on the bus. */
  readonly certificates: readonly SuspectCertificate[];
}

/** What an expulsion would do. */
export interface ExpulsionPlan extends Omit<Suspect, 'head'>, Traces {
  /** The head of the bus that was looked at. */
  readonly position: number;
}

function subjectOf(event: BusEvent | undefined): string | undefined {
  if (!event) return undefined;
  if ('certificateId' in event) return event.certificateId;
  if ('directory' in event) return event.directory;
  if ('identifier' in event) return event.identifier;
  if ('place' in event) return event.place;
  return event.type === 'IssuerAdded' ? event.hash : undefined;
}

/** Gathers events by type, in the order in which the types came. */
function createTally() {
  const byType = new Map<string, { count: number; readonly events: SuspectEvent[] }>();
  return {
    add(type: string, event: SuspectEvent): void {
      const known = byType.get(type) ?? { count: 0, events: [] };
      byType.set(type, known);
      known.count += 1;
      if (known.events.length < MAX_LISTED) known.events.push(event);
    },
    all: (): EventsOfType[] => [...byType].map(([type, { count, events }]) => ({ type, count, events })),
  };
}

type Issued = Extract<BusEvent, { readonly leaf: string }>;

function certificateOf(event: Issued, position: number): SuspectCertificate {
  const { certificateId, names, leaf } = event;
  const directory = event.type === 'CertificateImported' ? event.issuedBy : event.directory;
  const { serialNumber, notAfter } = ownFacts(event);
  const leafHash = sha256(Buffer.from(leaf, 'base64'));
  return { certificateId, names, serialNumber, leafHash, notAfter: notAfter.toISOString(), directory, position };
}

/** Types whose issuance has a private key that the writer of the event made. */
const MAKES_KEY: ReadonlySet<string> = new Set(['IssuanceStarted', 'CsrReplaced'] satisfies EventType[]);

/** Finds all that expulsions make void, and the leaves to be replaced and revoked, on the whole of a bus. */
export async function findTraces(
  bus: Bus,
  { expelled = [], signal }: HistoryOptions & { readonly expelled: readonly Expulsion[] },
): Promise<Traces> {
  const [voided, kept] = [createTally(), createTally()];
  const certificates: SuspectCertificate[] = [];
  /** Issuances whose private key a suspect made, so that it has it, also where others completed them. */
  const tainted = new Set<string>();
  const revoked = new Set<string>();
  const takeCommit = ({ commit: { position, events }, stored }: ReadCommit) => {
    // What is void has no content any more; as it was written it has.
    const written = events.some(({ distrusted }) => distrusted) ? decodeCommit(stored.bytes).events : events;
    for (const [index, { type, event, distrusted }] of events.entries()) {
      const original = written[index]?.event;
      if (distrusted) (event ? kept : voided).add(type, { position, subject: subjectOf(original) });
      if (distrusted && original && MAKES_KEY.has(type) && 'issuanceId' in original) tainted.add(original.issuanceId);
      if (event?.type === 'CertificateRevoked') revoked.add(event.leafHash);
      if (!event || !('leaf' in event)) continue;
      const isTainted = distrusted || ('issuanceId' in event && tainted.has(event.issuanceId));
      if (isTainted) certificates.push(certificateOf(event, position));
    }
  };
  for await (const read of readHistory(bus, { expelled, signal })) takeCommit(read);
  const left = certificates.filter(({ leafHash }) => !revoked.has(leafHash));
  return { voided: voided.all(), kept: kept.all(), certificates: left };
}

/**
 * What the expulsion of a manager would make void, and which certificates would have to be replaced. Nothing is written. Reads the whole
 * bus twice. Rejects `CERTBUS_MANAGER_MANAGER_NOT_FOUND`, with the `HistoryError` of a commit that is refused, and with a `StoreError`.
 */
export async function planExpulsion(
  bus: Bus,
  { signal, ...suspicion }: Suspicion & { readonly signal?: AbortSignal | undefined },
): Promise<ExpulsionPlan> {
  const { head, ...suspect } = await findSuspect(bus, suspicion, { signal });
  const { manager, key, since } = suspect;
  const { position, rootSequence } = head;
  // Whatever is written while this reads would be void, too.
  const expulsion: Expulsion = { manager, key, since, position: Number.MAX_SAFE_INTEGER, sequence: rootSequence + 1 };
  return { ...suspect, position, ...(await findTraces(bus, { expelled: [expulsion], signal })) };
}
