/** The HTTP layer under acme-client: nonces, signatures and the directory, shared by all sessions of one connection. */
import type { AccountKey } from '../account/account-key.ts';
import { bindExternalAccount } from '../account/external-account.ts';
import { AcmeError } from '../errors.ts';
import type { Deadline } from '../limits/deadline.ts';
import { type Answer, isBadNonce, readAnswer } from './answer.ts';
import {
  type Connection,
  type ConnectionOptions,
  endpointAt,
  guard,
  type Result,
  repeat,
  send,
  waitForRoom,
} from './connection.ts';
import { type DirectoryObject, parseDirectory } from './directory.ts';
import type { Resource } from './engine.ts';
import { explainFailure, HttpFailure } from './http.ts';
import { signJws } from './jws.ts';
import { createNoncePool, type Nonce } from './nonce-pool.ts';

/** How a request is to be signed: `kid` null puts the whole public key in. */
interface SeamSigning {
  readonly kid?: string | null;
  readonly includeExternalAccountBinding?: boolean;
  /** Default: the account's. */
  readonly key?: AccountKey;
}

/** The members of acme-client's HTTP client that its resource layer calls. A contract test fails if it ever calls another. */
export interface SeamHttp {
  getResourceUrl(resource: string): Promise<string>;
  getMetaField(field: string): Promise<unknown>;
  signedRequest(url: string, payload: unknown, signing?: SeamSigning): Promise<Answer>;
}

/** The HTTP layer under acme-client, shared by all sessions with one CA and account. */
export interface Transport {
  readDirectory(deadline: Deadline): Promise<DirectoryObject>;
  /** Unsigned GET. */
  get(url: string, deadline: Deadline): Promise<Resource>;
  /** The seam for one session, whose requests stop with its signal. */
  bind(deadline: Deadline): SeamHttp;
}

// At a rejection rate of one half this loses one request in four thousand million.
const MAX_NONCE_TRIES = 32;
const DIRECTORY_AGE_MS = 86_400_000;

function read({ directory, known, now }: Connection, url: string, result: Result): Answer {
  if (result instanceof HttpFailure) throw explainFailure(result, directory);
  const resource = Object.entries(known?.resources ?? {}).find(([, value]) => value === url)?.[0];
  const name = resource ?? (url === directory ? 'the directory' : url);
  return readAnswer(result, { directory, url, name, now: now() });
}

async function get(connection: Connection, url: string, deadline: Deadline): Promise<Answer> {
  const endpoint = endpointAt(connection, url);
  const attempt = async () => {
    await waitForRoom(connection, deadline, endpoint);
    return send(connection, { method: 'GET', url, signal: deadline.signal });
  };
  const ask = () => repeat(connection, deadline, attempt);
  return guard(connection, { endpoint, ask, read: (result) => read(connection, url, result) });
}

async function getResource(connection: Connection, url: string, deadline: Deadline): Promise<Resource> {
  const { status, headers, data, retryAfter } = await get(connection, url, deadline);
  const answeredAt = new Date(headers.date ?? '');
  return { url, status, body: data, retryAfter, ...(Number.isNaN(answeredAt.getTime()) ? {} : { answeredAt }) };
}

async function readDirectory(connection: Connection, deadline: Deadline): Promise<DirectoryObject> {
  const { directory, known, breaker, now } = connection;
  // After an outage the directory is asked first: it is the cheapest sign of life.
  const isCertain = breaker.state() === 'closed';
  if (known && isCertain && known.until > now().getTime()) return known.resources;
  const resources = parseDirectory((await get(connection, directory, deadline)).data, directory);
  connection.known = { resources, until: now().getTime() + DIRECTORY_AGE_MS };
  return resources;
}

async function takeNonce(connection: Connection, deadline: Deadline): Promise<Nonce> {
  const { nonces, directory } = connection;
  const pooled = nonces.take();
  if (pooled) return pooled;
  // RFC 8555 §7.2 allows GET, and unlike HEAD it keeps the connection of servers that send no length.
  await get(connection, (await readDirectory(connection, deadline)).newNonce, deadline);
  const fresh = nonces.take();
  if (fresh) return fresh;
  throw new AcmeError('CERTBUS_ACME_NOT_ACME', `The CA at ${directory} gave no nonce (RFC 8555 §7.2).`);
}

/** A POST to be signed. */
interface Post {
  readonly url: string;
  /** `null`: POST-as-GET. */
  readonly payload: object | null;
  readonly signing: SeamSigning;
}

/** Signs and sends until the nonce is accepted; a signed body is never sent a second time. */
async function post(connection: Connection, deadline: Deadline, { url, payload, signing }: Post): Promise<Result> {
  const { kid = null, key = connection.key } = signing;
  const endpoint = endpointAt(connection, url);
  for (let tries = 1; ; tries += 1) {
    await waitForRoom(connection, deadline, endpoint);
    const nonce = await takeNonce(connection, deadline);
    const body = JSON.stringify(signJws(key, payload, { url, nonce: nonce.value, kid }));
    const result = await send(connection, { method: 'POST', url, body, signal: deadline.signal });
    if (result instanceof HttpFailure || !isBadNonce(result) || tries === MAX_NONCE_TRIES) return result;
    // Refused once, a nonce may have been unlucky; refused again, the fresh one, the CA has probably restarted.
    if (tries > 1) connection.nonces.discard(nonce);
  }
}

async function sendSigned(connection: Connection, deadline: Deadline, asked: Post): Promise<Answer> {
  const { eab, key } = connection;
  const { url, signing } = asked;
  const { newAccount, newOrder, revokeCert } = await readDirectory(connection, deadline);
  const isBound = signing.includeExternalAccountBinding && eab;
  const binding = isBound ? { externalAccountBinding: bindExternalAccount(key.jwk, eab, url) } : {};
  const payload = asked.payload === null ? null : { ...asked.payload, ...binding };
  const attempt = () => post(connection, deadline, { url, payload, signing });
  // A CA gives the same account for the same key, and the same pending order for the same names (or a spare one, which expires);
  // what is revoked stays so.
  const isRepeatable = payload === null || [newAccount, newOrder, revokeCert].includes(url);
  const ask = isRepeatable ? () => repeat(connection, deadline, attempt) : attempt;
  return guard(connection, {
    endpoint: endpointAt(connection, url),
    ask,
    read: (result) => read(connection, url, result),
  });
}

function bind(connection: Connection, deadline: Deadline): SeamHttp {
  return {
    async getResourceUrl(resource) {
      const url = Object.entries(await readDirectory(connection, deadline)).find(([name]) => name === resource)?.[1];
      if (typeof url === 'string') return url;
      throw new AcmeError('CERTBUS_ACME_NOT_ACME', `The CA at ${connection.directory} has no ${resource}.`);
    },
    async getMetaField(field) {
      const { meta } = await readDirectory(connection, deadline);
      return Object.entries(meta).find(([name]) => name === field)?.[1] ?? null;
    },
    signedRequest: (url, payload, signing = {}) =>
      sendSigned(connection, deadline, { url, payload: (payload ?? null) as object | null, signing }),
  };
}

/** Creates the transport. Its nonces and its copy of the directory are kept in memory only. */
export function createTransport(options: ConnectionOptions): Transport {
  const connection: Connection = { ...options, nonces: createNoncePool(options.now), known: undefined };
  return {
    readDirectory: (deadline) => readDirectory(connection, deadline),
    get: (url, deadline) => getResource(connection, url, deadline),
    bind: (deadline) => bind(connection, deadline),
  };
}
