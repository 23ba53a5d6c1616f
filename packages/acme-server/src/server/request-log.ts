/** The log of requests, for assertions. */
import type { Fault } from './fault.ts';
import type { NonceState } from './nonces.ts';

/** What a request is about, in the words of RFC 8555 §7.1. */
export type ResourceKind =
  | 'directory'
  | 'newNonce'
  | 'newAccount'
  | 'account'
  | 'keyChange'
  | 'newOrder'
  | 'order'
  | 'authorization'
  | 'challenge'
  | 'finalize'
  | 'certificate'
  | 'renewalInfo'
  | 'revokeCert'
  | 'unknown';

/** One request, for assertions. */
export interface LoggedRequest {
  /** From 1, over all requests. */
  readonly number: number;
  /** On the server's clock. */
  readonly at: Date;
  readonly method: string;
  readonly path: string;
  readonly resource: ResourceKind;
  readonly userAgent: string | undefined;
  /** Nonce of its JWS. */
  readonly nonce: string | undefined;
  /** `replayed` is what no client may ever send. */
  readonly nonceState: NonceState | undefined;
  /** URL of the account that signed, as the request says it. */
  readonly account: string | undefined;
  /** Payload as sent: an object, `''` for POST-as-GET, `undefined` where there is no JWS. */
  readonly payload: unknown;
  /** Status of the answer as the CA meant it; `undefined` where it never came to one. */
  readonly status: number | undefined;
  /** Last part of the problem's type, where the answer was one. */
  readonly problem: string | undefined;
  /** The fault that was scripted for it. */
  readonly fault: Fault | undefined;
}

/** What can be read of a JWS without believing it. */
export interface PeekedJws {
  readonly nonce?: string;
  readonly account?: string;
  readonly payload?: unknown;
}

/** Reads nonce, account and payload of whatever was sent, and never throws. */
export function peekJws(body: string): PeekedJws {
  try {
    const { protected: head, payload } = JSON.parse(body) as Record<string, string>;
    const { nonce, kid } = JSON.parse(decode(head)) as Record<string, unknown>;
    const text = decode(payload);
    return {
      ...(typeof nonce === 'string' ? { nonce } : {}),
      ...(typeof kid === 'string' ? { account: kid } : {}),
      payload: text === '' ? '' : JSON.parse(text),
    };
  } catch {
    return {};
  }
}

function decode(text: unknown): string {
  return Buffer.from(String(text), 'base64url').toString();
}
