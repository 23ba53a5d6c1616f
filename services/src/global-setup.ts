/** What vitest does once, before the first test and after the last. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import type { TestProject } from 'vitest/node';
import { type DynamoDbLocal, startDynamoDbLocal } from './dynamodb-local.ts';
import { useMemoryFolder } from './memory-folder.ts';
import { installParts } from './parts.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Where a test file asks for the endpoint of the run's DynamoDB Local. */
    readonly dynamoDbLocal: string;
  }
}

/** Where every process of the run finds what another one has compiled. */
const COMPILED = fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url));

/** Answers test files, which are processes of their own, with the endpoint; the service starts when the first one asks. */
async function offerDynamoDbLocal(): Promise<{ readonly url: string; stop(): Promise<void> }> {
  let service: Promise<DynamoDbLocal> | undefined;
  const server = createServer((_, response) => {
    service ??= startDynamoDbLocal();
    service.then(
      ({ endpoint }) => response.end(endpoint),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async stop() {
      server.close().closeAllConnections();
      await (await service)?.stop();
    },
  };
}

/** vitest calls this before the first test, and what it returns after the last. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  process.env['NODE_COMPILE_CACHE'] = COMPILED;
  await installParts();
  const removeFolder = useMemoryFolder();
  const { url, stop } = await offerDynamoDbLocal();
  project.provide('dynamoDbLocal', url);
  return async () => {
    await stop();
    removeFolder();
  };
}
