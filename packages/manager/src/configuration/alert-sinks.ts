/** Where alerts are sent: their settings in the configuration, and the schema that checks them. */
import { httpUrl, nonEmpty, pem, type Secret, secret } from '@certbus/solvers';
import * as v from 'valibot';
import { ManagerError } from '../errors.ts';
import { REDACTED } from './redacted.ts';

/** A URL that takes alerts as JSON. All of it is a secret: anyone who has it can post there. */
export interface WebhookSettings {
  readonly webhook: Secret;
}

/** An Alertmanager of Prometheus. */
export interface AlertmanagerSettings {
  /** Its URL, without `/api/v2/alerts`. */
  readonly alertmanager: string;
  /** HTTP Basic authentication, with `password`. */
  readonly username?: string | undefined;
  readonly password?: Secret | undefined;
  /** Sent as `Authorization: Bearer`. */
  readonly token?: Secret | undefined;
  /** PEM of the roots that its certificate comes from; the public ones where absent. */
  readonly roots?: string | undefined;
}

/** A place that alerts are sent to. */
export type AlertSink = WebhookSettings | AlertmanagerSettings;

/** More would make each alert wait for the slowest of many. */
const MOST = 20;

/** Whether a text is a URL that a webhook can have. */
export const isWebhookUrl = (text: string): boolean => v.safeParse(httpUrl, text).success;

/** Whether a secret can be a webhook: what is in the environment is looked at when it is used. */
const isWebhook = ({ webhook }: WebhookSettings): boolean =>
  typeof webhook !== 'string' || webhook === REDACTED || isWebhookUrl(webhook);

const webhook = v.pipe(
  v.strictObject({ webhook: secret }),
  v.check(isWebhook, 'must have as "webhook" an http or https URL without user name or password'),
);

const alertmanager = v.pipe(
  v.strictObject({
    alertmanager: httpUrl,
    username: v.optional(nonEmpty),
    password: v.optional(secret),
    token: v.optional(secret),
    roots: v.optional(pem),
  }),
  v.check(
    ({ username, password }) => (username === undefined) === (password === undefined),
    'must have both of "username" and "password", or none',
  ),
  v.check(({ password, token }) => password === undefined || token === undefined, 'cannot have "password" and "token"'),
);

/** The schema of all of them, by name. */
export const alertSinks: v.GenericSchema<unknown, Readonly<Record<string, AlertSink>>> = v.pipe(
  v.record(
    v.pipe(v.string(), v.regex(/^[\w.-]{1,64}$/, 'must have names of letters, digits, ".", "_" and "-"')),
    v.union(
      [webhook, alertmanager],
      (issue) =>
        issue.issues?.find(({ type }) => type === 'check')?.message ??
        'must be {"webhook": URL}, or {"alertmanager": URL} with "username" and "password", or "token", and "roots"',
    ),
  ),
  v.check((sinks) => Object.keys(sinks).length <= MOST, `must be ${MOST} destinations at most`),
);

/** Throws `CERTBUS_MANAGER_CONFIG_INVALID` where a configuration has no place of one of these names, or none at all. */
export function checkPlaces(
  { alerts = {} }: { readonly alerts?: Readonly<Record<string, AlertSink>> | undefined },
  names: readonly string[] | undefined,
): void {
  const known = Object.keys(alerts);
  if (known.length === 0) {
    const what = 'The configuration has no destination for alerts. Add "alerts" with "certbus conf edit".';
    throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
  }
  const missing = names?.find((name) => !known.includes(name));
  if (missing === undefined) return;
  const what = `The configuration has no destination ${JSON.stringify(missing)} for alerts (it has: ${known.join(', ')}).`;
  throw new ManagerError('CERTBUS_MANAGER_CONFIG_INVALID', what);
}
