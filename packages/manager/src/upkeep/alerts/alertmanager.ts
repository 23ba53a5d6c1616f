/** Tells an Alertmanager of alerts: the requests of its API, version 2. */
import type { AlertMessage } from './message.ts';

/** One alert as `POST /api/v2/alerts` takes it. */
export interface PostableAlert {
  /** What makes it the same alert: all managers give the same. */
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
}

/**
 * An Alertmanager takes an alert for over at its `endsAt`, unless it is sent again before. Runs from cron are a day apart at most, and the silence
 * of all managers must not end an alert.
 */
const HOLD_MS = 26 * 3_600_000;
/** A test is over by itself. */
const TEST_MS = 60_000;

/** `failing` as `CertBusFailing`. */
const alertName = (alert: string): string =>
  `CertBus${alert.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase())}`;

function endOf({ alert, until }: AlertMessage, now: Date): Date {
  if (until) return until;
  return new Date(now.getTime() + (alert === 'test' ? TEST_MS : HOLD_MS));
}

/** The body of `POST /api/v2/alerts`. */
export function postableAlerts(
  messages: readonly AlertMessage[],
  { busId, now }: { readonly busId: string; readonly now: Date },
): readonly PostableAlert[] {
  return messages.map((message) => {
    const { alert, severity, subject, summary, detail, since } = message;
    return {
      labels: { alertname: alertName(alert), severity, service: 'certbus', bus: busId, subject },
      annotations: { summary, description: detail },
      startsAt: since.toISOString(),
      endsAt: endOf(message, now).toISOString(),
    };
  });
}

/** Where an Alertmanager takes them, below its URL. */
export function alertsUrl(base: string): URL {
  const url = new URL(base);
  url.pathname = `${url.pathname.replace(/\/+$/, '')}/api/v2/alerts`;
  return url;
}
