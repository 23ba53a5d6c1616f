/** What state a managed certificate is in, in a word and a reason. */
import { claimantOf, isUrgent, type ManagedCertificate, nextActionAt } from '@certbus/events';
import type { ListedCertificate, PlainCertificate } from '@certbus/runtime/picture';

/** The states of a certificate, the one that needs a person most first. */
export const STATES = ['expired', 'not-issued', 'failing', 'expiring', 'due', 'renewing', 'valid'] as const;

/**
 * `expired`: servers show one that has ended. `not-issued`: there is none yet. `failing`: the last attempt to renew it failed, or names of it
 * left our control. `expiring`: a sixth of its lifetime or less is left. `due`: it is to be renewed now. `renewing`: a manager is at work on
 * it. `valid`: none of these. An imported one that is not renewed here is `valid`, `expiring` or `expired`.
 */
export type CertificateState = (typeof STATES)[number];

/** A state, and why it is that; no reason for what is valid. */
export interface CertificateStatus {
  readonly status: CertificateState;
  readonly why?: string;
}

/** What a certificate waits for, where it has neither failed nor come to its end. */
function waitingFor(certificate: ManagedCertificate, now: Date): string | undefined {
  const { issuance, revoked, current, directory } = certificate;
  const claimant = claimantOf(certificate, now);
  if (claimant !== undefined) return `${claimant} is at work on it`;
  if (issuance) return 'an attempt was interrupted';
  if (revoked) return 'its CA revoked it';
  if (current?.distrusted) return 'an expelled manager obtained it';
  return directory === undefined ? 'it was imported, and is not renewed here' : undefined;
}

/** The same by the dates alone of a certificate of which nothing else is to be told. */
function plainStatusOf({ notAfter, urgentAt, wantedAt }: PlainCertificate, now: Date): CertificateStatus {
  const at = now.getTime();
  if (notAfter <= at) return { status: 'expired' };
  if (urgentAt <= at) return { status: 'expiring' };
  return { status: wantedAt <= at ? 'due' : 'valid' };
}

/** Whether a certificate in a list has its dates alone. */
export const isPlain = (certificate: ListedCertificate): certificate is PlainCertificate => 'wantedAt' in certificate;

/** The state of a certificate at an instant. */
export function statusOf(certificate: ListedCertificate, now: Date): CertificateStatus {
  if (isPlain(certificate)) return plainStatusOf(certificate, now);
  const { current, failure, revoked, lost } = certificate;
  const failed = failure && (failure.own ?? failure);
  const reason = lost?.detail ?? (failed ? failed.detail || failed.problem : waitingFor(certificate, now));
  const as = (status: CertificateState): CertificateStatus => ({ status, ...(reason ? { why: reason } : {}) });
  if (!current) return reason ? as('not-issued') : { status: 'not-issued', why: 'it was not tried yet' };
  if (Date.parse(current.notAfter) <= now.getTime()) return as('expired');
  if (failed || lost) return as('failing');
  if (!revoked && isUrgent(certificate, now)) return as('expiring');
  if (claimantOf(certificate, now) !== undefined) return as('renewing');
  const due = nextActionAt(certificate, now);
  return due && due <= now ? as('due') : { status: 'valid' };
}
