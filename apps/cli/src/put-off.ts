/** Puts into words why a certificate that is wanted is not renewed. */
import type { ManagedCertificate } from '@certbus/events';
import type { Hold } from '@certbus/manager';

/** How many certificates are named one by one. */
const SHOWN = 10;

function endOf({ current, revoked }: ManagedCertificate): string {
  if (!current) return 'was never issued';
  if (revoked) return 'was revoked';
  return Date.parse(current.notAfter) <= Date.now() ? `ended ${current.notAfter}` : `ends ${current.notAfter}`;
}

function reasonOf({ certificateId }: ManagedCertificate, hold: Hold | undefined): string {
  if (!hold) return `it is due, and "certbus cert renew ${certificateId}" renews it now`;
  const until = hold.until.toISOString();
  if (hold.kind === 'quarantined')
    return `${hold.detail}; no order is made for it, and it is looked at again from ${until}`;
  return hold.kind === 'claimed'
    ? `${hold.holder} claims it until ${until}`
    : `it failed, and is tried again from ${until}`;
}

/** A line about a certificate that is not renewed: its id, its names, its end, and what it waits for. */
export function describePutOff(certificate: ManagedCertificate, hold: Hold | undefined): string {
  const { certificateId, names } = certificate;
  return `${certificateId} (${names.join(', ')}) ${endOf(certificate)}: ${reasonOf(certificate, hold)}`;
}

/** The first of many lines, and how many there are beside them. */
export function firstOf(lines: readonly string[], shown: number = SHOWN): string[] {
  return lines.length <= shown ? [...lines] : [...lines.slice(0, shown), `${lines.length - shown} more`];
}
