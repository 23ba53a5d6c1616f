import { AcmeError } from '../errors.ts';
import type { PresentedChallenge, SolvableChallenge, Solver } from '../solver.ts';
import type { Acme, Session } from '../wire/acme.ts';
import { type Authorization, challengeFailed, readAuthorization } from './authorization.ts';
import { type Asked, type Challenge, isOfType, presentedChallenge } from './challenge.ts';
import { type Order, orderGone } from './order.ts';
import { mapFew } from './parallel.ts';
import { poll, startWaiting } from './poll.ts';
import { mayHaveArrived } from './unsure.ts';

const CLEAN_UP_MS = 60_000;
const CLEAN_UP_ABORTED_MS = 10_000;

/** What proving the names of an order takes. */
export interface ProofJob {
  readonly ca: Acme;
  readonly session: Session;
  /** The type that is asked for; one that the solver answers. */
  readonly challenge: SolvableChallenge;
  readonly solver: Solver;
  /** Whether an earlier run may have got somewhere, and left answers behind. */
  readonly isResumed: boolean;
  /** Aborted: another driver has the order now, so its answers stay where they are. */
  readonly abandon: AbortSignal | undefined;
}

interface Proof {
  readonly authorization: Authorization;
  readonly challenge: Challenge;
  readonly presented: PresentedChallenge;
}

/** Who is asked; the account's URL may cost a request, and is found out only for the challenges that it is part of. */
async function askedOf({ session, challenge }: ProofJob): Promise<Asked> {
  const isOfAccount = challenge === 'dns-account-01' || challenge === 'dns-persist-01';
  return isOfAccount ? { accountUrl: await session.accountUrl() } : {};
}

function proofOf({ ca, challenge: wanted }: ProofJob, authorization: Authorization, asked: Asked): Proof {
  const { name, isWildcard, challenges } = authorization;
  const challenge = challenges.find(isOfType(wanted));
  if (challenge) {
    const presented = presentedChallenge(name, challenge, ca.thumbprint, { ...asked, isWildcard });
    return { authorization, challenge, presented };
  }
  const offered = challenges.map(({ type }) => type).join(', ') || 'none';
  const subject = isWildcard ? `*.${name}` : name;
  const message = `The CA offers no ${wanted} challenge for ${subject} (it offers: ${offered}). Choose one of these.`;
  throw new AcmeError('CERTBUS_ACME_NO_SOLVER', message);
}

/** Answers that an earlier run may have left in place for names that are settled by now. */
function leftoversOf(
  { ca, challenge: wanted, isResumed }: ProofJob,
  settled: readonly Authorization[],
  asked: Asked,
): PresentedChallenge[] {
  if (!isResumed) return [];
  return settled.flatMap(({ name, challenges }) =>
    challenges
      .filter(isOfType(wanted))
      .filter(({ token }) => token)
      .map((challenge) => presentedChallenge(name, challenge, ca.thumbprint, asked)),
  );
}

async function cleanUp(
  { ca, session, solver, abandon }: ProofJob,
  answers: readonly PresentedChallenge[],
): Promise<void> {
  if (abandon?.aborted || answers.length === 0) return;
  const deadlineMs = session.signal.aborted ? CLEAN_UP_ABORTED_MS : CLEAN_UP_MS;
  using cleaning = await ca.open({ signal: new AbortController().signal, deadlineMs });
  try {
    await solver.cleanUp(answers, { signal: cleaning.signal });
  } catch (error) {
    const names = answers.map(({ name }) => name);
    ca.logger.warn('answers to challenges could not be taken away; they do no harm', { names, why: String(error) });
  }
}

async function solve(
  { session, challenge, solver }: ProofJob,
  step: 'present' | 'ready',
  proofs: readonly Proof[],
): Promise<void> {
  const answers = proofs.map(({ presented }) => presented);
  try {
    await solver[step](answers, { signal: session.signal });
  } catch (cause) {
    session.signal.throwIfAborted();
    if (cause instanceof AcmeError) throw cause;
    const names = [...new Set(answers.map(({ name }) => name))].join(', ');
    const what = step === 'present' ? 'could not be published' : 'did not become visible';
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `The ${challenge} answers for ${names} ${what}: ${why}`;
    throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message, { cause });
  }
}

/** Says when to look for the verdict, where the CA does (RFC 8555 §7.5.1). */
async function answer({ session }: ProofJob, { authorization, challenge }: Proof): Promise<Date | undefined> {
  // Anything but pending was answered by an earlier run, and must not be answered twice.
  if (challenge.status !== 'pending') return undefined;
  try {
    return (await session.answer(challenge.url)).retryAfter;
  } catch (error) {
    session.signal.throwIfAborted();
    const { status, challenges, retryAfter } = await readAuthorization(session, authorization.url);
    const same = challenges.find(({ url }) => url === challenge.url);
    if (status !== 'pending' || same?.status !== 'pending') return retryAfter;
    if (!mayHaveArrived(error)) throw error;
    return (await session.answer(challenge.url)).retryAfter;
  }
}

async function awaitVerdict(
  { ca, session }: ProofJob,
  { authorization }: Proof,
  retryAfter: Date | undefined,
): Promise<Authorization> {
  return poll(startWaiting(ca, session, 'validation'), {
    first: { ...authorization, retryAfter },
    read: () => readAuthorization(session, authorization.url),
    isDone: ({ status }) => status !== 'pending',
  });
}

/** Present all, wait once, answer all, wait for the verdicts: a wildcard and its apex share one TXT name. */
async function proveAll(job: ProofJob, proofs: readonly Proof[]): Promise<void> {
  await solve(job, 'present', proofs);
  await solve(job, 'ready', proofs);
  const answered = await mapFew(proofs, async (proof) => ({ proof, retryAfter: await answer(job, proof) }));
  const verdicts = await mapFew(answered, ({ proof, retryAfter }) => awaitVerdict(job, proof, retryAfter));
  const failed = verdicts.filter(({ status }) => status !== 'valid');
  const { gate, thumbprint } = job.ca;
  for (const { status, name } of failed) if (status === 'invalid') gate.limiter.nameFailed(thumbprint, name);
  if (failed.length > 0) throw challengeFailed(job.ca, failed);
}

const bare = (name: string): string => name.replace(/^\*\./, '');

/** Reads one authorization of an order. A CA has nothing to ask about names that were not ordered, which may be ours as well. */
async function readOwn(session: Session, order: Order, url: string): Promise<Authorization> {
  const authorization = await readAuthorization(session, url);
  const { name } = authorization;
  if (order.names.some((ordered) => bare(ordered) === name)) return authorization;
  const message = `The CA wants ${name} proved for the order ${order.url}, which is for ${order.names.join(', ')}.`;
  throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
}

/** Proves every name of a pending order that is not proven yet. Answers are cleaned up whatever happens, unless abandoned. */
export async function proveNames(job: ProofJob, order: Order): Promise<void> {
  const { ca, session } = job;
  const authorizations = await mapFew(order.authorizations, (url) => readOwn(session, order, url));
  const pending = authorizations.filter(({ status }) => status === 'pending');
  const settled = authorizations.filter(({ status }) => status !== 'pending');
  const dead = settled.filter(({ status }) => status !== 'valid');
  const asked = await askedOf(job);
  const leftovers = leftoversOf(job, settled, asked);
  if (dead.length > 0) {
    await cleanUp(job, leftovers);
    if (job.isResumed) throw orderGone(order.url, `the authorization of ${dead[0]?.name} is ${dead[0]?.status}`);
    throw challengeFailed(ca, dead);
  }
  const proofs = pending.map((authorization) => proofOf(job, authorization, asked));
  try {
    if (proofs.length > 0) await proveAll(job, proofs);
  } finally {
    await cleanUp(job, [...proofs.map(({ presented }) => presented), ...leftovers]);
  }
}

/** Takes away what an earlier run, ended before it could, left for an order whose names need no proof any more. */
export async function sweep(job: ProofJob, order: Order): Promise<void> {
  const { ca, session } = job;
  const settled = await mapFew(order.authorizations, async (url) => {
    try {
      return await readOwn(session, order, url);
    } catch (error) {
      session.signal.throwIfAborted();
      ca.logger.debug('an old authorization cannot be read', { url, why: String(error) });
      return undefined;
    }
  });
  const found = settled.filter((authorization) => authorization !== undefined);
  await cleanUp(job, leftoversOf(job, found, await askedOf(job)));
}
