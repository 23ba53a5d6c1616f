import { Resolver } from 'node:dns/promises';
import { get } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { AcmeError } from '../../errors.ts';
import type { PresentedChallenge, Solver } from '../../solver.ts';

/** How to look at the answers of CertBus clients. */
export interface Http01ClientsOptions {
  /** Port that the names are asked on. Default 80, the only one that a public CA uses. */
  readonly port?: number | undefined;
  /** DNS servers to ask, `ip:port`. Default: those of this machine. */
  readonly resolver?: readonly string[] | undefined;
  /** How long every address may take to answer right. Default 60,000. */
  readonly timeoutMs?: number | undefined;
}

const REQUEST_TIMEOUT_MS = 5000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5000;
const MAX_BODY_BYTES = 4096;

/** What one address said: `right`, something else in words, or that this machine has no way to ask it. */
type Verdict = { readonly address: string; readonly kind: 'right' | 'wrong' | 'no-route'; readonly why: string };

async function addressesOf(name: string, resolver: Resolver): Promise<string[]> {
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'failed';
}

/** GETs the challenge's own URL from one address. */
function fetchAnswer(
  { name, token }: PresentedChallenge,
  { address, port, signal }: { readonly address: string; readonly port: number; readonly signal: AbortSignal },
): Promise<{ status: number; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: string }>();
  const headers = { host: port === 80 ? name : `${name}:${port}`, 'user-agent': 'certbus' };
  const path = `/.well-known/acme-challenge/${token}`;
  const request = get({ host: address, port, path, headers, signal, agent: false }, (response) => {
    let body = '';
    response.setEncoding('latin1');
    response.on('data', (chunk: string) => {
      body += chunk;
      if (body.length > MAX_BODY_BYTES) response.destroy(new Error('the answer is too long'));
    });
    response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    response.on('error', reject);
  });
  request.on('error', reject);
  return promise;
}

async function probe(
  challenge: PresentedChallenge,
  { address, port, signal }: { readonly address: string; readonly port: number; readonly signal: AbortSignal },
): Promise<Verdict> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
  try {
    const { status, body } = await fetchAnswer(challenge, { address, port, signal: limit });
    // RFC 8555 §8.3 lets the server end the body with white space.
    const isRight = status === 200 && body.trimEnd() === challenge.keyAuthorization;
    if (isRight) return { address, kind: 'right', why: '' };
    const why = status === 200 ? 'answers with another text' : `answers with HTTP ${status}`;
    return { address, kind: 'wrong', why };
  } catch (error) {
    signal.throwIfAborted();
    const code = codeOf(error);
    const isUnrouted = /^(ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT)$/.test(code);
    const why = limit.aborted ? `does not answer within ${REQUEST_TIMEOUT_MS / 1000} s` : `cannot be asked (${code})`;
    return { address, kind: isUnrouted ? 'no-route' : 'wrong', why };
  }
}

/** What still stands in the way for one name; `undefined` when every address answers right. */
function obstacleIn(verdicts: readonly Verdict[]): string | undefined {
  if (verdicts.length === 0) return 'has no address in DNS';
  const wrong = verdicts.find(({ kind }) => kind === 'wrong');
  if (wrong) return `at ${wrong.address} ${wrong.why}`;
  if (verdicts.some(({ kind }) => kind === 'right')) return undefined;
  return `at ${verdicts[0]?.address} ${verdicts[0]?.why}`;
}

/**
 * Answers http-01 by the CertBus clients that serve the names already: they know the account's thumbprint from the bus, so nothing is
 * presented. Ready when each address of each name answers the challenge's own URL with the key authorization; addresses of a
 * family that this machine cannot reach count only if no other is there. `ready` rejects with `CERTBUS_ACME_SOLVER_FAILED` at the
 * timeout.
 */
export function createHttp01ClientsSolver({
  port = 80,
  resolver: servers,
  timeoutMs = 60_000,
}: Http01ClientsOptions = {}): Solver {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (servers) resolver.setServers([...servers]);

  async function check(challenge: PresentedChallenge, signal: AbortSignal): Promise<string | undefined> {
    const addresses = await addressesOf(challenge.name, resolver);
    signal.throwIfAborted();
    return obstacleIn(await Promise.all(addresses.map((address) => probe(challenge, { address, port, signal }))));
  }

  async function awaitAnswer(challenge: PresentedChallenge, signal: AbortSignal): Promise<void> {
    const start = performance.now();
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      const obstacle = await check(challenge, signal);
      if (!obstacle) return;
      if (performance.now() - start + waitMs > timeoutMs) {
        const message = `The name ${challenge.name} ${obstacle} for http-01 (port ${port}). A CertBus client must run at each of its addresses and follow this bus.`;
        throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
      }
      await wait(waitMs, undefined, { signal });
    }
  }

  return {
    challenges: ['http-01'],
    async present() {},
    async ready(challenges, { signal }) {
      try {
        await Promise.all(challenges.map((challenge) => awaitAnswer(challenge, signal)));
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      }
    },
    async cleanUp() {},
  };
}
