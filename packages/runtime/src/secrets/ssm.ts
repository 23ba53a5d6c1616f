/** Parameters of SSM. */
import { GetParameterCommand, PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import type { CallOptions } from './call-options.ts';
import type { SecretReference } from './reference.ts';

/** The text of a parameter, decrypted. Rejects as the SDK does. */
export async function read(
  { name }: Pick<SecretReference, 'name'>,
  { client: options, send }: CallOptions,
): Promise<string | undefined> {
  const client = new SSMClient(options);
  try {
    return (await client.send(new GetParameterCommand({ Name: name, WithDecryption: true }), send)).Parameter?.Value;
  } finally {
    client.destroy();
  }
}

/** Puts a text in the place of what a parameter has; a new one is a plain `String`. Rejects as the SDK does. */
export async function write(
  { name }: Pick<SecretReference, 'name'>,
  text: string,
  { client: options, send }: CallOptions,
): Promise<void> {
  const client = new SSMClient(options);
  try {
    await client.send(new PutParameterCommand({ Name: name, Value: text, Type: 'String', Overwrite: true }), send);
  } finally {
    client.destroy();
  }
}
