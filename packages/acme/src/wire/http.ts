/** The port that sends one request, and what its failures mean for people. */
import { AcmeError } from '../errors.ts';

/** One request. The body, if any, is a JWS. */
export interface HttpRequest {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly body?: string;
  readonly signal: AbortSignal;
}

/** One complete answer; header names are lower case. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
}

/**
 * Port: sends one request, once. An implementation MUST NOT repeat a request or follow a redirect, MUST bound time and size of an
 * answer, and rejects with the signal's reason or an {@link HttpFailure}.
 */
export interface Http {
  send(request: HttpRequest): Promise<HttpResponse>;
  /** Ends every connection. */
  close(): Promise<void>;
}

/** Why no answer came. `lost` means that the request may have had its effect. */
export type HttpFailureKind =
  | 'refused'
  | 'unresolved'
  | 'untrusted'
  | 'not-tls'
  | 'timeout'
  | 'lost'
  | 'proxy'
  | 'proxy-away'
  | 'garbage'
  | 'oversize';

/** A request that got no usable answer. */
export class HttpFailure extends Error {
  override readonly name = 'HttpFailure';
  readonly kind: HttpFailureKind;
  /** Host of the proxy in use, if there is one. */
  readonly proxy: string | undefined;

  constructor(kind: HttpFailureKind, { cause, proxy }: ErrorOptions & { readonly proxy?: string | undefined } = {}) {
    super(`no usable answer: ${kind}`, { cause });
    this.kind = kind;
    this.proxy = proxy;
  }
}

const ADVICE: Readonly<Record<HttpFailureKind, string>> = {
  refused: 'nothing accepts connections there. Check the address and that the CA is running',
  unresolved: 'its host name does not resolve. Check the spelling of the directory, and the DNS of this machine',
  untrusted:
    'its TLS certificate is not trusted here. For a private CA set "roots" to the PEM of its root certificates; otherwise somebody is between',
  'not-tls': 'it does not speak TLS. Check scheme and port of the directory',
  timeout: 'it did not answer in time. Try again later, and check firewalls and proxies',
  lost: 'the connection broke before the answer came. Try again',
  proxy: 'the proxy does not let it through. Check its credentials and rules, and NO_PROXY',
  'proxy-away': 'the proxy does not answer. Check its address, HTTPS_PROXY as a rule, and that it is running',
  garbage: 'it does not speak HTTP. Check scheme and port of the directory',
  oversize: 'its answer is far larger than anything ACME sends. Check the address of the directory',
};

/** A failure in words for people: `CERTBUS_ACME_UNREACHABLE` or `CERTBUS_ACME_NOT_ACME`. */
export function explainFailure(failure: HttpFailure, directory: string): AcmeError {
  const { kind, proxy } = failure;
  const isAnswer = kind === 'garbage' || kind === 'oversize';
  const code = isAnswer ? 'CERTBUS_ACME_NOT_ACME' : 'CERTBUS_ACME_UNREACHABLE';
  const way = proxy ? ` through the proxy ${proxy}` : '';
  const what = isAnswer ? 'is not an ACME server' : `cannot be reached${way}`;
  return new AcmeError(code, `The CA at ${directory} ${what}: ${ADVICE[kind]}.`, { cause: failure });
}
