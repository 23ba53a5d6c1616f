/** Asks the CAs when they want their certificates renewed (RFC 9773). */
import {
  type Acme,
  AcmeError,
  AcmeProblemError,
  isOutage,
  type RenewalInfo,
  readDirectory,
  renewalInfo,
} from '@certbus/acme';
import type { IssuedCertificate } from '@certbus/events';
import { connectToRead } from '../accounts/connect.ts';
import { openAccount } from '../accounts/open-account.ts';
import type { CertificateAuthority, Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { recordRenewalInfo } from '../decide/renewal-info.ts';
import { isBusError } from '../errors.ts';
import { isNameable } from '../issuance/leaf.ts';
import { accountAt } from '../state/accounts.ts';
import { isOpen, LONGEST_NOTE_MS, type RenewalInfoNotes } from './renewal-info-schedule.ts';
import { isFirstQuestion, isNoted, noteLeaves } from './renewal-info-stretch.ts';
import { inTurns } from './turns.ts';

const MINUTE_MS = 60_000;
const LONGEST_PAUSE_MS = 6 * 60 * MINUTE_MS;
/** At a tenth of a second each, twelve thousand within a run's bound, and far below the thousand a second that Let's Encrypt takes. */
const PARALLEL = 20;
/** Asking never holds up renewing by more than this; who was not asked is asked in the next run, early. */
const ASKING_MS = 60_000;
/** As many as a run renews: of those that are due, only the next are asked about out of turn. */
const DUE_MAX = 10_000;
/** What has ended is not asked about, until a clock that was wrong when it looked so could have been set right. */
const ENDED_PAUSE_MS = 7 * 24 * 60 * MINUTE_MS;

/** A leaf that RFC 9773 cannot name is renewed by its lifetime, and never has an answer. */
const UNNAMED_PAUSE_MS = ENDED_PAUSE_MS;

interface Asking {
  readonly notes: RenewalInfoNotes;
  readonly signal: AbortSignal;
}

/** The questions to one CA that failed: a CA that fails for each of many certificates is one line of a log. */
interface FailedQuestions {
  note(certificateId: string, error: unknown): void;
  report(): void;
}

interface Question {
  readonly certificateId: string;
  readonly current: IssuedCertificate;
}

/** What is asked about first, small, so that all of it can wait. */
interface DueQuestion {
  readonly certificateId: string;
  readonly leafHash: string;
  readonly directory: string;
  readonly askAt: number;
  /** Drawn, so that managers of several machines do not ask about the same ones at the same time. */
  readonly lot: number;
}

type DueQuestions = ReadonlyMap<string, readonly DueQuestion[]>;

const hasEnded = ({ notAfter }: IssuedCertificate, now: Date): boolean => Date.parse(notAfter) <= now.getTime();

/** What is renewed in this run unless the CA has changed its word, by CA; what has waited longest comes first. */
async function readDue({ view, random, ...context }: Context, notes: RenewalInfoNotes): Promise<DueQuestions> {
  const now = context.now();
  const open: DueQuestion[] = [];
  let left = DUE_MAX;
  for await (const { certificateId, current, renewalInfo } of inTurns(view.state.due(now))) {
    if (left === 0) break;
    left -= 1;
    if (current?.directory === undefined || hasEnded(current, now)) continue;
    const { leafHash, directory } = current;
    const noted = notes.get(certificateId);
    const note = noted?.leafHash === leafHash ? noted : { askAt: new Date(0), failures: 0 };
    if (isOpen(note, now) || isFirstQuestion(note, { renewalInfo, now }))
      open.push({ certificateId, leafHash, directory, askAt: note.askAt.getTime(), lot: random() });
  }
  open.sort((one, other) => one.askAt - other.askAt || one.lot - other.lot);
  return Map.groupBy(open, ({ directory }) => directory);
}

/** What is due and still served with what it was found with; each is looked up when its turn comes. */
async function* dueQuestions({ view }: Context, due: readonly DueQuestion[]): AsyncGenerator<Question, void> {
  for (const { certificateId, leafHash } of due) {
    const current = view.state.certificate(certificateId)?.current;
    // What was renewed meanwhile is not asked about any more.
    if (current?.leafHash === leafHash) yield { certificateId, current };
  }
}

/** Those that have waited longest come first; each is looked up when its turn comes. */
async function* notedQuestions(
  { view, now }: Context,
  { directory, notes, signal }: { readonly directory: string } & Asking,
): AsyncGenerator<Question, void> {
  const asked = new Set<string>();
  const at = now();
  for await (const note of inTurns(notes.open(directory, at))) {
    if (signal.aborted) return;
    const { certificateId } = note;
    if (asked.has(certificateId)) continue;
    const current = view.state.certificate(certificateId)?.current;
    if (current?.directory === undefined) notes.forget(certificateId);
    else if (current.directory !== directory)
      notes.set({ certificateId, leafHash: current.leafHash, directory: current.directory, askAt: at, failures: 0 });
    else if (hasEnded(current, at)) notes.set({ ...note, askAt: new Date(at.getTime() + ENDED_PAUSE_MS) });
    else {
      asked.add(certificateId);
      yield { certificateId, current };
    }
  }
}

/** Whether asking the CA about other certificates as well has no use now: it is down, failed, or has had enough requests. */
function stopsAsking(error: unknown): boolean {
  if (isOutage(error)) return true;
  if (error instanceof AcmeProblemError) return error.class === 'authority' || error.class === 'rate-limited';
  return error instanceof AcmeError && error.code !== 'CERTBUS_ACME_NOT_ACME';
}

/** A permanent answer and one that makes no sense are asked about again in 6 hours, a passing failure sooner. */
function pauseAfter(error: unknown, failures: number): number {
  const isPassing = error instanceof AcmeProblemError ? error.class === 'temporary' : stopsAsking(error);
  return isPassing ? Math.min(MINUTE_MS * 4 ** (failures - 1), LONGEST_PAUSE_MS) : LONGEST_PAUSE_MS;
}

async function record(
  context: Context,
  { certificateId, current }: Question,
  { info, signal }: { readonly info: RenewalInfo; readonly signal: AbortSignal },
): Promise<void> {
  const { leafHash } = current;
  const heard = { certificateId, leafHash, info, chance: context.random() };
  await decide(context, (state) => recordRenewalInfo(state, heard), { signal });
}

/** Whether a person or the system ended the asking, which is not a failure; its own limit of time is one. */
const isToldToEnd = ({ aborted, reason }: AbortSignal): boolean =>
  aborted && !(reason instanceof DOMException && reason.name === 'TimeoutError');

/** Ends the asking where the CA is not at fault, so that nothing is noted of it. */
function stopAfter({ logger }: Context, error: unknown, signal: AbortSignal): 'stop' {
  if (!isToldToEnd(signal)) logger.warn('the asking when to renew ended early', { why: String(error) });
  return 'stop';
}

function createFailedQuestions({ logger }: Context, directory: string): FailedQuestions {
  let count = 0;
  let first: { readonly certificateId: string; readonly why: string } | undefined;
  return {
    note(certificateId, error) {
      count += 1;
      first ??= { certificateId, why: String(error) };
      logger.info('a CA was asked in vain when to renew a certificate', { certificateId, why: String(error) });
    },
    report() {
      if (first) logger.warn('a CA could not be asked when to renew', { directory, certificates: count, ...first });
    },
  };
}

async function askOne(
  context: Context,
  {
    ca,
    directory,
    failed,
    notes,
    signal,
  }: { readonly ca: Acme; readonly directory: string; readonly failed: FailedQuestions } & Asking,
  question: Question,
): Promise<'go on' | 'stop'> {
  const { certificateId } = question;
  const { leaf, leafHash } = question.current;
  const subject = { certificateId, leafHash, directory };
  const der = Buffer.from(leaf, 'base64');
  if (!isNameable(der)) {
    notes.set({ ...subject, askAt: new Date(context.now().getTime() + UNNAMED_PAUSE_MS), failures: 0 });
    return 'go on';
  }
  try {
    const info = await renewalInfo(ca, der, { signal });
    if (!info) return 'stop';
    await record(context, question, { info, signal });
    notes.set({ ...subject, askAt: info.retryAt, failures: 0 });
    return 'go on';
  } catch (error) {
    // What the bus did not take is asked about again in the next run.
    if (signal.aborted || isBusError(error)) return stopAfter(context, error, signal);
    const noted = notes.get(certificateId);
    const failures = (noted?.leafHash === leafHash ? noted.failures : 0) + 1;
    const retryAt = error instanceof AcmeError ? error.notBefore?.getTime() : undefined;
    const askAt = Math.max(context.now().getTime() + pauseAfter(error, failures), retryAt ?? 0);
    notes.set({ ...subject, askAt: new Date(askAt), failures });
    failed.note(certificateId, error);
    return stopsAsking(error) ? 'stop' : 'go on';
  }
}

/** Asks one CA, several questions at a time. */
async function askAuthority(
  context: Context,
  authority: CertificateAuthority,
  {
    config,
    questions,
    notes,
    signal,
  }: { readonly config: Configuration; readonly questions: AsyncGenerator<Question, void> } & Asking,
): Promise<void> {
  const { directory } = authority;
  const first = await questions.next();
  if (first.done) return;
  const failed = createFailedQuestions(context, directory);
  const asking = { ca: await openAccount(context, authority, { config, signal }), directory, failed, notes, signal };
  let isStopped = (await askOne(context, asking, first.value)) === 'stop';
  const worker = async () => {
    for (let next = await questions.next(); !next.done && !isStopped; next = await questions.next()) {
      if ((await askOne(context, asking, next.value)) === 'stop') isStopped = true;
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker)).finally(failed.report);
}

/** Does something at each CA; what goes wrong there is logged, and holds up nothing. */
async function atEach(
  { logger }: Context,
  { authorities, signal }: { readonly authorities: readonly CertificateAuthority[]; readonly signal: AbortSignal },
  work: (authority: CertificateAuthority) => Promise<void>,
): Promise<void> {
  const attempt = async (authority: CertificateAuthority) => {
    try {
      await work(authority);
    } catch (error) {
      if (isToldToEnd(signal)) return;
      logger.warn('a CA could not be asked when to renew', { directory: authority.directory, why: String(error) });
    }
  };
  await Promise.all(authorities.map(attempt));
}

type Options = { readonly config: Configuration } & Asking;

const withLimit = ({ signal }: Asking): AbortSignal => AbortSignal.any([signal, AbortSignal.timeout(ASKING_MS)]);

/**
 * Asks the CAs about what is due, so that what they want later is renewed later (RFC 9773), where the notes say that it is time to, and
 * records what is new. Nothing that goes wrong here holds up a renewal: it is logged, and asked again later. Never rejects.
 */
export async function askAboutDue(context: Context, { config, notes, ...options }: Options): Promise<void> {
  const signal = withLimit({ notes, ...options });
  const due = await readDue(context, notes);
  await atEach(context, { authorities: Object.values(config.authorities), signal }, (authority) => {
    const questions = dueQuestions(context, due.get(authority.directory) ?? []);
    return askAuthority(context, authority, { config, questions, notes, signal });
  });
}

function isEmpty(items: Iterable<unknown>): boolean {
  for (const _ of items) return false;
  return true;
}

/** Whether the notes have all that is served, and nobody is to be asked now. */
function isQuiet({ view, now }: Context, { config, notes }: Options): boolean {
  if (!isNoted(view.replica, notes.stretch())) return false;
  return Object.values(config.authorities).every(({ directory }) => isEmpty(notes.open(directory, now())));
}

/** The CAs at which the bus has an account that say when to renew, and whether all of them could be asked. */
async function findOffering(context: Context, { config, signal }: Options) {
  const offering: CertificateAuthority[] = [];
  let isSure = true;
  const { connections, view } = context;
  const known = Object.values(config.authorities).filter(({ directory }) => accountAt(view.state.bus, directory));
  await atEach(context, { authorities: known, signal }, async (authority) => {
    if (connections.outage(authority.directory)) {
      isSure = false;
      return;
    }
    const read = connectToRead(context, authority).then((ca) => readDirectory(ca, { signal }));
    read.catch(() => {
      isSure = false;
    });
    if ((await read).renewalInfo !== undefined) offering.push(authority);
  });
  return { offering, isSure };
}

/**
 * When to ask these CAs next; soon where not all is noted, or asking broke off. Not sooner in any case: of a large fleet there is a question at every moment, and
 * those of a minute are asked together.
 */
function nextAt(
  { now }: Context,
  { notes }: Options,
  { authorities, isComplete }: { readonly authorities: readonly CertificateAuthority[]; readonly isComplete: boolean },
): Date {
  const at = now();
  const isLeft = !isComplete || authorities.some((each) => !isEmpty(notes.open(each.directory, at)));
  const instants = authorities.flatMap(({ directory }) => notes.next(directory, at) ?? []);
  const [soon, latest] = [at.getTime() + MINUTE_MS, at.getTime() + LONGEST_NOTE_MS];
  const next = Math.min(latest, ...instants.map((instant) => instant.getTime()));
  return new Date(isLeft ? soon : Math.max(soon, next));
}

/**
 * Asks every CA that says when it wants its certificates renewed about those whose time it is to ask, for a minute at most, and records what is
 * new. Where no CA says it, nothing is noted either. Resolves with when there is something to ask again. Never rejects: what goes wrong is logged.
 */
export async function askAboutOthers(context: Context, options: Options): Promise<Date> {
  const { config, notes } = options;
  const all = Object.values(config.authorities);
  if (isQuiet(context, options)) return nextAt(context, options, { authorities: all, isComplete: true });
  const signal = withLimit(options);
  const { offering, isSure } = await findOffering(context, { ...options, signal });
  if (offering.length > 0) {
    const { isComplete } = await noteLeaves(context, notes);
    await atEach(context, { authorities: offering, signal }, (authority) => {
      const questions = notedQuestions(context, { directory: authority.directory, notes, signal });
      return askAuthority(context, authority, { config, questions, notes, signal });
    });
    return nextAt(context, options, { authorities: offering, isComplete });
  }
  const pauseMs = isSure ? LONGEST_PAUSE_MS : MINUTE_MS;
  return new Date(context.now().getTime() + pauseMs);
}
