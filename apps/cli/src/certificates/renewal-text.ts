/** Puts into words when and why a certificate is renewed. */
import { claimantOf, dutyOf, type Failure, type ManagedCertificate, NEVER, nextActionAt } from '@certbus/events';

/** Why a manager acts on a certificate at `due`, as it is now. */
export function reasonOf(certificate: ManagedCertificate, due: Date, now: Date): string {
  const { current, revoked, renewalInfo, failure, issuance } = certificate;
  const claimant = claimantOf(certificate, now);
  if (claimant !== undefined) return `${claimant} is at work on it`;
  if (issuance) return 'an issuance was interrupted';
  if (failure && due.getTime() === dutyOf(certificate)?.pausedUntil?.getTime()) return 'the last attempt failed';
  if (!current) return 'it was never issued';
  if (revoked) return 'the CA revoked it';
  if (!renewalInfo) return 'by its lifetime; the CA has not given a window yet';
  const { windowStart, windowEnd, renewAt, explanationUrl } = renewalInfo;
  if (due.getTime() < Date.parse(renewAt)) return `its end is near, though the CA would wait until ${renewAt}`;
  return `the CA asks for it from ${windowStart} to ${windowEnd}${explanationUrl ? `, see ${explanationUrl}` : ''}`;
}

/** When a manager tries it again, as it decides: what the bus says can be later than any pause lasts. */
export function nextAttempt(certificate: ManagedCertificate, { notBefore, retryAt }: Failure, now: Date): string {
  if (notBefore === NEVER) return 'given up: once the names can be proved again, run "certbus cert renew"';
  const next = nextActionAt(certificate, now)?.toISOString() ?? notBefore;
  const isEarlier = retryAt !== undefined && retryAt < next;
  return `next attempt from ${next}${isEarlier ? ', or once the CA answers again' : ''}`;
}
