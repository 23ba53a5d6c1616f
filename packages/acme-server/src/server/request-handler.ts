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

/** What stands between HTTP and the CA. */
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

/** Answers requests: logs each, lets the faults have it, and adds the headers that every answer has. */
export function createRequestHandler({ ca, nonces, faults, log }: HandlerOptions) {
  let lastNonce = '';

  /** RFC 8555 §6.5: in every answer to a POST, so that errors can be retried as well; never in that of the directory. */
  function commonHeaders({ path, method, origin }: Received, fault: Fault | undefined): Record<string, string> {
    const index = { link: link(`${origin}${PATHS.directory}`, 'index') };
    if (method !== 'POST' && path !== PATHS.newNonce) return path === PATHS.directory ? {} : index;
    const nonce = fault?.kind === 'duplicate-nonce' && lastNonce ? lastNonce : nonces.create();
    lastNonce = nonce;
    return { ...index, 'replay-nonce': nonce, 'cache-control': 'no-store' };
  }

  function withCommonHeaders(reply: Reply, received: Received, fault: Fault | undefined): Reply {
    const common = commonHeaders(received, fault);
    const own = reply.headers ?? {};
    const links = [own['link'] ?? [], common['link'] ?? []].flat();
    const type = fault?.kind === 'content-type' ? { contentType: fault.value } : {};
    const date = ca.clock.now().toUTCString();
    return { ...reply, ...type, headers: { date, ...own, ...common, ...(links.length > 0 ? { link: links } : {}) } };
  }

  async function answer(received: Received, fault: Fault | undefined): Promise<Reply> {
    if (fault?.kind === 'bad-nonce' && received.method === 'POST') {
      return problemReply(new ProblemDocument('badNonce', 'The nonce is good, and refused for a test'));
    }
    return route(ca, received).catch(problemReply);
  }

  function deliver(response: ServerResponse, reply: Reply, fault: Fault | undefined): void {
    if (fault?.kind === 'drop') response.destroy();
    else if (fault?.kind !== 'stall') writeReply(response, reply, fault?.kind === 'truncate' ? 'truncated' : 'whole');
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const { method = '', url = '/', headers } = request;
    const [path = '/'] = url.split('?');
    const peeked = method === 'POST' ? peekJws(body) : {};
    const nonceState = peeked.nonce === undefined ? undefined : nonces.spend(peeked.nonce);
    const received: Received = {
      method,
      path,
      headers,
      body,
      origin: `https://${headers.host ?? ''}`,
      from: request.socket.remoteAddress ?? '',
      nonce: nonceState,
    };
    const seen: LoggedRequest = {
      number: log.length + 1,
      at: ca.clock.now(),
      method,
      path,
      resource: resourceAt(path),
      userAgent: headers['user-agent'],
      nonce: peeked.nonce,
      nonceState,
      account: peeked.account,
      payload: peeked.payload,
      status: undefined,
      problem: undefined,
      fault: undefined,
    };
    const fault = faults.next(seen);
    const index = log.push({ ...seen, fault }) - 1;
    const isDone = fault !== undefined && isBefore(fault);
    const right = isDone ? undefined : await answer(received, fault);
    const logged = { ...seen, fault, status: right?.status, problem: right && problemTypeOf(right) };
    log[index] = logged;
    ca.emit('request', logged);
    const reply = (fault && replacementFor(fault)) ?? right ?? { status: 500 };
    deliver(response, withCommonHeaders(reply, received, fault), fault);
  }

  return (request: IncomingMessage, response: ServerResponse): void => {
    serve(request, response).catch((error: unknown) => {
      if (response.headersSent || response.destroyed) response.destroy();
      else writeReply(response, problemReply(error));
    });
  };
}
