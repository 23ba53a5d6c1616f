/** A DynamoDB that answers as a test says: states and errors of the service that no double of it has. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';

/** A request as the service gets it. */
export interface ServiceCall {
  /** Its operation, such as `PutItem`. */
  readonly operation: string;
  readonly input: Readonly<Record<string, unknown>>;
  /** When it was signed, as the signature has it: `20260101T000000Z`. */
  readonly signedAt: string;
  readonly accessKeyId: string;
}

/** An answer: what the operation returns, or an error with its name. */
export type ServiceAnswer = { readonly output: object } | { readonly error: string; readonly message: string };

/** The service, which runs. */
export interface ScriptedService {
  readonly endpoint: string;
  /** The operations so far. */
  readonly operations: readonly string[];
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a service.
 *
 * @param date the header `Date` of its answers; default that of this machine.
 */
export async function startScriptedService(
  answer: (call: ServiceCall) => ServiceAnswer,
  { date }: { readonly date?: () => Date } = {},
): Promise<ScriptedService> {
  const operations: string[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      const input = (await json(request)) as ServiceCall['input'];
      const operation = String(request.headers['x-amz-target']).replace(/^.*\./, '');
      operations.push(operation);
      const [, accessKeyId = ''] = /Credential=([^/]+)/.exec(request.headers.authorization ?? '') ?? [];
      const signedAt = String(request.headers['x-amz-date']);
      const answered = answer({ operation, input, signedAt, accessKeyId });
      const [status, body] =
        'output' in answered
          ? [200, answered.output]
          : [400, { __type: `com.amazonaws.dynamodb.v20120810#${answered.error}`, message: answered.message }];
      const headers = { 'content-type': 'application/x-amz-json-1.0', ...(date ? { date: date().toUTCString() } : {}) };
      response.writeHead(status, headers).end(JSON.stringify(body));
    })();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    operations,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
}
