// The package's main entry would load axios and node-forge as well, which nothing here uses.
import AcmeApi from 'acme-client/src/api.js';
import type { Jwk } from '../account/account-key.ts';
import { AcmeError } from '../errors.ts';
import type { Resource, Session } from './acme.ts';
import type { Answer } from './answer.ts';
import { checkOrigin } from './directory.ts';
import { signKeyChange } from './jws.ts';
import { linked, parseLinks } from './links.ts';
import type { SeamHttp } from './transport.ts';

/** The calls of a session that go through acme-client, or around it where it has none. */
export type ResourceCalls = Pick<
  Session,
  | 'createAccount'
  | 'accountUrl'
  | 'findAccount'
  | 'readAccount'
  | 'updateAccount'
  | 'changeKey'
  | 'createOrder'
  | 'read'
  | 'answer'
  | 'finalize'
  | 'revoke'
>;

/** Where the account's URL is kept between jobs. */
export interface AccountSlot {
  url: string | undefined;
}

/** Whose calls they are. */
export interface CallOptions {
  /** The CA's directory. */
  readonly home: string;
  readonly account: AccountSlot;
  /** Public half of the account's key. */
  readonly jwk: Jwk;
  readonly signal: AbortSignal;
}

/** Puts a transport under acme-client's resource layer. The account is looked up by its key when first needed. */
export function createResourceCalls(http: SeamHttp, { home, account, jwk, signal }: CallOptions): ResourceCalls {
  const api = new AcmeApi(http, account.url ?? null);
  const originOf = (url: string) => new URL(url).origin;

  function resourceOf({ status, headers, data, retryAfter }: Answer, url: string): Resource {
    const alternates = linked(parseLinks(headers.link, url), 'alternate');
    return {
      url,
      status,
      body: data,
      retryAfter,
      alternates: alternates.filter((each) => originOf(each) === originOf(home)),
    };
  }

  /** RFC 9110 §10.2.2 lets a location be relative. */
  function locationOf({ headers: { location } }: Answer, what: string): string {
    if (location) return checkOrigin(URL.parse(location, home)?.href, home);
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', `The CA did not say where the ${what} is (no Location header).`);
  }

  async function call(request: () => Promise<Answer>): Promise<Answer> {
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

  async function createAccount(request: Readonly<Record<string, unknown>>): Promise<Resource> {
    const response = await call(() => api.createAccount(request));
    const url = locationOf(response, 'account');
    account.url = url;
    return resourceOf(response, url);
  }

  async function accountUrl(): Promise<string> {
    // Only looked for: whoever lost an account decides whether there is to be another.
    const url = account.url ?? (await createAccount({ onlyReturnExisting: true })).url;
    api.accountUrl = url;
    return url;
  }

  async function callAsAccount(url: string | undefined, request: (accountUrl: string) => Promise<Answer>) {
    const who = await accountUrl();
    return resourceOf(await call(() => request(who)), url ?? who);
  }

  return {
    createAccount,
    accountUrl,
    async findAccount(key) {
      const signing = { kid: null, key };
      const newAccount = await http.getResourceUrl('newAccount');
      const response = await call(() => http.signedRequest(newAccount, { onlyReturnExisting: true }, signing));
      return resourceOf(response, locationOf(response, 'account'));
    },
    readAccount: () => callAsAccount(undefined, (who) => api.getOrder(who)),
    updateAccount: (request) => callAsAccount(undefined, () => api.updateAccount(request)),
    async changeKey(newKey) {
      const url = await http.getResourceUrl('keyChange');
      return callAsAccount(undefined, (who) =>
        api.updateAccountKey(signKeyChange(newKey, { account: who, oldKey: jwk, url })),
      );
    },
    async createOrder(request) {
      await accountUrl();
      const response = await call(() => api.createOrder(request));
      return resourceOf(response, locationOf(response, 'order'));
    },
    read: (url) => callAsAccount(url, () => api.getOrder(url)),
    answer: (url) => callAsAccount(url, () => api.completeChallenge(url, {})),
    finalize: (url, csr) =>
      callAsAccount(url, () => api.finalizeOrder(url, { csr: Buffer.from(csr).toString('base64url') })),
    async revoke(request, certificateKey) {
      if (!certificateKey) return callAsAccount(undefined, () => api.revokeCert(request));
      const url = await http.getResourceUrl('revokeCert');
      return resourceOf(await call(() => http.signedRequest(url, request, { kid: null, key: certificateKey })), url);
    },
  };
}
