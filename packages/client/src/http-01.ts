/** Answers HTTP-01 challenges on plain HTTP. */

/** What is read of a request; those of `node:http` and of `node:http2` are such. */
export interface ChallengeRequest {
  readonly url?: string | undefined;
  readonly method?: string | undefined;
}

/** What an answer is written with; the responses of `node:http` and of `node:http2` are such. */
export interface ChallengeResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body: string): unknown;
}

const PATH = /^\/\.well-known\/acme-challenge\/([\w-]{1,256})$/;

function answerOf(token: string, find: (token: string) => string | undefined): string | undefined {
  try {
    return find(token);
  } catch {
    return undefined;
  }
}

/**
 * Answers HTTP-01 (RFC 8555 section 8.3) with the key authorization that `find` has for the token asked for. Returns false, and leaves the
 * response alone, for whatever is not a challenge, and where `find` has none or throws. Never throws itself, since it runs in an event handler.
 */
export function answerHttp01(
  { url = '', method }: ChallengeRequest,
  response: ChallengeResponse,
  find: (token: string) => string | undefined,
): boolean {
  const [path = ''] = url.split('?');
  const token = PATH.exec(path)?.[1];
  if (!token || method !== 'GET') return false;
  const keyAuthorization = answerOf(token, find);
  if (keyAuthorization === undefined) return false;
  try {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    response.end(keyAuthorization);
  } catch {
    // Something was answered already, or the client has gone.
  }
  return true;
}
