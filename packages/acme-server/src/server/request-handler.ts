/** Answers HTTP requests: logs them, applies faults, and adds the headers of ACME. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Ca } from './ca.ts';
import { link, type Received, type Reply } from './exchange.ts';
import type { Fault } from './fault.ts';
import { type Faults, isBefore, replacementFor } from './faults.ts';
import type { Nonces } from './nonces.ts';
import { ProblemDocument } from './problem-document.ts';
import { writeReply } from './reply-writer.ts';
import { type LoggedRequest, peekJws } from './request-log.ts';
import { resourceAt, route } from './router.ts';
import { PATHS } from './urls.ts';

/** What a request passes on its way to the CA. */
export interface HandlerOptions {
  readonly ca: Ca;
  readonly nonces: Nonces;
  readonly faults: Faults;
  /** Every request is added here. */
  readonly log: LoggedRequest[];
}

const MAX_BODY = 1_000_000;
const INTERNAL_RETRY_S = 60;

/** Reads to the end in any case, so that the client can hear the answer. */
async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length <= MAX_BODY) chunks.push(chunk);
  }
  if (length > MAX_BODY) throw new ProblemDocument('malformed', 'The body is too large', { status: 413 });
  return Buffer.concat(chunks).toString();
}

function problemReply(error: unknown): Reply {
  const problem =
    error instanceof ProblemDocument
      ? error
      : new ProblemDocument('serverInternal', error instanceof Error ? (error.stack ?? error.message) : String(error), {
          headers: { 'retry-after': String(INTERNAL_RETRY_S) },
        });
  const { status, headers } = problem;
  return { status, headers, contentType: 'application/problem+json', body: problem.toJSON() };
}

function problemTypeOf({ contentType, body }: Reply): string | undefined {
  if (contentType !== 'application/problem+json' || typeof body !== 'object' || !('type' in body)) return undefined;
  return String(body.type).replace(/^.*:/, '');
}

/** A handler's options, and the nonce that it gave last. */
interface Handler extends HandlerOptions {
  lastNonce: string;
}

/** RFC 8555 §6.5: in every answer to a POST, so that errors can be retried as well; never in that of the directory. */
function commonHeaders(
  handler: Handler,
  { path, method, origin }: Received,
  fault: Fault | undefined,
): Record<string, string> {
  const index = { link: link(`${origin}${PATHS.directory}`, 'index') };
  if (method !== 'POST' && path !== PATHS.newNonce) return path === PATHS.directory ? {} : index;
  const isRepeated = fault?.kind === 'duplicate-nonce' && handler.lastNonce !== '';
  const nonce = isRepeated ? handler.lastNonce : handler.nonces.create();
  handler.lastNonce = nonce;
  return { ...index, 'replay-nonce': nonce, 'cache-control': 'no-store' };
}

function withCommonHeaders(handler: Handler, reply: Reply, received: Received, fault: Fault | undefined): Reply {
  const common = commonHeaders(handler, received, fault);
  const own = reply.headers ?? {};
  const links = [own['link'] ?? [], common['link'] ?? []].flat();
  const type = fault?.kind === 'content-type' ? { contentType: fault.value } : {};
  const date = handler.ca.clock.now().toUTCString();
  return { ...reply, ...type, headers: { date, ...own, ...common, ...(links.length > 0 ? { link: links } : {}) } };
}

async function answer(ca: Ca, received: Received, fault: Fault | undefined): Promise<Reply> {
  if (fault?.kind === 'bad-nonce' && received.method === 'POST') {
    return problemReply(new ProblemDocument('badNonce', 'The nonce is good, and refused for a test'));
  }
  return route(ca, received).catch(problemReply);
}

function deliver(response: ServerResponse, reply: Reply, fault: Fault | undefined): void {
  if (fault?.kind === 'drop') response.destroy();
  else if (fault?.kind !== 'stall') writeReply(response, reply, fault?.kind === 'truncate' ? 'truncated' : 'whole');
}

/** Reads a request, spends its nonce, and gives it with its entry in the log. */
async function receive(
  { ca, nonces, log }: Handler,
  request: IncomingMessage,
): Promise<{ readonly received: Received; readonly seen: LoggedRequest }> {
  const body = await readBody(request);
  const { method = '', url = '/', headers } = request;
  const [path = '/'] = url.split('?');
  const { nonce, account, payload } = method === 'POST' ? peekJws(body) : {};
  const nonceState = nonce === undefined ? undefined : nonces.spend(nonce);
  const origin = `https://${headers.host ?? ''}`;
  const from = request.socket.remoteAddress ?? '';
  const received: Received = { method, path, headers, body, origin, from, nonce: nonceState };
  const seen: LoggedRequest = {
    number: log.length + 1,
    at: ca.clock.now(),
    method,
    path,
    resource: resourceAt(path),
    userAgent: headers['user-agent'],
    nonce,
    nonceState,
    account,
    payload,
    status: undefined,
    problem: undefined,
    fault: undefined,
  };
  return { received, seen };
}

async function serve(handler: Handler, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { ca, faults, log } = handler;
  const { received, seen } = await receive(handler, request);
  const fault = faults.next(seen);
  const index = log.push({ ...seen, fault }) - 1;
  const isDone = fault !== undefined && isBefore(fault);
  const right = isDone ? undefined : await answer(ca, received, fault);
  const logged = { ...seen, fault, status: right?.status, problem: right && problemTypeOf(right) };
  log[index] = logged;
  ca.emit('request', logged);
  const reply = (fault && replacementFor(fault)) ?? right ?? { status: 500 };
  deliver(response, withCommonHeaders(handler, reply, received, fault), fault);
}

/** Answers requests: logs each, applies the fault that meets it, and adds the headers that every answer has. */
export function createRequestHandler(
  options: HandlerOptions,
): (request: IncomingMessage, response: ServerResponse) => void {
  const handler: Handler = { ...options, lastNonce: '' };
  return (request, response) => {
    serve(handler, request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) response.destroy();
      else writeReply(response, problemReply(error));
    });
  };
}
