/** The places of the configuration that alerts are sent to: how each is reached, and when one that fails is tried again. */

import { hostOfUrl } from '@certbus/solvers';
import { type Outgoing, postJson } from '@certbus/store/outgoing';
import { type AlertmanagerSettings, type AlertSink, isWebhookUrl } from '../../configuration/alert-sinks.ts';
import { resolveSecret, type SecretSource } from '../../configuration/secrets.ts';
import { ManagerError } from '../../errors.ts';
import { alertsUrl, postableAlerts } from './alertmanager.ts';
import type { AlertMessage } from './message.ts';
import { webhookBody } from './webhook.ts';

/** What a request to a place needs. */
export interface SendOptions {
  readonly secrets: SecretSource;
  readonly outgoing: Outgoing | undefined;
  readonly busId: string;
  readonly now: Date;
  readonly signal: AbortSignal;
}

function webhookUrl(text: string): URL {
  if (isWebhookUrl(text)) return new URL(text);
  // What it is instead can be another secret.
  throw new Error('the secret in "webhook" is not an http or https URL without user name and password');
}

function credentialsOf({ alertmanager, username, password, token }: AlertmanagerSettings, secrets: SecretSource) {
  const use = { hosts: [hostOfUrl(alertmanager)] };
  if (token !== undefined) return { authorization: `Bearer ${resolveSecret(token, secrets, use)}` };
  if (username === undefined || password === undefined) return {};
  const pair = `${username}:${resolveSecret(password, secrets, use)}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

async function send(sink: AlertSink, messages: readonly AlertMessage[], options: SendOptions): Promise<void> {
  const { secrets, outgoing, signal } = options;
  if ('webhook' in sink) {
    const url = webhookUrl(resolveSecret(sink.webhook, secrets));
    return postJson(url, { body: webhookBody(messages, options), outgoing, signal });
  }
  const { alertmanager, roots } = sink;
  const headers = credentialsOf(sink, secrets);
  return postJson(alertsUrl(alertmanager), {
    body: postableAlerts(messages, options),
    headers,
    roots,
    outgoing,
    signal,
  });
}

/** Tells one place of alerts. Rejects `CERTBUS_MANAGER_ALERT_NOT_SENT`, without the URL of a webhook, and with the signal's reason. */
export async function tell(
  { name, sink }: { readonly name: string; readonly sink: AlertSink },
  messages: readonly AlertMessage[],
  options: SendOptions,
): Promise<void> {
  try {
    await send(sink, messages, options);
  } catch (cause) {
    options.signal.throwIfAborted();
    const why = cause instanceof Error ? cause.message : 'unknown';
    throw new ManagerError('CERTBUS_MANAGER_ALERT_NOT_SENT', `Alerts could not be sent to "${name}": ${why}`, {
      cause,
    });
  }
}
