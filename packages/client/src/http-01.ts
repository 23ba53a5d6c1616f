/** Answers HTTP-01 challenges on plain HTTP. */
import type { IncomingMessage, ServerResponse } from 'node:http';

const PATH = /^\/\.well-known\/acme-challenge\/([\w-]{1,256})$/;

/**
 * Answers HTTP-01 (RFC 8555 section 8.3) from the account's thumbprint alone, so that any load balancer of the group can:
 * the key authorization is the token asked for and the thumbprint. Returns false, and leaves the response alone, for whatever
 * is no challenge.
 */
export function answerHttp01(
  request: IncomingMessage,
  response: ServerResponse,
  thumbprint: string | undefined,
): boolean {
  const [path = ''] = (request.url ?? '').split('?');
  const token = PATH.exec(path)?.[1];
  if (!token || !thumbprint || request.method !== 'GET') return false;
  response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(`${token}.${thumbprint}`);
  return true;
}
