/** What an alert is: its kind, whom it is about, and how much it matters. */
import { sha256 } from '@certbus/events';
import type { NotedAlert } from '@certbus/events/history';

/** What people are told of: what each means is in docs/guides/alerts.md. */
export const ALERT_KINDS = [
  'failing',
  'nearing-floor',
  'expired',
  'frozen-bus',
  'quota',
  'ca-outage',
  'claim-stuck',
  'archive-failing',
  'dns-doubted',
] as const;

/** What an alert is about. */
export type AlertKind = (typeof ALERT_KINDS)[number];

/** Kinds that are found where they happen, and that no look at the state of the bus finds to be over. */
export const FOUND_ELSEWHERE: ReadonlySet<string> = new Set<AlertKind>(['archive-failing', 'dns-doubted']);

/** `critical`: visitors see it, or soon will. `warning`: there is time. */
export type AlertSeverity = 'critical' | 'warning';

/** Something that needs people. */
export interface Alert {
  readonly kind: AlertKind;
  /** Whom it is about: a certificate's id, a CA's directory, {@link MANY}, or what the kind says. */
  readonly subject: string;
  /** Why, in a sentence for people. */
  readonly detail: string;
  readonly since: Date;
  /** When anyone could first see it, where that is known: managers who did not meet it themselves leave it to the one that did, for a moment. */
  readonly seenAt?: Date | undefined;
}

/** The subject of an alert about more certificates than people can be told of one by one. */
export const MANY = '*';

const SEVERITIES: Readonly<Record<AlertKind, AlertSeverity>> = {
  failing: 'warning',
  'nearing-floor': 'critical',
  expired: 'critical',
  'frozen-bus': 'critical',
  quota: 'warning',
  'ca-outage': 'warning',
  'claim-stuck': 'warning',
  'archive-failing': 'warning',
  'dns-doubted': 'warning',
};

/** How much an alert of a kind matters. */
export const severityOf = (kind: AlertKind): AlertSeverity => SEVERITIES[kind];

/** Names an alert: one of them is raised at a time. */
export const alertKey = ({ kind, subject }: Pick<Alert, 'kind' | 'subject'>): string => `${kind} ${subject}`;

/** As many characters of a detail or a subject as an alert has: an event takes four times as many. */
const MAX_CHARACTERS = 1_000;

const cut = (text: string, length: number): string => `${text.slice(0, length - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;

/** A subject within its bound: two that are cut stay two. */
export const fitSubject = (subject: string): string =>
  subject.length <= MAX_CHARACTERS ? subject : `${cut(subject, MAX_CHARACTERS / 2)} ${sha256(Buffer.from(subject))}`;

/** An alert that the bus takes, however long the texts of CAs, DNS servers and other managers are that it was made of. */
export function fitAlert(alert: Alert): Alert {
  const { subject, detail } = alert;
  return {
    ...alert,
    subject: fitSubject(subject),
    detail: detail.length <= MAX_CHARACTERS ? detail : cut(detail, MAX_CHARACTERS),
  };
}

/** The alert that the bus has noted; `undefined` for one that only a later release knows. */
export function alertOf({ alert, subject, detail, since }: NotedAlert): Alert | undefined {
  const kind = ALERT_KINDS.find((known) => known === alert);
  return kind && { kind, subject, detail, since: new Date(since) };
}
