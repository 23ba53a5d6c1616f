/** Tells a webhook of alerts, as JSON of its own. */
import type { AlertMessage } from './message.ts';

/** The body of one request: `text` is what chat programs show. */
export interface WebhookBody {
  readonly version: 1;
  readonly bus: string;
  readonly text: string;
  readonly alerts: readonly AlertMessage[];
}

/** What a webhook takes for some alerts; `docs/guides/alerts.md` has it as a table. */
export function webhookBody(messages: readonly AlertMessage[], { busId }: { readonly busId: string }): WebhookBody {
  return { version: 1, bus: busId, text: messages.map(({ summary }) => summary).join('\n'), alerts: messages };
}
