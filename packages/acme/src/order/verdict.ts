/** Waits for the CA's verdict on a challenge that was answered, and answers it again where the CA leaves it open with an error. */
import { DeadlineError } from '../errors.ts';
import type { Engine, Session } from '../wire/engine.ts';
import { type Authorization, challengeError, readAuthorization, subjectOf } from './authorization.ts';
import type { Challenge } from './challenge.ts';
import { type OnSlow, startWaiting } from './poll.ts';

/** How long an error may stand before the challenge counts as failed. A repair that takes longer is for the next attempt. */
const PATIENCE_MS = 60_000;
/** From the first error to the next answer, and from each answer to the one after it. After the last, the rest of the time is waited. */
const PAUSES_MS = [2000, 5000, 10_000, 20_000] as const;

/** Where a verdict is waited for. */
export interface VerdictContext {
  readonly engine: Engine;
  readonly session: Session;
  /** Takes each new error with which the CA leaves a challenge open, in the CA's own words. */
  readonly onWarning: (message: string) => void;
  /** Called where the CA takes more than a few seconds. */
  readonly onSlow: OnSlow;
  /** Whether another name of the order has failed: then nothing is gained by a further answer. */
  readonly isLost: () => boolean;
}

const same =
  ({ url }: Pick<Challenge, 'url'>) =>
  (each: Challenge) =>
    each.url === url;

/** Whether a challenge is decided. step-ca leaves the authorization pending when its challenge is invalid. */
function isDecided({ status, challenges }: Authorization, challenge: Challenge): boolean {
  return status !== 'pending' || challenges.find(same(challenge))?.status === 'invalid';
}

/** Asks the CA to look again (RFC 8555 §8.2); gives the time to look for the verdict, where the CA names one. */
async function answerAgain({ engine, session }: VerdictContext, { url }: Challenge): Promise<Date | undefined> {
  try {
    return (await session.answer(url)).retryAfter;
  } catch (error) {
    session.signal.throwIfAborted();
    // What the authorization says next counts: it can have been decided meanwhile.
    engine.logger.info('a challenge could not be answered again', { url, why: String(error) });
    return undefined;
  }
}

/** The errors of one challenge that the CA leaves open, and what is done about them. */
function watchErrors(context: VerdictContext, challenge: Challenge) {
  const { engine, onWarning } = context;
  let ends = Number.POSITIVE_INFINITY;
  let answers = 0;
  let nextAnswerAt: number | undefined;
  let shown = '';

  function show(authorization: Authorization): void {
    const { message } = challengeError(authorization, challenge);
    if (message === shown) return;
    shown = message;
    engine.logger.warn('the CA cannot confirm a name yet, and is asked again', {
      name: subjectOf(authorization),
      why: message,
    });
    onWarning(`${message}. The CA is asked again.`);
  }

  return {
    /** When something is to be done although the CA named no time. */
    nextAt: () => (nextAnswerAt === undefined ? undefined : new Date(nextAnswerAt)),
    /** Answers again where it is time; `undefined` where the challenge counts as failed. */
    async meet(authorization: Authorization): Promise<Authorization | undefined> {
      const now = engine.now().getTime();
      ends = Math.min(ends, now + PATIENCE_MS);
      nextAnswerAt ??= now + PAUSES_MS[0];
      const isLate = Math.max(now, authorization.retryAfter?.getTime() ?? now) >= ends;
      if (isLate || context.isLost()) return undefined;
      show(authorization);
      if (now < nextAnswerAt) return authorization;
      const retryAfter = await answerAgain(context, challenge);
      answers += 1;
      const pauseMs = PAUSES_MS[answers];
      nextAnswerAt = pauseMs === undefined ? ends : engine.now().getTime() + pauseMs;
      return { ...authorization, retryAfter };
    },
  };
}

/**
 * Waits for the verdict on a challenge. A CA may leave a challenge open with an error while it, or its client, tries again (RFC 8555 §8.2):
 * the error is shown, the challenge is answered again a few times, `Retry-After` respected, and after a minute it counts as failed. Then
 * the authorization comes back as it is, with the error in its challenge; so it does where the session's deadline comes first.
 */
export async function awaitVerdict(
  context: VerdictContext,
  { authorization, challenge }: { readonly authorization: Authorization; readonly challenge: Challenge },
  retryAfter: Date | undefined,
): Promise<Authorization> {
  const { engine, session } = context;
  const waiting = startWaiting(engine, session, 'validation', context.onSlow);
  const what = `The CA has not decided yet whether it can confirm ${subjectOf(authorization)}`;
  const errors = watchErrors(context, challenge);
  let current: Authorization = { ...authorization, retryAfter };
  let failing: Authorization | undefined;
  try {
    for (;;) {
      await waiting.pause(current.retryAfter, { what, until: errors.nextAt() });
      current = await readAuthorization(session, authorization.url);
      if (isDecided(current, challenge)) break;
      if (!current.challenges.find(same(challenge))?.error) continue;
      failing = current;
      const next = await errors.meet(current);
      if (!next) return failing;
      current = next;
    }
  } catch (error) {
    // What the CA says is the reason, and not how long it was waited for.
    if (failing && error instanceof DeadlineError) return failing;
    throw error;
  }
  // Answers of our own in between say nothing of how long the CA takes.
  if (!failing) waiting.done();
  return current;
}
