/** A request as it came in, and its reply. */
import type { IncomingHttpHeaders } from 'node:http';
import type { NonceState } from './nonces.ts';

/** A request as it came in. */
export interface Received {
  readonly method: string;
  /** Path without its query. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Scheme and host that the client used: every URL of an answer begins with it. */
  readonly origin: string;
  /** IP address of the client. */
  readonly from: string;
  /** State of the nonce in its JWS; `undefined` where it has none. */
  readonly nonce: NonceState | undefined;
}

/** An answer, before it is written. */
export interface Reply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  /** An object is written as JSON. */
  readonly body?: object | string;
  /** Default that of JSON, where there is a body. */
  readonly contentType?: string;
}

/** A `Link` header (RFC 8288). */
export function link(url: string, relation: string): string {
  return `<${url}>;rel="${relation}"`;
}
