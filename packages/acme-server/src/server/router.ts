/** Which resource answers a request. */
import type { Ca } from './ca.ts';
import type { Received, Reply } from './exchange.ts';
import type { Endpoint } from './limits/rate-limits.ts';
import { malformed, notFound, ProblemDocument } from './problem-document.ts';
import type { ResourceKind } from './request-log.ts';
import { account, newAccount } from './resources/account.ts';
import { authorization } from './resources/authorization.ts';
import { certificate } from './resources/certificate.ts';
import { challenge } from './resources/challenge.ts';
import { readDirectory } from './resources/directory.ts';
import { finalize } from './resources/finalize.ts';
import { keyChange } from './resources/key-change.ts';
import { newOrder } from './resources/new-order.ts';
import { order } from './resources/order.ts';
import { renewalInfo } from './resources/renewal-info.ts';
import { revokeCert } from './resources/revocation.ts';
import { type AccountRequest, authenticate } from './signed-request.ts';
import { PATHS } from './urls.ts';

/** Parts of a path that its pattern captured. */
type Captured = readonly [first: string, second: string];

interface Route {
  readonly resource: ResourceKind;
  readonly endpoint: Endpoint;
  readonly pattern: RegExp;
  readonly methods: readonly string[];
  answer(ca: Ca, received: Received, captured: Captured): Reply | Promise<Reply>;
}

type AccountAnswer = (ca: Ca, request: AccountRequest, captured: Captured) => Reply | Promise<Reply>;

const GET = ['GET', 'HEAD'];
const POST = ['POST'];

const exactly = (path: string) => new RegExp(`^${path}$`);
const under = (name: string) => new RegExp(`^/acme/${name}/([\\w-]+)$`);

function signed(resource: ResourceKind, pattern: RegExp, answer: AccountAnswer, endpoint: Endpoint = 'other'): Route {
  return {
    resource,
    endpoint,
    pattern,
    methods: POST,
    answer: (ca, received, captured) => answer(ca, authenticate(ca, received), captured),
  };
}

const newNonce = (_: Ca, { method }: Received): Reply => ({ status: method === 'HEAD' ? 200 : 204 });

const ROUTES: readonly Route[] = [
  {
    resource: 'directory',
    endpoint: 'directory',
    pattern: exactly(PATHS.directory),
    methods: GET,
    answer: readDirectory,
  },
  { resource: 'newNonce', endpoint: 'new-nonce', pattern: exactly(PATHS.newNonce), methods: GET, answer: newNonce },
  {
    resource: 'newAccount',
    endpoint: 'new-account',
    pattern: exactly(PATHS.newAccount),
    methods: POST,
    answer: newAccount,
  },
  {
    resource: 'revokeCert',
    endpoint: 'revoke-cert',
    pattern: exactly(PATHS.revokeCert),
    methods: POST,
    answer: revokeCert,
  },
  {
    resource: 'renewalInfo',
    endpoint: 'renewal-info',
    pattern: new RegExp(`^${PATHS.renewalInfo}/([\\w.-]+)$`),
    methods: GET,
    answer: (ca, _, [id]) => renewalInfo(ca, id),
  },
  signed('newOrder', exactly(PATHS.newOrder), newOrder, 'new-order'),
  signed('keyChange', exactly(PATHS.keyChange), keyChange),
  signed('account', under('acct'), (ca, request, [id]) => account(ca, request, id)),
  signed('order', under('order'), (ca, request, [id]) => order(ca, request, id)),
  signed('finalize', under('finalize'), (ca, request, [id]) => finalize(ca, request, id)),
  signed('authorization', under('authz'), (ca, request, [id]) => authorization(ca, request, id)),
  signed('challenge', under('chall'), (ca, request, [id]) => challenge(ca, request, id)),
  signed('certificate', /^\/acme\/cert\/([0-9a-f]+)(?:\/([1-9]\d?))?$/, (ca, request, [serial, chain]) =>
    certificate(ca, request, serial, Number(chain)),
  ),
];

/** What a path is about. */
export function resourceAt(path: string): ResourceKind {
  return ROUTES.find(({ pattern }) => pattern.test(path))?.resource ?? 'unknown';
}

function checkUserAgent({ headers }: Received): void {
  // RFC 8555 §6.1: clients MUST send one.
  if (!headers['user-agent']) throw malformed('All requests must have a User-Agent header');
}

/** Does what a request asks for. Rejects with a problem document. */
export async function route(ca: Ca, received: Received): Promise<Reply> {
  const { path, method, from } = received;
  checkUserAgent(received);
  const found = ROUTES.find(({ pattern }) => pattern.test(path));
  ca.limiter.spendRequest(found?.endpoint ?? 'other', from);
  if (!found) throw notFound(`The path ${path}`);
  if (!found.methods.includes(method)) {
    throw new ProblemDocument('malformed', `${method} is not a method of this resource`, {
      status: 405,
      headers: { allow: found.methods.join(', ') },
    });
  }
  const [, first = '', second = ''] = found.pattern.exec(path) ?? [];
  return found.answer(ca, received, [first, second]);
}
