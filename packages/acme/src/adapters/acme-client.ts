// The package's main entry would load axios and node-forge as well, which nothing here uses.
import AcmeApi from 'acme-client/src/api.js';
import type { Resource, Session } from '../acme.ts';
import { AcmeError } from '../errors.ts';
import type { SeamHttp, SeamResponse } from './transport.ts';

/** The calls of a session that acme-client makes. */
export type ResourceCalls = Pick<Session, 'createAccount' | 'createOrder' | 'read' | 'answer' | 'finalize'>;

/** Where the account's URL is kept between jobs. */
export interface AccountSlot {
  url: string | undefined;
}

function resourceOf({ status, data, retryAfter }: SeamResponse, url: string): Resource {
  return { url, status, body: data, retryAfter };
}

function locationOf(response: SeamResponse, what: string): string {
  const { location } = response.headers;
  if (location) return location;
  throw new AcmeError('CERTBUS_ACME_NOT_ACME', `The CA did not say where the ${what} is (no Location header).`);
}

/** Puts a transport under acme-client's resource layer. The account is looked up by its key when first needed. */
export function createResourceCalls(http: SeamHttp, account: AccountSlot, signal: AbortSignal): ResourceCalls {
  const api = new AcmeApi(http, account.url ?? null);

  async function call(request: () => Promise<SeamResponse>): Promise<SeamResponse> {
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

  async function callAsAccount(request: () => Promise<SeamResponse>): Promise<SeamResponse> {
    if (!account.url) await createAccount({ onlyReturnExisting: true });
    api.accountUrl = account.url ?? null;
    return call(request);
  }

  return {
    createAccount,
    async createOrder(request) {
      const response = await callAsAccount(() => api.createOrder(request));
      return resourceOf(response, locationOf(response, 'order'));
    },
    read: async (url) => resourceOf(await callAsAccount(() => api.getOrder(url)), url),
    answer: async (url) => resourceOf(await callAsAccount(() => api.completeChallenge(url, {})), url),
    async finalize(url, csr) {
      const request = { csr: Buffer.from(csr).toString('base64url') };
      return resourceOf(await callAsAccount(() => api.finalizeOrder(url, request)), url);
    },
  };
}
