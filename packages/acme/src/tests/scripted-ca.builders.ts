/** A loopback CA that follows a script, for tests of the HTTP layer. */
import { createPublicKey, type JsonWebKey, verify } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the scripted CA saw it. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  /** Protected header of the JWS, where there was one. */
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: unknown;
  readonly isGenuine: boolean;
}

/** What the script says to a request: an answer, a broken connection, silence, or nothing, for the default answer. */
export type Answer =
  | {
      readonly status?: number;
      readonly headers?: Record<string, string>;
      readonly body?: unknown;
      readonly text?: string;
    }
  | 'reset'
  | 'stall'
  | undefined;

/** A loopback HTTP server that follows a script, checks every signature and counts every nonce. */
export interface ScriptedCa extends AsyncDisposable {
  readonly origin: string;
  readonly directory: string;
  readonly asked: Asked[];
  /** Nonces that were signed more than once, or were never given out. Must stay empty. */
  readonly badNonces: string[];
}

function decode(part: unknown): unknown {
  const text = Buffer.from(String(part), 'base64url').toString();
  return text === '' ? null : JSON.parse(text);
}

async function readText(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += chunk;
  return text;
}

function isGenuine(jws: Record<string, string>, jwk: JsonWebKey): boolean {
  const key = createPublicKey({ key: jwk, format: 'jwk' });
  const input = Buffer.from(`${jws.protected}.${jws.payload}`);
  const signature = Buffer.from(jws.signature ?? '', 'base64url');
  return verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, signature);
}

/** Starts the server. `script` is asked first, with a request's number among those to the same path, from 0. */
export async function startScriptedCa(
  script: (asked: Asked, nth: number) => Answer = () => undefined,
  { host = '127.0.0.1' }: { readonly host?: string } = {},
): Promise<ScriptedCa> {
  const asked: Asked[] = [];
  const badNonces: string[] = [];
  const given = new Set<string>();
  let accountKey: JsonWebKey = {};

  function nextNonce(): string {
    const nonce = `nonce-${given.size}-${crypto.randomUUID()}`;
    given.add(nonce);
    return nonce;
  }

  function readJws(text: string): Pick<Asked, 'header' | 'payload' | 'isGenuine'> {
    if (text === '') return { header: {}, payload: undefined, isGenuine: false };
    const jws = JSON.parse(text);
    const header = decode(jws.protected) as Record<string, unknown>;
    if (header.jwk) accountKey = header.jwk as JsonWebKey;
    const nonce = String(header.nonce);
    if (!given.has(nonce) || asked.some((other) => other.header.nonce === nonce)) badNonces.push(nonce);
    return { header, payload: decode(jws.payload), isGenuine: isGenuine(jws, accountKey) };
  }

  function defaultAnswer(path: string, origin: string): Exclude<Answer, string> {
    if (path === '/dir') {
      const at = (name: string) => `${origin}/${name}`;
      return {
        body: { newNonce: at('nonce'), newAccount: at('account'), newOrder: at('order'), renewalInfo: at('ari') },
      };
    }
    if (path === '/nonce') return { status: 204 };
    if (path === '/account') return { body: { status: 'valid' }, headers: { location: `${origin}/account/1` } };
    return { status: 404, body: { type: 'urn:ietf:params:acme:error:malformed', detail: 'no such thing' } };
  }

  function say(
    response: ServerResponse,
    { status = 200, headers = {}, body, text }: Exclude<Answer, string | undefined>,
  ) {
    const type = status >= 400 ? 'application/problem+json' : 'application/json';
    response.writeHead(status, { 'content-type': type, 'replay-nonce': nextNonce(), ...headers });
    response.end(text ?? (body === undefined ? undefined : JSON.stringify(body)));
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url: path = '', headers } = request;
    const seen: Asked = { method, path, headers, ...readJws(await readText(request)) };
    const nth = asked.filter((other) => other.path === path).length;
    asked.push(seen);
    const answer = script(seen, nth);
    if (answer === 'reset') request.socket.destroy();
    else if (answer !== 'stall') say(response, answer ?? defaultAnswer(path, origin) ?? {});
  }

  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const origin = `http://${host.includes(':') ? `[${host}]` : host}:${(server.address() as AddressInfo).port}`;
  return {
    origin,
    directory: `${origin}/dir`,
    asked,
    badNonces,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
