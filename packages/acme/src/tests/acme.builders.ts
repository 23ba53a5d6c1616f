import { AcmeError } from '../errors.ts';
import { createGate } from '../limits/gate.ts';
import type { CaLimits } from '../limits/limits.ts';
import type { PresentedChallenge, SolvableChallenge, Solver } from '../solver.ts';
import type { Acme, Resource, Session } from '../wire/acme.ts';
import type { Directory } from '../wire/directory.ts';
import type { AcmeEvent } from '../wire/observe.ts';

const ORIGIN = 'https://ca.test';

/** An address at the fake CA. */
export function at(path: string): string {
  return `${ORIGIN}/${path}`;
}

/** What a resource says: its body, with or without a time to come back; an error is thrown. */
export type Said =
  | Error
  | { readonly body: unknown; readonly retryAfterS?: number; readonly alternates?: readonly string[] };

/** Shorthand for an answer. */
export function say(body: unknown, retryAfterS?: number): Said {
  return { body, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
}

/** A CA behind the port, on a clock of its own: it says what was laid down for each call, the last of it for ever. */
export interface FakeCa extends Acme {
  /** `createOrder`, `read URL`, `answer URL`, `finalize URL`, in order. */
  readonly calls: string[];
  readonly requests: unknown[];
  readonly warnings: string[];
  readonly sleptMs: number[];
  readonly events: AcmeEvent[];
}

/** What is not as it would be. */
export interface FakeCaOptions {
  /** Its clock's first reading. Default: now. */
  readonly start?: Date;
  readonly profiles?: Record<string, string>;
  /** Default: generous. */
  readonly limits?: CaLimits;
}

/** Creates the CA. Keys of `script` are calls, with paths in place of URLs. */
export function createFakeCa(
  script: Readonly<Record<string, readonly Said[]>>,
  { start = new Date(), profiles = {}, limits }: FakeCaOptions = {},
): FakeCa {
  let clock = start.getTime();
  const calls: string[] = [];
  const requests: unknown[] = [];
  const warnings: string[] = [];
  const sleptMs: number[] = [];
  const events: AcmeEvent[] = [];
  const gate = createGate(at('dir'), { now: () => new Date(clock), ...(limits ? { limits } : {}) });
  const asked = new Map<string, number>();
  const directory: Directory = {
    newNonce: at('nonce'),
    newAccount: at('account'),
    newOrder: at('order'),
    renewalInfo: at('ari'),
    revokeCert: at('revoke'),
    keyChange: at('key'),
    meta: { profiles, externalAccountRequired: false, caaIdentities: ['ca.test'] },
  };

  function answer(call: string, signal: AbortSignal, url: string): Resource {
    signal.throwIfAborted();
    calls.push(call);
    const said = script[call] ?? [];
    const nth = asked.get(call) ?? 0;
    asked.set(call, nth + 1);
    const next = said[Math.min(nth, said.length - 1)];
    if (!next) throw new TypeError(`nothing was laid down for ${call}`);
    if (next instanceof Error) throw next;
    const retryAfter = next.retryAfterS === undefined ? undefined : new Date(clock + next.retryAfterS * 1000);
    return { url, status: 200, body: next.body, retryAfter, alternates: next.alternates ?? [] };
  }

  async function open({
    signal,
    deadlineMs = 120_000,
  }: {
    signal: AbortSignal;
    deadlineMs?: number | undefined;
  }): Promise<Session> {
    const ends = clock + deadlineMs;
    const check = (ms: number) => {
      const until = clock + ms;
      if (until > ends) throw new AcmeError('CERTBUS_ACME_DEADLINE', 'too long', { notBefore: new Date(until) });
    };
    const on = (verb: string) => async (url: string) => answer(`${verb} ${url.slice(ORIGIN.length + 1)}`, signal, url);
    return {
      signal,
      directory: async () => directory,
      get: on('get'),
      createAccount: async () => answer('createAccount', signal, at('account/1')),
      accountUrl: async () => at('account/1'),
      findAccount: async () => answer('findAccount', signal, at('account/1')),
      readAccount: async () => answer('readAccount', signal, at('account/1')),
      updateAccount: async (request) => {
        requests.push(request);
        return answer('updateAccount', signal, at('account/1'));
      },
      changeKey: async () => answer('changeKey', signal, at('account/1')),
      revoke: async (request) => {
        requests.push(request);
        return answer('revoke', signal, at('revoke'));
      },
      async createOrder(request) {
        requests.push(request);
        return answer('createOrder', signal, at('order/1'));
      },
      read: on('read'),
      answer: on('answer'),
      finalize: on('finalize'),
      check,
      async sleep(ms) {
        signal.throwIfAborted();
        check(ms);
        sleptMs.push(ms);
        clock += ms;
      },
      [Symbol.dispose]() {},
    };
  }

  return {
    directory: at('dir'),
    thumbprint: 'thumbprint',
    logger: { debug() {}, info() {}, warn: (message) => void warnings.push(message), error() {} },
    gate,
    observe: (event) => void events.push(event),
    events,
    now: () => new Date(clock),
    random: Math.random,
    open,
    async close() {},
    calls,
    requests,
    warnings,
    sleptMs,
  };
}

/** A solver that writes down what it is told. */
export interface FakeSolver extends Solver {
  readonly steps: string[];
}

/** Creates the solver; `act` may fail or wait at a step. */
export function createFakeSolver(
  challenge: SolvableChallenge = 'dns-01',
  act: (step: string, challenges: readonly PresentedChallenge[]) => void = () => {},
): FakeSolver {
  const steps: string[] = [];
  const on = (step: string) => async (challenges: readonly PresentedChallenge[]) => {
    steps.push(`${step} ${challenges.map(({ name }) => name).join(',')}`);
    act(step, challenges);
  };
  return { challenges: [challenge], steps, present: on('present'), ready: on('ready'), cleanUp: on('cleanUp') };
}
