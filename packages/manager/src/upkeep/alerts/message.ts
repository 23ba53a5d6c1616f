/** What a place is told of an alert, whatever form it wants. */
import { cleanLine, sha256 } from '@certbus/events';
import { type Alert, type AlertKind, type AlertSeverity, alertKey, severityOf } from '../../decide/alert.ts';

/** What a place is told of an alert. Text is clean: it came from CAs and DNS. */
export interface AlertMessage {
  /** The same for each copy, of whichever manager, and for the end of the alert. */
  readonly id: string;
  readonly alert: AlertKind | 'test';
  readonly status: 'raised' | 'cleared';
  readonly severity: AlertSeverity;
  readonly subject: string;
  /** One line that needs nothing else to be understood. */
  readonly summary: string;
  readonly detail: string;
  readonly since: Date;
  readonly until: Date | undefined;
}

const SUMMARIES: Readonly<Record<AlertKind, string>> = {
  failing: 'a certificate cannot be renewed',
  'nearing-floor': 'a certificate is about to end',
  expired: 'a certificate has ended',
  'frozen-bus': 'the bus is frozen',
  quota: 'a limit of a CA is nearly used up',
  'ca-outage': 'a CA fails',
  'claim-stuck': 'a claim is stuck',
  'archive-failing': 'the archive cannot be written',
  'dns-doubted': 'DNS shows too many names lost at once',
};

/** The message about an alert that is raised, or over. */
export function messageOf(
  alert: Alert,
  { busId, until }: { readonly busId: string; readonly until: Date | undefined },
): AlertMessage {
  const { kind, subject, since } = alert;
  const detail = cleanLine(alert.detail);
  const about = `${SUMMARIES[kind]}: ${detail}`;
  return {
    id: sha256(Buffer.from(`${busId} ${alertKey(alert)} ${since.toISOString()}`)),
    alert: kind,
    status: until ? 'cleared' : 'raised',
    severity: severityOf(kind),
    subject: cleanLine(subject),
    summary: `CertBus: ${until ? `over: ${about}` : about}`,
    detail,
    since,
    until,
  };
}

/** A message that says nothing is wrong. */
export function testMessage({ now, holder }: { readonly now: Date; readonly holder: string }): AlertMessage {
  const detail = `${cleanLine(holder)} can reach this destination`;
  return {
    id: sha256(Buffer.from(`test ${holder} ${now.toISOString()}`)),
    alert: 'test',
    status: 'raised',
    severity: 'warning',
    subject: 'test',
    summary: `CertBus: a test, nothing is wrong: ${detail}`,
    detail,
    since: now,
    until: undefined,
  };
}
