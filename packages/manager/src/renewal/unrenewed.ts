/** Finds what has ended, or is about to, and was not renewed by a run, whatever the reason. */
import type { ManagedCertificate } from '@certbus/events';
import type { Context } from '../context.ts';
import { dueBy } from '../decide/due.ts';
import { holdOf, isEnding } from '../decide/put-off.ts';
import type { RenewalOutcome } from './outcome.ts';
import { inTurns } from './turns.ts';

/** As many as a run renews. */
const LIMIT = 10_000;

/** What is wanted by now, held by a claim or a back-off or not. */
function* wanted({ view: { state } }: Context, now: Date): Iterable<ManagedCertificate> {
  yield* dueBy(state, { at: now, now });
  yield* state.paused({ until: now, wantedBy: now });
}

function outcomeOf(certificate: ManagedCertificate, now: Date): RenewalOutcome {
  const { certificateId, names } = certificate;
  const subject = { certificateId, names, isEnding: true };
  const hold = holdOf(certificate, now);
  if (!hold) return { ...subject, outcome: 'postponed' };
  const { until } = hold;
  return hold.kind === 'claimed'
    ? { ...subject, outcome: 'claimed-elsewhere', holder: hold.holder, until }
    : { ...subject, outcome: hold.kind, until };
}

/**
 * The outcomes of a run, with what has ended or is urgent and was not renewed marked and, where the run did not try it, added: what
 * somebody else claims, what waits for the end of a back-off, and what the run's limit left.
 */
export async function withUnrenewed(
  context: Context,
  outcomes: readonly RenewalOutcome[],
): Promise<readonly RenewalOutcome[]> {
  const now = context.now();
  const known = new Map(outcomes.map((each) => [each.certificateId, each]));
  let left = LIMIT;
  for await (const certificate of inTurns(wanted(context, now))) {
    const { certificateId } = certificate;
    const before = known.get(certificateId);
    if (left === 0) break;
    if (before?.outcome === 'renewed' || before?.isEnding || !isEnding(certificate, now)) continue;
    left -= 1;
    const isTried = before?.outcome === 'failed' || before?.outcome === 'postponed';
    known.set(certificateId, isTried ? { ...before, isEnding: true } : outcomeOf(certificate, now));
  }
  return [...known.values()];
}
