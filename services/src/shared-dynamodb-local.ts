/** One DynamoDB Local for all files of a test run: to start one takes seconds, and a warm one answers faster. */
import { inject } from 'vitest';

/** The run's DynamoDB Local. It ends with the run. */
export async function sharedDynamoDbLocal(): Promise<{ readonly endpoint: string }> {
  const response = await fetch(inject('dynamoDbLocal'));
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  return { endpoint: text };
}

/** Credentials with which a file sees its own tables only: DynamoDB Local has a database for each access key and region. */
export function drawCredentials(): { readonly accessKeyId: string; readonly secretAccessKey: string } {
  return { accessKeyId: crypto.randomUUID().replaceAll('-', ''), secretAccessKey: 'local' };
}
