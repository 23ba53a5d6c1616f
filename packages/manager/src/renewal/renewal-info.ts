import { type Acme, AcmeError, AcmeProblemError, type RenewalInfo, renewalInfo } from '@certbus/acme';
import { type IssuedCertificate, nextActionAt } from '@certbus/events';
import { openAuthority } from '../accounts/account.ts';
import type { Authority, Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { recordRenewalInfo } from '../decide/renewal-info.ts';

/** When to ask about one leaf again, and how often asking has failed since it last went well. */
export interface RenewalInfoNote {
  readonly askAt: Date;
  readonly failures: number;
}

/** Port: a manager's own notes of when to ask a CA about a leaf, by the leaf's hash. What is lost is only asked for again. */
export interface RenewalInfoNotes {
  get(leafHash: string): RenewalInfoNote | undefined;
  set(leafHash: string, note: RenewalInfoNote): void;
}

const MINUTE_MS = 60_000;
const LONGEST_PAUSE_MS = 6 * 60 * MINUTE_MS;
/** At a tenth of a second each, twelve thousand within a run's bound, and far below the thousand a second that Let's Encrypt takes. */
const PARALLEL = 20;
/** Asking never holds up renewing by more than this; who was not asked is asked in the next run, early. */
const ASKING_MS = 60_000;
/** Nobody is asked to wait for longer than a week, so a note of more was made by a clock that was wrong. */
const LONGEST_NOTE_MS = 8 * 24 * 60 * MINUTE_MS;

interface Question {
  readonly certificateId: string;
  readonly current: IssuedCertificate;
}

/** What may be asked about by now, small, so that all of it can wait. */
interface Open {
  readonly certificateId: string;
  readonly leafHash: string;
  readonly askAt: number;
  /** Whether it is renewed in this run unless the CA has changed its word. */
  readonly isDue: boolean;
  /** Drawn, so that managers of several machines do not ask about the same ones at the same time. */
  readonly lot: number;
}

function isOpen({ notAfter }: IssuedCertificate, note: RenewalInfoNote | undefined, now: number): boolean {
  const waitMs = (note?.askAt.getTime() ?? 0) - now;
  return Date.parse(notAfter) > now && (waitMs <= 0 || waitMs > LONGEST_NOTE_MS);
}

/** Those that are due come first, then those that have waited longest. */
function openQuestions({ view, random, ...context }: Context, notes: RenewalInfoNotes, directory: string): Open[] {
  const now = context.now().getTime();
  const open: Open[] = [];
  for (const certificate of view.state.all()) {
    const { certificateId, current } = certificate;
    if (current?.directory !== directory) continue;
    const { leafHash } = current;
    const note = notes.get(leafHash);
    if (!isOpen(current, note, now)) continue;
    const isDue = (nextActionAt(certificate)?.getTime() ?? Number.POSITIVE_INFINITY) <= now;
    open.push({ certificateId, leafHash, askAt: note?.askAt.getTime() ?? 0, isDue, lot: random() });
  }
  return open.sort(
    (one, other) => Number(other.isDue) - Number(one.isDue) || one.askAt - other.askAt || one.lot - other.lot,
  );
}

/** Looked up when its turn comes: what was renewed meanwhile is not asked about any more. */
function* questions({ view }: Context, open: readonly Open[]): Iterable<Question> {
  for (const { certificateId, leafHash } of open) {
    const current = view.state.certificate(certificateId)?.current;
    if (current?.leafHash === leafHash) yield { certificateId, current };
  }
}

/** Whether the CA as a whole cannot be asked now. */
function isOutage(error: unknown): boolean {
  if (error instanceof AcmeProblemError) return error.class === 'authority' || error.class === 'rate-limited';
  return error instanceof AcmeError && error.code !== 'CERTBUS_ACME_NOT_ACME';
}

/** A permanent answer and one that makes no sense are asked about again in 6 hours, a passing failure sooner. */
function pauseAfter(error: unknown, failures: number): number {
  const isPassing = error instanceof AcmeProblemError ? error.class === 'temporary' : isOutage(error);
  return isPassing ? Math.min(MINUTE_MS * 4 ** (failures - 1), LONGEST_PAUSE_MS) : LONGEST_PAUSE_MS;
}

async function record(context: Context, { certificateId, current }: Question, info: RenewalInfo): Promise<void> {
  const { leafHash } = current;
  const heard = { certificateId, leafHash, info, chance: context.random() };
  await decide(context, (state) => recordRenewalInfo(state, heard));
}

async function askOne(
  context: Context,
  { ca, notes, signal }: { readonly ca: Acme; readonly notes: RenewalInfoNotes; readonly signal: AbortSignal },
  question: Question,
): Promise<'go on' | 'stop'> {
  const { leaf, leafHash } = question.current;
  try {
    const info = await renewalInfo(ca, Buffer.from(leaf, 'base64'), { signal });
    if (!info) return 'stop';
    await record(context, question, info);
    notes.set(leafHash, { askAt: info.retryAt, failures: 0 });
    return 'go on';
  } catch (error) {
    if (signal.aborted) return 'stop';
    const failures = (notes.get(leafHash)?.failures ?? 0) + 1;
    const retryAt = error instanceof AcmeError ? error.notBefore?.getTime() : undefined;
    const askAt = Math.max(context.now().getTime() + pauseAfter(error, failures), retryAt ?? 0);
    notes.set(leafHash, { askAt: new Date(askAt), failures });
    const { certificateId } = question;
    context.logger.warn('a CA could not be asked when to renew', { certificateId, why: String(error) });
    return isOutage(error) ? 'stop' : 'go on';
  }
}

async function askAuthority(
  context: Context,
  authority: Authority,
  { notes, signal }: { readonly notes: RenewalInfoNotes; readonly signal: AbortSignal },
): Promise<void> {
  const open = questions(context, openQuestions(context, notes, authority.directory))[Symbol.iterator]();
  const first = open.next();
  if (first.done) return;
  const ca = await openAuthority(context, authority, { signal });
  let isStopped = (await askOne(context, { ca, notes, signal }, first.value)) === 'stop';
  const worker = async () => {
    for (let next = open.next(); !next.done && !isStopped; next = open.next()) {
      if ((await askOne(context, { ca, notes, signal }, next.value)) === 'stop') isStopped = true;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

/**
 * Asks every CA when it wants its certificates renewed (RFC 9773), where the notes say that it is time to, and records what is
 * new. Nothing that goes wrong here holds up a renewal: it is logged, and asked again later. Only an abort rejects.
 */
export async function askRenewalInfo(
  context: Context,
  {
    config,
    notes,
    signal,
  }: { readonly config: Configuration; readonly notes: RenewalInfoNotes; readonly signal: AbortSignal },
): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ASKING_MS)]);
  await Promise.all(
    Object.values(config.authorities).map(async (authority) => {
      try {
        await askAuthority(context, authority, { notes, signal: limit });
      } catch (error) {
        const { directory } = authority;
        context.logger.warn('a CA could not be asked when to renew', { directory, why: String(error) });
      }
    }),
  );
  signal.throwIfAborted();
}
