/** Opens keys, each leaf once at a time, and remembers which of them cannot be used on this server. */
import type { IssuedCertificate, ManagedCertificate } from '@certbus/events';
import type { ClientError } from '../errors.ts';
import type { Unopened } from '../health.ts';
import type { Candidate } from './ranking.ts';

const MAX_LISTED = 100;

/** Openings of keys. What was refused stays refused until its leaf or its sealed key changes, and costs nothing until then. */
export interface Openings<Material> {
  /** Chain and opened key; callers that ask for one leaf at the same time share an opening. Rejects with what was remembered, else as `open`. */
  open(candidate: Candidate): Promise<Material>;
  /**
   * Remembers that a leaf or its key cannot be used here. Returns whether an alarm is due: the first time for a managed certificate, and
   * again once it has changed.
   */
  refuse(candidate: Candidate, error: ClientError): boolean;
  /** Whether an alarm about something else than a key is due for a certificate: once, and again once it has changed. Never throws. */
  isDue(certificateId: string, code: string): boolean;
  /**
   * Takes what a certificate is now: what it no longer has is forgotten, and all of it where there is none. Returns whether something was
   * refused that may open now.
   */
  keep(certificateId: string, certificate: ManagedCertificate | undefined): boolean;
  /** Forgets everything. */
  clear(): void;
  /** Certificates whose current leaf is refused, 100 ids at most; of what was renewed since, nobody needs the key. */
  refused(): Unopened;
}

export interface OpeningsOptions<Material> {
  readonly open: (candidate: Candidate) => Promise<Material>;
  /** The certificate as it is now. */
  readonly certificate: (certificateId: string) => ManagedCertificate | undefined;
  /** Whether opening this once more would fail in the same way; what a busy disk refuses is tried again. */
  readonly isLasting: (error: ClientError) => boolean;
}

/** A key can be sealed again for other recipients while its leaf stays. */
const markOf = ({ leafHash, sealedKey }: IssuedCertificate): string => `${leafHash} ${sealedKey}`;

const marksOf = (certificate: ManagedCertificate | undefined): readonly string[] =>
  certificate && !certificate.removed
    ? [certificate.current, ...certificate.predecessors].flatMap((issued) => (issued ? [markOf(issued)] : []))
    : [];

/** The first of many, of which no copy is made. */
function firstOf(all: Iterable<string>, most: number): string[] {
  const first: string[] = [];
  for (const each of all) {
    if (first.length === most) break;
    first.push(each);
  }
  return first;
}

/** Nothing is opened or refused yet. */
export function createOpenings<Material>({
  open,
  certificate,
  isLasting,
}: OpeningsOptions<Material>): Openings<Material> {
  const opening = new Map<string, Promise<Material>>();
  /** Errors by leaf and sealed key, by certificate. */
  const refusals = new Map<string, Map<string, ClientError>>();
  const unopened = new Set<string>();
  /** What a certificate was when an alarm was raised, by certificate and code; `undefined` where it could not be read. */
  const alarmed = new Map<string, Map<string, string | undefined>>();

  /** What a certificate is; `undefined` where it cannot be read, as after the end or on a failing disk: a handshake goes on all the same. */
  function stateOf(certificateId: string): string | undefined {
    try {
      return marksOf(certificate(certificateId)).join('\n');
    } catch {
      return undefined;
    }
  }

  function isDue(certificateId: string, code: string): boolean {
    const raised = alarmed.get(certificateId) ?? new Map<string, string | undefined>();
    const state = stateOf(certificateId);
    if (raised.has(code) && (state === undefined || raised.get(code) === state)) return false;
    alarmed.set(certificateId, raised.set(code, state));
    return true;
  }

  async function openNow(candidate: Candidate): Promise<Material> {
    const material = await open(candidate);
    // What a busy disk refused before opens now.
    if (!candidate.isPredecessor) unopened.delete(candidate.certificateId);
    return material;
  }

  return {
    async open(candidate) {
      const mark = markOf(candidate.issued);
      const refused = refusals.get(candidate.certificateId)?.get(mark);
      if (refused) throw refused;
      const key = `${candidate.certificateId} ${mark}`;
      const shared = opening.get(key) ?? openNow(candidate).finally(() => opening.delete(key));
      opening.set(key, shared);
      return shared;
    },
    refuse({ certificateId, issued, isPredecessor }, error) {
      const errors = refusals.get(certificateId) ?? new Map<string, ClientError>();
      const mark = markOf(issued);
      if (errors.has(mark)) return false;
      if (isLasting(error)) refusals.set(certificateId, errors.set(mark, error));
      if (!isPredecessor) unopened.add(certificateId);
      return isDue(certificateId, error.code);
    },
    isDue,
    keep(certificateId, kept) {
      const marks = marksOf(kept);
      const before = refusals.get(certificateId);
      const errors = [...(before ?? [])].filter(([mark]) => marks.includes(mark));
      if (errors.length > 0) refusals.set(certificateId, new Map(errors));
      else refusals.delete(certificateId);
      const isRefused = kept?.current && errors.some(([mark]) => mark === marks[0]);
      if (!isRefused) unopened.delete(certificateId);
      if (marks.length === 0) alarmed.delete(certificateId);
      return (before?.size ?? 0) > errors.length;
    },
    clear() {
      refusals.clear();
      unopened.clear();
      alarmed.clear();
    },
    refused: () => ({ count: unopened.size, certificateIds: firstOf(unopened, MAX_LISTED) }),
  };
}
