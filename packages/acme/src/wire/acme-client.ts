/** The calls of a session, made by acme-client's resource layer over our HTTP layer; loaded when a CA is first asked. */
// The package's main entry would load axios and node-forge as well, which nothing here uses.
import AcmeApi from 'acme-client/src/api.js';
import type { Jwk } from '../account/account-key.ts';
import { AcmeError } from '../errors.ts';
import type { Answer } from './answer.ts';
import { checkOrigin, hasCredentials } from './directory.ts';
import type { Resource, Session } from './engine.ts';
import { signKeyChange } from './jws.ts';
import { linked, parseLinks } from './links.ts';
import type { SeamHttp } from './transport.ts';

/** The calls of a session that are about the account. */
type AccountCalls = Pick<
  Session,
  'createAccount' | 'accountUrl' | 'findAccount' | 'readAccount' | 'updateAccount' | 'changeKey'
>;

/** The calls of a session that are about orders and certificates. */
type OrderCalls = Pick<Session, 'createOrder' | 'read' | 'answer' | 'finalize' | 'revoke'>;

/** The calls of a session that go through acme-client, or around it where it has none. */
export type ResourceCalls = AccountCalls & OrderCalls;

/** Where the account's URL is kept between sessions. */
export interface AccountSlot {
  url: string | undefined;
}

/** Whose calls they are. */
export interface CallOptions {
  /** URL of the CA's directory. */
  readonly directory: string;
  readonly account: AccountSlot;
  /** Public half of the account's key. */
  readonly jwk: Jwk;
  readonly signal: AbortSignal;
}

/** What makes the calls of one session. */
interface Caller extends CallOptions {
  readonly http: SeamHttp;
  readonly api: AcmeApi<Answer>;
}

function resourceOf({ directory }: Caller, { status, headers, data, retryAfter }: Answer, url: string): Resource {
  const { origin } = new URL(directory);
  const alternates = linked(parseLinks(headers.link, url), 'alternate');
  return {
    url,
    status,
    body: data,
    retryAfter,
    alternates: alternates.filter((each) => {
      const alternate = new URL(each);
      return alternate.origin === origin && !hasCredentials(alternate);
    }),
  };
}

/** RFC 9110 §10.2.2 lets a location be relative. */
function locationOf({ directory }: Caller, { headers: { location } }: Answer, what: string): string {
  if (location) return checkOrigin(URL.parse(location, directory)?.href, directory);
  throw new AcmeError(
    'CERTBUS_ACME_NOT_ACME',
    `The answer of the CA has no Location header, so nobody knows where the ${what} is.`,
  );
}

async function call({ signal }: Caller, request: () => Promise<Answer>): Promise<Answer> {
  try {
    return await request();
  } catch (cause) {
    signal.throwIfAborted();
    if (cause instanceof AcmeError) throw cause;
    // What acme-client itself objects to: a success of an unexpected kind.
    const message = 'The CA answered with a status that RFC 8555 does not foresee.';
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', message, { cause });
  }
}

async function createAccount(caller: Caller, request: Readonly<Record<string, unknown>>): Promise<Resource> {
  const response = await call(caller, () => caller.api.createAccount(request));
  const url = locationOf(caller, response, 'account');
  caller.account.url = url;
  return resourceOf(caller, response, url);
}

async function accountUrl(caller: Caller): Promise<string> {
  // Only looked for: whether a lost account is replaced is the caller's decision.
  const url = caller.account.url ?? (await createAccount(caller, { onlyReturnExisting: true })).url;
  caller.api.accountUrl = url;
  return url;
}

/** Calls as the account; `url` is what is asked about. Default: the account itself. */
async function callAsAccount(
  caller: Caller,
  request: (accountUrl: string) => Promise<Answer>,
  url?: string,
): Promise<Resource> {
  const own = await accountUrl(caller);
  return resourceOf(caller, await call(caller, () => request(own)), url ?? own);
}

function accountCalls(caller: Caller): AccountCalls {
  const { http, api, jwk } = caller;
  return {
    createAccount: (request) => createAccount(caller, request),
    accountUrl: () => accountUrl(caller),
    async findAccount(key) {
      const url = await http.getResourceUrl('newAccount');
      const request = () => http.signedRequest(url, { onlyReturnExisting: true }, { kid: null, key });
      const response = await call(caller, request);
      return resourceOf(caller, response, locationOf(caller, response, 'account'));
    },
    readAccount: () => callAsAccount(caller, (own) => api.getOrder(own)),
    updateAccount: (request) => callAsAccount(caller, () => api.updateAccount(request)),
    async changeKey(newKey) {
      const url = await http.getResourceUrl('keyChange');
      return callAsAccount(caller, (own) =>
        api.updateAccountKey(signKeyChange(newKey, { account: own, oldKey: jwk, url })),
      );
    },
  };
}

function orderCalls(caller: Caller): OrderCalls {
  const { http, api } = caller;
  return {
    async createOrder(request) {
      await accountUrl(caller);
      const response = await call(caller, () => api.createOrder(request));
      return resourceOf(caller, response, locationOf(caller, response, 'order'));
    },
    read: (url) => callAsAccount(caller, () => api.getOrder(url), url),
    answer: (url) => callAsAccount(caller, () => api.completeChallenge(url, {}), url),
    finalize: (url, csr) =>
      callAsAccount(caller, () => api.finalizeOrder(url, { csr: Buffer.from(csr).toString('base64url') }), url),
    async revoke(request, certificateKey) {
      if (!certificateKey) return callAsAccount(caller, () => api.revokeCert(request));
      const url = await http.getResourceUrl('revokeCert');
      const signing = { kid: null, key: certificateKey };
      return resourceOf(caller, await call(caller, () => http.signedRequest(url, request, signing)), url);
    },
  };
}

/** Puts a transport under acme-client's resource layer. The account is looked up by its key when first needed. */
export function createResourceCalls(http: SeamHttp, options: CallOptions): ResourceCalls {
  const caller: Caller = { ...options, http, api: new AcmeApi<Answer>(http, options.account.url ?? null) };
  return { ...accountCalls(caller), ...orderCalls(caller) };
}
