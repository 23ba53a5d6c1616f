/** An ACME client for tests that can do everything wrong. */
import { createHash, createHmac, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Agent, request as httpsRequest } from 'node:https';

/** A CA as the raw client needs it. */
export interface CaAddress {
  readonly directory: string;
  /** PEM. */
  readonly roots: string;
}

/** What an answer may say, over all resources. */
export interface RawBody {
  readonly status?: string | number;
  readonly type?: string;
  readonly detail?: string;
  readonly subproblems?: readonly { readonly type: string; readonly identifier: { readonly value: string } }[];
  readonly algorithms?: readonly string[];
  readonly contact?: readonly string[];
  readonly identifiers?: readonly { readonly type: string; readonly value: string }[];
  readonly authorizations?: readonly string[];
  readonly finalize?: string;
  readonly certificate?: string;
  readonly expires?: string;
  readonly notBefore?: string;
  readonly notAfter?: string;
  readonly profile?: string;
  readonly replaces?: string;
  readonly identifier?: { readonly type: string; readonly value: string };
  readonly wildcard?: boolean;
  readonly challenges?: readonly RawChallenge[];
  readonly error?: { readonly type: string; readonly detail: string };
  readonly suggestedWindow?: { readonly start: string; readonly end: string };
  readonly explanationURL?: string;
}

/** A challenge as a CA shows it. */
export interface RawChallenge {
  readonly type: string;
  readonly url: string;
  readonly status: string;
  readonly token?: string;
  readonly error?: { readonly type: string; readonly detail: string };
}

/** An answer. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The text as JSON; empty where it is none. */
  readonly body: RawBody;
}

/** A key that signs requests. */
export interface RawKey {
  readonly privateKey: KeyObject;
  readonly jwk: Readonly<Record<string, unknown>>;
  readonly alg: string;
  readonly thumbprint: string;
}

const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
};

const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

function generate(alg: string): { privateKey: KeyObject; publicKey: KeyObject } {
  if (alg === 'ES384') return generateKeyPairSync('ec', { namedCurve: 'P-384' });
  if (alg === 'ES512') return generateKeyPairSync('ec', { namedCurve: 'P-521' });
  if (alg === 'RS256') return generateKeyPairSync('rsa', { modulusLength: 2048 });
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519');
  return generateKeyPairSync('ec', { namedCurve: 'P-256' });
}

/** A key as the client uses it. */
export function rawKeyOf(
  alg: string,
  { privateKey, publicKey }: { privateKey: KeyObject; publicKey: KeyObject },
): RawKey {
  const all: Record<string, unknown> = { ...publicKey.export({ format: 'jwk' }) };
  const jwk = Object.fromEntries((MEMBERS[String(all['kty'])] ?? []).map((member) => [member, all[member]]));
  return { privateKey, jwk, alg, thumbprint: createHash('sha256').update(JSON.stringify(jwk)).digest('base64url') };
}

/** Makes a key for ES256, or for another algorithm. */
export function createRawKey(alg = 'ES256'): RawKey {
  return rawKeyOf(alg, generate(alg));
}

/** A JWS in the flattened form. */
export interface RawJws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

/** Signs anything under any header. A payload that is `undefined` is empty. */
export function signRaw({ privateKey, alg }: RawKey, header: object, payload: unknown): RawJws {
  const head = encode(header);
  const body = payload === undefined ? '' : encode(payload);
  const hash = { ES256: 'sha256', ES384: 'sha384', ES512: 'sha512', RS256: 'sha256' }[alg];
  const how =
    alg === 'RS256' || alg === 'EdDSA' ? privateKey : ({ key: privateKey, dsaEncoding: 'ieee-p1363' } as const);
  const signature = sign(hash, Buffer.from(`${head}.${body}`), how);
  return { protected: head, payload: body, signature: signature.toString('base64url') };
}

/** Binds a key to an account outside ACME (RFC 8555 §7.3.4). */
export function bindRaw(
  jwk: object,
  { kid, hmacKey, url, alg = 'HS256' }: { kid: string; hmacKey: string; url: string; alg?: string },
): RawJws {
  const head = encode({ alg, kid, url });
  const payload = encode(jwk);
  const mac = createHmac(`sha${alg.slice(2)}`, Buffer.from(hmacKey, 'base64url')).update(`${head}.${payload}`);
  return { protected: head, payload, signature: mac.digest('base64url') };
}

/** How one POST differs from a right one. */
export interface PostOptions {
  /** Signs with this key in place of the account's. */
  readonly key?: RawKey;
  /** Names the key by jwk, as newAccount wants it. */
  readonly byJwk?: boolean;
  /** Changes the protected header before it is signed. A nonce that it names is sent once, whatever the CA says. */
  readonly header?: Readonly<Record<string, unknown>>;
  /** Changes the JWS after it was signed. */
  readonly tamper?: (jws: RawJws) => unknown;
  readonly contentType?: string;
  readonly userAgent?: string | null;
}

/** Speaks ACME as RFC 8555 writes it, knows nothing of the client that is tested here, and can do everything wrong. */
export interface RawClient {
  readonly key: RawKey;
  /** The account's URL, once there is one. */
  readonly account: string;
  /** Address of a resource by its name in the directory. */
  url(resource: string): string;
  directory(): Readonly<Record<string, unknown>>;
  nonce(): Promise<string>;
  request(method: string, url: string, body?: string, headers?: Record<string, string>): Promise<RawAnswer>;
  /** Without a payload it is POST-as-GET. */
  post(url: string, payload?: unknown, options?: PostOptions): Promise<RawAnswer>;
  /** Creates an account, and is it from then on. */
  register(payload?: object): Promise<RawAnswer>;
  /** Is another key of the same account from then on. */
  useKey(key: RawKey): void;
  close(): void;
}

const MAX_TRIES = 60;
const USER_AGENT = 'certbus-raw-client';

function parse(text: string): RawBody {
  try {
    return JSON.parse(text) as RawBody;
  } catch {
    return {};
  }
}

/** Reads the directory of a CA, with a key of its own or a given one. */
export async function openRawClient({ directory: at, roots }: CaAddress, own = createRawKey()): Promise<RawClient> {
  const agent = new Agent({ ca: roots, keepAlive: true });
  let key = own;
  let account = '';

  function request(
    method: string,
    url: string,
    body = '',
    headers: Record<string, string> = { 'user-agent': USER_AGENT },
  ): Promise<RawAnswer> {
    return new Promise((resolve, reject) => {
      const call = httpsRequest(url, {
        agent,
        method,
        headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      });
      call.on('error', reject);
      call.on('response', (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('aborted', () => reject(new Error('the answer ended early')));
        response.on('end', () => {
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, body: parse(text) });
        });
      });
      call.end(body);
    });
  }

  const directory = JSON.parse((await request('GET', at)).text) as Record<string, unknown>;
  const url = (resource: string) => String(directory[resource]);

  async function nonce(): Promise<string> {
    const { headers } = await request('HEAD', url('newNonce'));
    return String(headers['replay-nonce']);
  }

  async function postOnce(to: string, payload: unknown, options: PostOptions): Promise<RawAnswer> {
    const signer = options.key ?? key;
    const who = options.byJwk ? { jwk: signer.jwk } : { kid: account };
    const header = { alg: signer.alg, nonce: await nonce(), url: to, ...who, ...options.header };
    const jws = signRaw(signer, header, payload);
    const { contentType = 'application/jose+json', userAgent = USER_AGENT, tamper = (each) => each } = options;
    const agentHeader = userAgent === null ? {} : { 'user-agent': userAgent };
    return request('POST', to, JSON.stringify(tamper(jws)), { 'content-type': contentType, ...agentHeader });
  }

  async function post(to: string, payload?: unknown, options: PostOptions = {}): Promise<RawAnswer> {
    for (let tries = 1; ; tries += 1) {
      const answer = await postOnce(to, payload, options);
      const isUnlucky = answer.body.type?.endsWith(':badNonce') === true && options.header?.['nonce'] === undefined;
      if (!isUnlucky || tries === MAX_TRIES) return answer;
    }
  }

  return {
    get key() {
      return key;
    },
    get account() {
      return account;
    },
    url,
    directory: () => directory,
    nonce,
    request,
    post,
    async register(payload = { termsOfServiceAgreed: true }) {
      const answer = await post(url('newAccount'), payload, { byJwk: true });
      account = answer.headers.location ?? account;
      return answer;
    },
    useKey(next) {
      key = next;
    },
    close: () => agent.destroy(),
  };
}

/** Status and last part of the problem's type; `none` where an answer is not a problem document. */
export function problem({ status, body, headers }: RawAnswer): { readonly status: number; readonly type: string } {
  if (!headers['content-type']?.startsWith('application/problem+json')) return { status, type: 'none' };
  return { status, type: String(body.type).replace('urn:ietf:params:acme:error:', '') };
}

/** As JWS and ACME write bytes. */
export function toBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}
