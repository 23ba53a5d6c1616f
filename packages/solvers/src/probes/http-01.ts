/** Looks at an http-01 answer from outside. */
import { get as httpGet } from 'node:http';
import { get as httpsGet } from 'node:https';
import { isIP } from 'node:net';
import type { Solver } from '@certbus/acme';
import { isAddress } from '@certbus/acme/solver-kit';
import {
  type Ask,
  addressesOf,
  awaitEveryAddress,
  createResolver,
  isUnrouted,
  noAddress,
  type ProbeOptions,
  type Verdict,
} from './every-address.ts';
import { objectionToAddress } from './special-addresses.ts';

/** How to look at http-01 answers from outside. */
export interface Http01ProbeOptions extends ProbeOptions {
  /** Port that the names are asked on. Default 80, the only one that a public CA uses. */
  readonly port?: number | undefined;
}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

const MAX_BODY_BYTES = 4096;
/** As many as Let's Encrypt follows. */
const MAX_REDIRECTS = 10;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

const hostOf = ({ hostname }: URL): string => hostname.replace(/^\[|\]$/g, '');

function fetchFrom(url: URL, { address, signal }: { address: string; signal: AbortSignal }): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const isTls = url.protocol === 'https:';
  const host = hostOf(url);
  const request = (isTls ? httpsGet : httpGet)(
    {
      host: address,
      port: url.port || (isTls ? 443 : 80),
      path: `${url.pathname}${url.search}`,
      headers: { host: url.host, 'user-agent': 'certbus' },
      signal,
      agent: false,
      // What is fetched is not a secret, and the certificate behind a redirect may be the one that is being made (RFC 8555 §8.3).
      ...(isTls ? { rejectUnauthorized: false, servername: isAddress(host) ? '' : host } : {}),
    },
    (response) => {
      let body = '';
      response.setEncoding('latin1');
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > MAX_BODY_BYTES) response.destroy(new Error('the answer is too long'));
      });
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, location: response.headers.location, body }),
      );
      response.on('error', reject);
    },
  );
  request.on('error', reject);
  return promise;
}

/** Asks an address of each family in turn, until this machine has a way to one. */
async function fetchFromAny(
  url: URL,
  { addresses, signal }: { readonly addresses: readonly string[]; readonly signal: AbortSignal },
): Promise<Answer> {
  const [first] = addresses;
  const other = addresses.find((address) => isIP(address) !== isIP(first ?? ''));
  try {
    return await fetchFrom(url, { address: first ?? '', signal });
  } catch (error) {
    if (other === undefined || !isUnrouted(error)) throw error;
    return fetchFrom(url, { address: other, signal });
  }
}

const wrong = (why: string): Verdict => ({ kind: 'wrong', why });

/** Why a CA would not follow a redirect to this URL. */
function objectionTo(url: URL, port: number): string | undefined {
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    return `redirects to ${url.protocol} instead of http or https`;
  const isUsual = url.port === '' || url.port === '80' || url.port === '443';
  return port === 80 && !isUsual ? `redirects to port ${url.port}, where no public CA follows` : undefined;
}

/**
 * Waits until every address of every name answers http-01 right: GETs the challenge's own URL, and follows redirects as CAs do, 10
 * at most, also to https with any certificate, on ports 80 and 443 (any where `port` is not 80, which only a private CA
 * uses). It follows none to this machine or its link, unless the name itself is there. Rejects as {@link awaitEveryAddress}.
 */
export function awaitHttp01(advice: string, { port = 80, ...options }: Http01ProbeOptions): Solver['ready'] {
  const resolver = createResolver(options.resolver);

  const ask: Ask = async ({ name, token, keyAuthorization }, { address, signal }) => {
    const host = name.includes(':') ? `[${name}]` : name;
    let url = new URL(`http://${host}:${port}/.well-known/acme-challenge/${token}`);
    for (let redirects = 0, addresses: readonly string[] = [address]; ; redirects += 1) {
      const answer = await fetchFromAny(url, { addresses, signal });
      // RFC 8555 §8.3 lets the server end the body with white space.
      if (answer.status === 200) {
        return answer.body.trimEnd() === keyAuthorization
          ? { kind: 'right', why: '' }
          : wrong('answers with another text');
      }
      const next =
        REDIRECTS.has(answer.status) && answer.location !== undefined ? URL.parse(answer.location, url.href) : null;
      if (!next) return wrong(`answers with HTTP ${answer.status}`);
      if (redirects === MAX_REDIRECTS) return wrong(`redirects more than ${MAX_REDIRECTS} times`);
      const objection = objectionTo(next, port);
      if (objection) return wrong(objection);
      if (next.hostname !== url.hostname) {
        const inDns = await addressesOf(hostOf(next), resolver);
        addresses = inDns.found;
        if (addresses.length === 0) return wrong(`redirects to ${next.hostname}, which ${noAddress(inDns)}`);
      }
      const refused = addresses.map((each) => objectionToAddress(each, address)).find((why) => why !== undefined);
      if (refused) return wrong(`redirects to ${next.hostname} ${refused}`);
      url = next;
    }
  };

  return awaitEveryAddress(ask, { ...options, advice: `port ${port}). ${advice}` });
}
