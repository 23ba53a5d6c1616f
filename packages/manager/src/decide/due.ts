/** Which certificates a manager acts on now. */
import { LONGEST_PAUSE_MS, type ManagedCertificate } from '@certbus/events';
import type { ManagerState } from '../state/state.ts';

/**
 * What a manager should act on by `at`: what is due, the longest first, and then what would be, had a manager whose clock was wrong not
 * put it off for longer than any claim or back-off lasts. Read as it is asked for.
 */
export function* dueBy(
  state: Pick<ManagerState, 'due' | 'paused'>,
  { at, now }: { readonly at: Date; readonly now: Date },
): Iterable<ManagedCertificate> {
  yield* state.due(at);
  const until = new Date(Math.max(now.getTime() + LONGEST_PAUSE_MS, at.getTime()));
  yield* state.paused({ until, wantedBy: at });
}
