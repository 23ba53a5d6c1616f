import { type ManagedCertificate, nextActionAt } from '@certbus/events';
import type { ManagerState } from '../state/state.ts';

const isBy = (instant: Date | undefined, at: Date): boolean => instant !== undefined && instant <= at;

/** What is due by `at`, and was put off further by a manager whose clock was wrong: no index finds it. */
export function* misdated(
  state: ManagerState,
  { at, now }: { readonly at: Date; readonly now: Date },
): Iterable<ManagedCertificate> {
  for (const certificate of state.all()) {
    if (!isBy(nextActionAt(certificate), at) && isBy(nextActionAt(certificate, now), at)) yield certificate;
  }
}

/** What a manager should act on by `at`. */
export function* dueBy(
  state: ManagerState,
  when: { readonly at: Date; readonly now: Date },
): Iterable<ManagedCertificate> {
  yield* state.allDue(when.at);
  yield* misdated(state, when);
}
