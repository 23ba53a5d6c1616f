/** A CA without a network, and a solver that records, for tests of what drives orders. */

import type { Acme } from '../acme.ts';
import { createCaLimiter, guardsOf } from '../limits/ca-limiter.ts';
import { type Deadline, startDeadline } from '../limits/deadline.ts';
import type { CaLimits } from '../limits/limits.ts';
import type { PresentedChallenge, SolvableChallenge, Solver } from '../solver/solver.ts';
import type { Engine, Resource, Session, SessionOptions } from '../wire/engine.ts';
import { acmeOf } from '../wire/handles.ts';
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

/** A CA behind the handle, on a clock of its own: it answers as laid down for each call, with the last answer from then on. */
export interface FakeCa extends Acme {
  readonly engine: Engine;
  /** `createOrder`, `read URL`, `answer URL`, `finalize URL`, in order. */
  readonly calls: string[];
  readonly requests: unknown[];
  readonly warnings: string[];
  readonly sleptMs: number[];
  readonly events: AcmeEvent[];
}

/** What differs from the default. */
export interface FakeCaOptions {
  /** Its clock's first reading. Default: now. */
  readonly start?: Date;
  readonly profiles?: Record<string, string>;
  /** Default: generous. */
  readonly limits?: CaLimits;
  /** Of the account key. Default: `thumbprint`. */
  readonly thumbprint?: string;
  /** The account's URL, where the caller knew it. Default: it did not. */
  readonly accountUrl?: string;
}

type Script = Readonly<Record<string, readonly Said[]>>;

/** What the CA's sessions share. */
interface FakeState extends Pick<FakeCa, 'calls' | 'requests' | 'sleptMs'> {
  readonly script: Script;
  /** How often each call was made. */
  readonly counts: Map<string, number>;
  readonly profiles: Record<string, string>;
  clockMs: number;
}

function answerOf(state: FakeState, call: string, url: string): Resource {
  state.calls.push(call);
  const said = state.script[call] ?? [];
  const nth = state.counts.get(call) ?? 0;
  state.counts.set(call, nth + 1);
  const next = said[Math.min(nth, said.length - 1)];
  if (!next) throw new TypeError(`nothing was laid down for ${call}`);
  if (next instanceof Error) throw next;
  const retryAfter = next.retryAfterS === undefined ? undefined : new Date(state.clockMs + next.retryAfterS * 1000);
  return { url, status: 200, body: next.body, retryAfter, alternates: next.alternates ?? [] };
}

function deadlineOf(state: FakeState, { signal, deadlineMs = 120_000 }: SessionOptions): Deadline & Disposable {
  return startDeadline(at('dir'), {
    signal,
    deadlineMs,
    now: () => new Date(state.clockMs),
    async sleep(ms) {
      signal.throwIfAborted();
      state.sleptMs.push(ms);
      state.clockMs += ms;
    },
  });
}

function sessionOf(state: FakeState, options: SessionOptions): Session {
  const call = async (name: string, url: string, request?: unknown) => {
    options.signal.throwIfAborted();
    if (request !== undefined) state.requests.push(request);
    return answerOf(state, name, url);
  };
  const on = (verb: string) => (url: string) => call(`${verb} ${url.slice(ORIGIN.length + 1)}`, url);
  const meta = { profiles: state.profiles, externalAccountRequired: false, caaIdentities: ['ca.test'] };
  const addresses = { newNonce: at('nonce'), newAccount: at('account'), newOrder: at('order') };
  return {
    ...deadlineOf(state, options),
    readDirectory: async () => ({
      ...addresses,
      renewalInfo: at('ari'),
      revokeCert: at('revoke'),
      keyChange: at('key'),
      meta,
    }),
    get: on('get'),
    createAccount: () => call('createAccount', at('account/1')),
    accountUrl: async () => at('account/1'),
    findAccount: () => call('findAccount', at('account/1')),
    readAccount: () => call('readAccount', at('account/1')),
    updateAccount: (request) => call('updateAccount', at('account/1'), request),
    changeKey: () => call('changeKey', at('account/1')),
    revoke: (request) => call('revoke', at('revoke'), request),
    createOrder: (request) => call('createOrder', at('order/1'), request),
    read: on('read'),
    answer: on('answer'),
    finalize: on('finalize'),
  };
}

/** Creates the CA. Keys of `script` are calls, with paths in place of URLs. */
export function createFakeCa(script: Script, options: FakeCaOptions = {}): FakeCa {
  const { start = new Date(), profiles = {}, limits, thumbprint = 'thumbprint', accountUrl } = options;
  const record = { calls: [], requests: [], warnings: [] as string[], sleptMs: [], events: [] as AcmeEvent[] };
  const state: FakeState = { ...record, script, counts: new Map(), profiles, clockMs: start.getTime() };
  const now = () => new Date(state.clockMs);
  const engine: Engine = {
    directory: at('dir'),
    thumbprint,
    accountUrl,
    logger: { debug() {}, info() {}, warn: (message) => void record.warnings.push(message), error() {} },
    ...guardsOf(createCaLimiter(at('dir'), { now, ...(limits ? { limits } : {}) })),
    observe: (event) => void record.events.push(event),
    now,
    random: Math.random,
    open: async (session) => sessionOf(state, session),
    async close() {},
  };
  return Object.assign(acmeOf(engine), { engine, ...record });
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
