/** Which certificates are wanted and not acted on now: somebody else claims them, or a back-off lasts. */
import { dutyOf, isUrgent, type ManagedCertificate } from '@certbus/events';
import type { ManagerState } from '../state/state.ts';
import { isQuarantined } from './quarantine.ts';

/** Why a certificate that is wanted is not acted on. */
export type Hold =
  | { readonly kind: 'claimed'; readonly holder: string; readonly until: Date }
  | { readonly kind: 'backed-off'; readonly until: Date }
  /** Names of it left our control; `until` is the next look. */
  | { readonly kind: 'quarantined'; readonly until: Date; readonly detail: string };

/** A certificate that is wanted and not acted on. */
export interface PutOff {
  readonly certificate: ManagedCertificate;
  readonly hold: Hold;
  /** Whether it has ended, was revoked, or has a sixth of its lifetime or less left. */
  readonly isEnding: boolean;
}

/** Whether servers have nothing valid to show for a certificate that was issued, or soon will not: it was revoked, has ended or is urgent. */
export const isEnding = (certificate: ManagedCertificate, now: Date): boolean =>
  certificate.current !== undefined && isUrgent(certificate, now);

/** What holds a certificate; `undefined` where a manager can act on it. A claim that has ended can still count for those who ask for it. */
export function holdOf(certificate: ManagedCertificate, now: Date): Hold | undefined {
  const { issuance } = certificate;
  if (issuance?.holder !== undefined)
    return { kind: 'claimed', holder: issuance.holder, until: new Date(issuance.until) };
  const until = dutyOf(certificate)?.pausedUntil;
  if (!until || until <= now) return undefined;
  const { lost } = certificate;
  return lost && isQuarantined(certificate)
    ? { kind: 'quarantined', until, detail: lost.detail }
    : { kind: 'backed-off', until };
}

/** What is wanted by now and put off, read as it is asked for. */
export function* putOff(state: ManagerState, now: Date): Iterable<PutOff> {
  for (const certificate of state.paused({ until: now, wantedBy: now })) {
    const hold = holdOf(certificate, now);
    if (hold) yield { certificate, hold, isEnding: isEnding(certificate, now) };
  }
}
