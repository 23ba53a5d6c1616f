/** Looks at every address of a name, as a CA does from several places. */
import { Resolver } from 'node:dns/promises';
import type { PresentedChallenge, Solver } from '@certbus/acme';
import { AcmeError } from '@certbus/acme';
import { isAddress } from '@certbus/acme/solver-kit';
import { type Clock, realClock } from '../clock.ts';
import { type Watch, watchWait } from '../watch.ts';

/** What one address said: `right`, something else in words, or that this machine has no way to ask it. */
export interface Verdict {
  readonly kind: 'right' | 'wrong' | 'no-route';
  readonly why: string;
}

/** How to look at answers from outside, as a CA does. */
export interface ProbeOptions {
  /** Whether to look at all: not where the names' addresses cannot be reached from here, as behind NAT without hairpin. Default true. */
  readonly probe?: boolean | undefined;
  /** DNS servers to ask for addresses, `ip:port`. Default: those of this machine. */
  readonly resolver?: readonly string[] | undefined;
  /** How long every address may take to answer right. Default 60,000. */
  readonly timeoutMs?: number | undefined;
  /** Measures the wait. Default: real time. */
  readonly clock?: Clock | undefined;
}

/** Asks one address for the answer to a challenge. May reject; then the reason is the verdict. */
export type Ask = (
  challenge: PresentedChallenge,
  options: { readonly address: string; readonly signal: AbortSignal },
) => Promise<Verdict>;

const REQUEST_TIMEOUT_MS = 10_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 5000;
/** Far more than names have. Anyone who has the name in DNS decides where this machine connects to, and must not make a flood of it. */
const MAX_ADDRESSES = 64;

/** A resolver of addresses that asks these servers, or those of this machine. */
export function createResolver(servers: readonly string[] | undefined): Resolver {
  const resolver = new Resolver({ timeout: 2000, tries: 2 });
  if (servers) resolver.setServers([...servers]);
  return resolver;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'failed';
}

/** Answers of DNS that mean that a name has no address, and not that DNS failed. */
const ABSENT = /^(ENODATA|ENOTFOUND)$/;
/** No server of DNS answered at all: waiting for a name's address changes nothing about it. */
const DEAD = /^(ETIMEOUT|ETIMEDOUT|ECONNREFUSED|ECONNRESET|EHOSTUNREACH|ENETUNREACH)$/;

function dnsIsDead(name: string, code: string, resolver: Resolver): AcmeError {
  const where = resolver.getServers().join(', ') || 'none';
  const message = `DNS does not answer for ${name} (${code}; resolvers: ${where}). Check the resolver of this machine, or the one that "resolver" names in the configuration.`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
}

/** The addresses of a name in DNS, and why there are none where DNS failed for it. */
export interface Addresses {
  readonly found: readonly string[];
  /** Code of the failure, such as `ESERVFAIL`; `undefined` where DNS answered, or for one of the families. */
  readonly problem: string | undefined;
}

/** All addresses of a name; those of an IP address are itself. Rejects `CERTBUS_ACME_SOLVER_FAILED` where no server of DNS answers. */
export async function addressesOf(name: string, resolver: Resolver): Promise<Addresses> {
  if (isAddress(name)) return { found: [name], problem: undefined };
  const answers = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  if (found.length > 0) return { found, problem: undefined };
  const codes = answers.flatMap((answer) => (answer.status === 'rejected' ? codeOf(answer.reason) : []));
  const dead = codes.find((code) => DEAD.test(code));
  if (dead) throw dnsIsDead(name, dead, resolver);
  return { found, problem: codes.find((code) => !ABSENT.test(code)) };
}

/** Why a name has no address, in words that follow it. */
export const noAddress = ({ problem }: Addresses): string =>
  problem === undefined ? 'has no address in DNS' : `cannot be looked up in DNS (${problem})`;

/** Whether this machine has no way to an address, as to one of a family that it does not speak. */
export const isUnrouted = (error: unknown): boolean => /^(ENETUNREACH|EADDRNOTAVAIL|EAFNOSUPPORT)$/.test(codeOf(error));

async function judge(
  ask: Ask,
  challenge: PresentedChallenge,
  { address, signal }: { readonly address: string; readonly signal: AbortSignal },
): Promise<Verdict> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(REQUEST_TIMEOUT_MS)]);
  try {
    return await ask(challenge, { address, signal: limit });
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof AcmeError) throw error;
    const code = codeOf(error);
    const why = limit.aborted ? `does not answer within ${REQUEST_TIMEOUT_MS / 1000} s` : `cannot be asked (${code})`;
    return { kind: isUnrouted(error) ? 'no-route' : 'wrong', why };
  }
}

/** What still stands in the way for one name; `undefined` when every address answers right. */
function obstacleIn(verdicts: readonly (Verdict & { readonly address: string })[]): string | undefined {
  const wrong = verdicts.find(({ kind }) => kind === 'wrong');
  if (wrong) return `at ${wrong.address} ${wrong.why}`;
  if (verdicts.some(({ kind }) => kind === 'right')) return undefined;
  return `at ${verdicts[0]?.address} ${verdicts[0]?.why}`;
}

/**
 * Makes a solver's `ready`: it waits until every address of every name answers right. Addresses of a family that this machine
 * cannot reach count only if no other is there. At the timeout, and at once where DNS does not answer, it rejects with
 * `CERTBUS_ACME_SOLVER_FAILED`; `advice` says where it looked, and what must be there. With `probe: false` it does not look.
 */
export function awaitEveryAddress(
  ask: Ask,
  {
    probe = true,
    resolver: servers,
    timeoutMs = 60_000,
    clock = realClock,
    advice,
  }: ProbeOptions & { readonly advice: string },
): Solver['ready'] {
  if (!probe) return async (_, { signal }) => signal.throwIfAborted();
  const resolver = createResolver(servers);

  async function look(challenge: PresentedChallenge, signal: AbortSignal): Promise<string | undefined> {
    const inDns = await addressesOf(challenge.name, resolver);
    const { found: addresses } = inDns;
    signal.throwIfAborted();
    if (addresses.length === 0) return noAddress(inDns);
    if (addresses.length > MAX_ADDRESSES)
      return `has ${addresses.length} addresses in DNS, and ${MAX_ADDRESSES} are asked at most,`;
    const verdicts = addresses.map(async (address) => ({
      address,
      ...(await judge(ask, challenge, { address, signal })),
    }));
    return obstacleIn(await Promise.all(verdicts));
  }

  async function awaitAnswer(
    challenge: PresentedChallenge,
    { signal, until, watch }: { readonly signal: AbortSignal; readonly until: Date; readonly watch: Watch },
  ): Promise<void> {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS)) {
      const obstacle = await look(challenge, signal);
      if (!obstacle) return watch(challenge.name, undefined);
      if (clock.now().getTime() + waitMs > until.getTime()) {
        const message = `The name ${challenge.name} ${obstacle} for ${challenge.type} (${advice}`;
        throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
      }
      watch(challenge.name, `${challenge.name} ${obstacle}`);
      await clock.sleep(waitMs, { signal });
    }
  }

  return async (challenges, { signal, onWaiting }) => {
    const until = new Date(clock.now().getTime() + timeoutMs);
    const watch = watchWait(until, { onWaiting });
    try {
      await Promise.all(challenges.map((challenge) => awaitAnswer(challenge, { signal, until, watch })));
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    }
  };
}
