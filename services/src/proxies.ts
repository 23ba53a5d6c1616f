/** Proxies that break what passes through them. */
import {
  createServer as createHttpServer,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer, request as httpsRequest } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { createTlsIdentity } from './tls-identity.ts';

/** A request that passed a proxy, with what was answered. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly body: string;
}

/** What becomes of an answer: passed on, or dropped with its connection. */
export type Verdict = 'forward' | 'drop';

interface Answer {
  readonly status: number;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Buffer;
}

async function read(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function forward(target: URL, call: IncomingMessage, body: Buffer, ca?: string): Promise<Answer> {
  const send = target.protocol === 'https:' ? httpsRequest : httpRequest;
  const { hostname: host, port } = target;
  // The caller's own Host header goes along: Pebble makes its URLs of it.
  const options = {
    host,
    port,
    path: call.url ?? '/',
    method: call.method ?? 'GET',
    headers: call.headers,
    agent: false,
    ...(ca ? { ca } : {}),
  };
  return new Promise((resolve, reject) => {
    const onward = send(options, (answer) => {
      read(answer).then(
        (bytes) => resolve({ status: answer.statusCode ?? 502, headers: answer.headers, body: bytes }),
        reject,
      );
    });
    onward.on('error', reject).end(body);
  });
}

function answer(response: ServerResponse, { status, headers, body }: Answer): void {
  const { 'transfer-encoding': _, ...rest } = headers;
  response.writeHead(status, { ...rest, 'content-length': body.length }).end(body);
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

async function close(server: ReturnType<typeof createHttpServer>): Promise<void> {
  const closed = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await closed;
}

/** Stands between a client and an ACME server, with a TLS certificate of its own, and may drop any answer. */
export async function startTlsProxy({
  target,
  targetRoots,
  onResponse = () => 'forward',
}: {
  /** The ACME directory behind. */
  readonly target: string;
  /** PEM of the roots to trust it by. */
  readonly targetRoots: string;
  readonly onResponse?: (exchange: Exchange) => Verdict | Promise<Verdict>;
}): Promise<{
  readonly directory: string;
  readonly roots: string;
  readonly exchanges: readonly Exchange[];
  stop(): Promise<void>;
}> {
  const behind = new URL(target);
  const tls = await createTlsIdentity();
  const exchanges: Exchange[] = [];
  async function pass(call: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const got = await forward(behind, call, await read(call), targetRoots);
      const exchange = {
        method: call.method ?? '',
        url: call.url ?? '',
        status: got.status,
        body: got.body.toString(),
      };
      exchanges.push(exchange);
      if ((await onResponse(exchange)) === 'drop') response.destroy();
      else answer(response, got);
    } catch {
      response.destroy();
    }
  }
  const server = createHttpsServer(
    { key: tls.key, cert: tls.certificate },
    (call, response) => void pass(call, response),
  );
  const port = await listen(server);
  return {
    directory: `https://127.0.0.1:${port}${behind.pathname}`,
    roots: tls.root,
    exchanges,
    stop: () => close(server),
  };
}

/** What a faulty network does to one request. */
export type Fault = 'forward' | 'drop-request' | 'drop-response' | 'error-after' | 'throttle';

/** A request that the service refuses with an error of this name. */
export interface Refusal {
  readonly refuse: string;
}

/**
 * What a plan says of a request; `unprocessed` of a batch: the service takes none of it, and says so in its answer; `hang`: it takes the request, and
 * never answers.
 */
type Plan = Fault | Refusal | 'unprocessed' | 'hang';

/** What DynamoDB calls a request that it has no room for. */
const THROTTLED = 'ProvisionedThroughputExceededException';

/** Stands between a client and DynamoDB and does to each request what the plan says. */
export async function startFaultProxy({ target }: { readonly target: string }): Promise<{
  readonly endpoint: string;
  /** Decides by the operation, such as `PutItem`, and its number, from 0. */
  plan(decide: (operation: string, nth: number) => Plan): void;
  stop(): Promise<void>;
}> {
  const behind = new URL(target);
  let decide: (operation: string, nth: number) => Plan = () => 'forward';
  let nth = 0;
  async function pass(call: IncomingMessage, response: ServerResponse): Promise<void> {
    const operation = String(call.headers['x-amz-target'] ?? '').replace(/^.*\./, '');
    const fault = decide(operation, nth);
    nth += 1;
    try {
      const body = await read(call);
      if (fault === 'hang') return;
      if (fault === 'drop-request') return void response.destroy();
      if (fault === 'throttle' || typeof fault === 'object') {
        const name = fault === 'throttle' ? THROTTLED : fault.refuse;
        return void answerJson(response, 400, {
          __type: `com.amazonaws.dynamodb.v20120810#${name}`,
          message: 'This request is refused for now',
        });
      }
      if (fault === 'unprocessed') {
        const { RequestItems: UnprocessedItems } = JSON.parse(body.toString()) as { readonly RequestItems: object };
        return void answerJson(response, 200, { UnprocessedItems });
      }
      const got = await forward(behind, call, body);
      if (fault === 'drop-response') response.destroy();
      else if (fault === 'error-after')
        answerJson(response, 500, { __type: 'InternalServerError', message: 'Internal server error' });
      else answer(response, got);
    } catch {
      response.destroy();
    }
  }
  const server = createHttpServer((call, response) => void pass(call, response));
  const port = await listen(server);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    plan(next) {
      decide = next;
      nth = 0;
    },
    stop: () => close(server),
  };
}

function answerJson(response: ServerResponse, status: number, json: object): void {
  response.writeHead(status, { 'content-type': 'application/x-amz-json-1.0' }).end(JSON.stringify(json));
}
