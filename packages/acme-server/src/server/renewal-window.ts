/** When a certificate should be renewed (RFC 9773 §4.2). */
import type { IssuedCertificate } from './records.ts';
import type { Incident } from './renewal-script.ts';

/** When a certificate is to be renewed. */
export interface RenewalWindow {
  readonly start: Date;
  readonly end: Date;
  readonly isIncident: boolean;
}

const MINUTE_MS = 60_000;
const SHORT_MS = 10 * 86_400_000;

/**
 * The window as Let's Encrypt makes it: around two thirds of the validity, the half of one below ten days, and two hundredths of it
 * wide. It is over already for a certificate that was revoked or that an incident concerns.
 */
export function renewalWindow(
  { notBefore, notAfter, certificateId, revoked }: IssuedCertificate,
  incident: Incident | undefined,
  now: Date,
): RenewalWindow {
  const isIncident = incident !== undefined && (incident.certificateIds?.includes(certificateId) ?? true);
  if (isIncident || revoked) {
    const before = (minutes: number) => new Date(now.getTime() - minutes * MINUTE_MS);
    return { start: before(60), end: before(30), isIncident };
  }
  const validityMs = notAfter.getTime() + 1000 - notBefore.getTime();
  const ideal = notAfter.getTime() - (validityMs < SHORT_MS ? validityMs / 2 : validityMs / 3);
  const margin = validityMs / 100;
  return { start: new Date(ideal - margin), end: new Date(ideal + margin), isIncident: false };
}
