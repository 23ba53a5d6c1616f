/** Secrets of the configuration, as text. */
import type { Secret } from '@certbus/solvers';
import { ManagerError } from '../errors.ts';

/** Reads an environment variable; `undefined` where it is not set. */
export type SecretSource = (name: string) => string | undefined;

/** The text of a secret. Throws `CERTBUS_MANAGER_SECRET_MISSING`, naming the variable that is not set. */
export function resolveSecret(secret: Secret, source: SecretSource): string {
  if (typeof secret === 'string') return secret;
  const text = source(secret.env);
  if (text) return text;
  const what = `The configuration takes a secret from the environment variable ${secret.env}, which is not set here.`;
  throw new ManagerError('CERTBUS_MANAGER_SECRET_MISSING', what);
}
