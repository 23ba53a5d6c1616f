/** Answers HTTP-01 challenges on plain HTTP. */
import type { IncomingMessage, ServerResponse } from 'node:http';

const PATH = /^\/\.well-known\/acme-challenge\/([\w-]{1,256})$/;

/**
 * Answers HTTP-01 (RFC 8555 section 8.3) with the key authorization that `find` has for the token asked for. Returns false, and leaves the
 * response alone, for whatever is not a challenge, and where `find` has none.
 */
export function answerHttp01(
  request: IncomingMessage,
  response: ServerResponse,
  find: (token: string) => string | undefined,
): boolean {
  const [path = ''] = (request.url ?? '').split('?');
  const token = PATH.exec(path)?.[1];
  const keyAuthorization = token && request.method === 'GET' ? find(token) : undefined;
  if (keyAuthorization === undefined) return false;
  response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(keyAuthorization);
  return true;
}
