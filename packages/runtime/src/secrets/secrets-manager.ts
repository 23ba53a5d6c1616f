/** Secrets of Secrets Manager. */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import type { CallOptions } from './call-options.ts';
import type { SecretReference } from './reference.ts';

/** The text of a secret; `undefined` where it has bytes. Rejects as the SDK does. */
export async function read(
  { name }: Pick<SecretReference, 'name'>,
  { client: options, send }: CallOptions,
): Promise<string | undefined> {
  const client = new SecretsManagerClient(options);
  try {
    return (await client.send(new GetSecretValueCommand({ SecretId: name }), send)).SecretString;
  } finally {
    client.destroy();
  }
}
