/** Validates http-01 (RFC 8555 §8.3). */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP } from 'node:net';
import { ProblemDocument } from '../problem-document.ts';
import type { MethodContext } from './method.ts';

const MAX_REDIRECTS = 10;
/** More than any key authorization, and no more. */
const MAX_BODY = 128;
const REDIRECTS = new Set([301, 302, 303, 307, 308]);

interface Target {
  readonly url: URL;
  readonly addresses: readonly string[];
}

const bare = (hostname: string) => hostname.replace(/^\[(.*)\]$/, '$1');

async function addressesOf({ dns }: MethodContext, { hostname }: URL): Promise<readonly string[]> {
  const host = bare(hostname);
  return isIP(host) === 0 ? dns.addresses(host) : [host];
}

/** The port that is really asked: those of the protocols stand for the ones in the settings. */
function portOf({ settings: { validation } }: MethodContext, { protocol, port }: URL): number {
  const own = protocol === 'https:' ? validation.tlsPort : validation.httpPort;
  if (port === '') return own;
  if ([own, ...validation.redirectPorts].includes(Number(port))) return Number(port);
  throw new ProblemDocument('connection', `A redirect to port ${port} is not followed; only ${own} is`);
}

function open(context: MethodContext, { url }: Target, address: string): Promise<IncomingMessage> {
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  const port = portOf(context, url);
  return new Promise((resolve, reject) => {
    const call = send(
      {
        host: address,
        port,
        path: `${url.pathname}${url.search}`,
        headers: { host: url.host, 'user-agent': 'certbus-acme-testing', accept: '*/*' },
        agent: false,
        signal: context.signal,
        // RFC 8555 §8.3: https is only ever reached by a redirect, and its certificate proves nothing here.
        rejectUnauthorized: false,
        ...(url.protocol === 'https:' && isIP(bare(url.hostname)) === 0 ? { servername: url.hostname } : {}),
      },
      resolve,
    );
    call.on('error', reject).end();
  });
}

/** Asks the first address that answers, as a CA falls back from IPv6 to IPv4. */
async function fetchFrom(context: MethodContext, target: Target): Promise<IncomingMessage> {
  let failure: unknown = new Error('no address');
  for (const address of target.addresses) {
    try {
      return await open(context, target, address);
    } catch (error) {
      if (error instanceof ProblemDocument) throw error;
      failure = error;
    }
  }
  const why = failure instanceof Error ? failure.message : String(failure);
  const detail = `${target.addresses.join(', ')}: Fetching ${target.url.href}: ${why}`;
  throw new ProblemDocument('connection', detail, { status: 400 });
}

async function readBody(response: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of response) {
    text += String(chunk);
    if (text.length > MAX_BODY) break;
  }
  response.destroy();
  return text;
}

function redirectOf(response: IncomingMessage, from: URL): URL | undefined {
  const { statusCode = 0, headers } = response;
  if (!REDIRECTS.has(statusCode) || headers.location === undefined) return undefined;
  const next = URL.parse(headers.location, from.href);
  response.destroy();
  if (next?.protocol === 'http:' || next?.protocol === 'https:') return next;
  throw new ProblemDocument('connection', `The redirect to ${headers.location} is not followed`);
}

/** RFC 8555 §8.3, with up to ten redirects. */
export async function validateHttp01(context: MethodContext): Promise<void> {
  const { authorization, challenge, keyAuthorization, settings } = context;
  const { value } = authorization.identifier;
  const host = isIP(value) === 6 ? `[${value}]` : value;
  let url = new URL(`http://${host}:${settings.validation.httpPort}/.well-known/acme-challenge/${challenge.token}`);
  for (let hops = 0; hops <= MAX_REDIRECTS; hops += 1) {
    const addresses = await addressesOf(context, url);
    const response = await fetchFrom(context, { url, addresses });
    const next = redirectOf(response, url);
    if (!next) return check(response, keyAuthorization, { url, addresses });
    url = next;
  }
  throw new ProblemDocument('connection', `Fetching ${url.href}: too many redirects`);
}

async function check(response: IncomingMessage, expected: string, { url, addresses }: Target): Promise<void> {
  const from = `Invalid response from ${url.href} [${addresses.join(', ')}]`;
  const body = await readBody(response);
  if (response.statusCode !== 200) throw new ProblemDocument('unauthorized', `${from}: ${response.statusCode}`);
  // RFC 8555 §8.3: white space at the end does not count.
  if (body.trimEnd() === expected) return;
  throw new ProblemDocument('unauthorized', `${from}: the key authorization file has other content`);
}
