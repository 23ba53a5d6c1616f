/** Proves the names of an order: presents the challenges, answers them, waits for the verdicts, cleans up. */
import { AcmeError } from '../errors.ts';
import type { PresentedChallenge, SolvableChallenge, Solver } from '../solver/solver.ts';
import type { Engine, Session } from '../wire/engine.ts';
import { mayHaveArrived } from '../wire/may-have-arrived.ts';
import { type Authorization, challengeFailed, readAuthorization, subjectOf } from './authorization.ts';
import { type Challenge, type ChallengeSubject, isOfType, presentedChallenge } from './challenge.ts';
import { type Order, orderGone } from './order.ts';
import { mapFew } from './parallel.ts';
import type { OnSlow } from './poll.ts';
import { awaitVerdict } from './verdict.ts';

const CLEAN_UP_MS = 60_000;
/** Less than the five seconds in which a manager that is told to stop has released its claims. */
const CLEAN_UP_ABORTED_MS = 4_000;

/** What proving the names of an order takes. */
export interface ProofContext {
  readonly engine: Engine;
  readonly session: Session;
  /** The type that is asked for; one that the solver answers. */
  readonly challenge: SolvableChallenge;
  readonly solver: Solver;
  /** Whether an earlier run may have got somewhere, and left answers behind. */
  readonly isResumed: boolean;
  /** Takes what goes wrong while the verdicts are waited for, in words for the operator. */
  readonly onWarning: (message: string) => void;
  /** Called where the CA takes more than a few seconds for a verdict. */
  readonly onSlow: OnSlow;
  /** Aborted: another process has taken the order over, so its answers stay where they are. */
  readonly abandon: AbortSignal | undefined;
}

interface Proof {
  readonly authorization: Authorization;
  readonly challenge: Challenge;
  readonly presented: PresentedChallenge;
}

/** Who is asked; the account's URL may cost a request, and is looked up only for the challenges that contain it. */
async function askedOf({ session, challenge }: ProofContext): Promise<ChallengeSubject> {
  const isOfAccount = challenge === 'dns-account-01' || challenge === 'dns-persist-01';
  return isOfAccount ? { accountUrl: await session.accountUrl() } : {};
}

function proofOf(
  { engine, challenge: wanted }: ProofContext,
  authorization: Authorization,
  asked: ChallengeSubject,
): Proof {
  const { name, isWildcard, challenges } = authorization;
  const challenge = challenges.find(isOfType(wanted));
  if (challenge) {
    const presented = presentedChallenge(name, challenge, engine.thumbprint, { ...asked, isWildcard });
    return { authorization, challenge, presented };
  }
  const offered = challenges.map(({ type }) => type).join(', ') || 'none';
  const message = `The CA offers no ${wanted} challenge for ${subjectOf(authorization)} (it offers: ${offered}). Choose one of these.`;
  throw new AcmeError('CERTBUS_ACME_NO_SOLVER', message);
}

/** Answers that an earlier run may have left in place for names whose authorizations are no longer pending. */
function leftoversOf(
  { engine, challenge: wanted, isResumed }: ProofContext,
  decided: readonly Authorization[],
  asked: ChallengeSubject,
): PresentedChallenge[] {
  if (!isResumed) return [];
  return decided.flatMap(({ name, challenges }) =>
    challenges
      .filter(isOfType(wanted))
      .filter(({ token }) => token)
      .map((challenge) => presentedChallenge(name, challenge, engine.thumbprint, asked)),
  );
}

async function cleanUp(
  { engine, session, solver, abandon }: ProofContext,
  answers: readonly PresentedChallenge[],
): Promise<void> {
  if (abandon?.aborted || answers.length === 0) return;
  const deadlineMs = session.signal.aborted ? CLEAN_UP_ABORTED_MS : CLEAN_UP_MS;
  using cleaning = await engine.open({ signal: new AbortController().signal, deadlineMs });
  try {
    await solver.cleanUp(answers, { signal: cleaning.signal });
  } catch (error) {
    const names = answers.map(({ name }) => name);
    engine.logger.warn('answers to challenges could not be taken away; they do no harm', { names, why: String(error) });
  }
}

async function solve(
  { session, challenge, solver }: ProofContext,
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

/** Answers a challenge, and gives the time to look for the verdict, where the CA names one (RFC 8555 §7.5.1). */
async function answer({ session }: ProofContext, { authorization, challenge }: Proof): Promise<Date | undefined> {
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

/** Present all, wait once, answer all, wait for the verdicts: a wildcard and its apex share one TXT name. */
async function proveAll(context: ProofContext, proofs: readonly Proof[]): Promise<void> {
  await solve(context, 'present', proofs);
  await solve(context, 'ready', proofs);
  const answered = await mapFew(proofs, async (proof) => ({ proof, retryAfter: await answer(context, proof) }));
  let isLost = false;
  const verdicts = await mapFew(answered, async ({ proof, retryAfter }) => {
    const verdict = await awaitVerdict({ ...context, isLost: () => isLost }, proof, retryAfter);
    isLost ||= verdict.status !== 'valid';
    return verdict;
  });
  const failed = verdicts.filter(({ status }) => status !== 'valid');
  const { limiter, thumbprint } = context.engine;
  const invalid = failed.filter((each) => isInvalid(context, each)).map(({ name }) => name);
  for (const name of invalid) limiter.nameFailed(thumbprint, name);
  if (failed.length > 0) throw challengeFailed(context.engine, failed, invalid.toSorted());
}

/** Whether the CA has decided against a name. step-ca leaves the authorization of an invalid challenge pending. */
function isInvalid({ challenge }: ProofContext, { status, challenges }: Authorization): boolean {
  return status === 'invalid' || (status === 'pending' && challenges.find(isOfType(challenge))?.status === 'invalid');
}

const bare = (name: string): string => name.replace(/^\*\./, '');

/** Reads one authorization of an order. A CA has nothing to ask about names that were not ordered, which may be our own as well. */
async function readOwn(session: Session, order: Order, url: string): Promise<Authorization> {
  const authorization = await readAuthorization(session, url);
  const { name } = authorization;
  if (order.names.some((ordered) => bare(ordered) === name)) return authorization;
  const message = `The CA wants ${name} proved for the order ${order.url}, which is for ${order.names.join(', ')}.`;
  throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
}

/** Proves every name of a pending order that is not proven yet. Answers are cleaned up whatever happens, unless abandoned. */
export async function proveNames(context: ProofContext, order: Order): Promise<void> {
  const { engine, session } = context;
  const authorizations = await mapFew(order.authorizations, (url) => readOwn(session, order, url));
  const isOpen = (each: Authorization) => each.status === 'pending' && !isInvalid(context, each);
  const pending = authorizations.filter(isOpen);
  const decided = authorizations.filter((each) => !isOpen(each));
  const dead = decided.filter(({ status }) => status !== 'valid');
  const asked = await askedOf(context);
  const leftovers = leftoversOf(context, decided, asked);
  if (dead.length > 0) {
    await cleanUp(context, leftovers);
    if (context.isResumed) throw orderGone(order.url, `the CA did not confirm ${dead[0]?.name}`);
    throw challengeFailed(engine, dead);
  }
  const proofs = pending.map((authorization) => proofOf(context, authorization, asked));
  try {
    if (proofs.length > 0) await proveAll(context, proofs);
  } finally {
    await cleanUp(context, [...proofs.map(({ presented }) => presented), ...leftovers]);
  }
}

/** Takes away what an earlier run, ended before it could, left for an order whose names no longer need a proof. */
export async function sweep(context: ProofContext, order: Order): Promise<void> {
  const { engine, session } = context;
  const found = await mapFew(order.authorizations, async (url) => {
    try {
      return await readOwn(session, order, url);
    } catch (error) {
      session.signal.throwIfAborted();
      engine.logger.debug('an old authorization cannot be read', { url, why: String(error) });
      return undefined;
    }
  });
  const readable = found.filter((authorization) => authorization !== undefined);
  await cleanUp(context, leftoversOf(context, readable, await askedOf(context)));
}
