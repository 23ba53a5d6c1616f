/** Obtains a certificate: from the order to the checked chain. */
import { isAccountKey } from '../account/account-key.ts';
import type { Acme } from '../acme.ts';
import { AcmeError, DeadlineError } from '../errors.ts';
import type { SolvableChallenge, Solver, Waiting } from '../solver/solver.ts';
import { hasCredentials } from '../wire/directory.ts';
import type { Engine, Session } from '../wire/engine.ts';
import { engineOf } from '../wire/handles.ts';
import { mayHaveArrived } from '../wire/may-have-arrived.ts';
import { isOutage } from '../wire/outage.ts';
import { AcmeProblemError, shortType } from '../wire/problem.ts';
import { publicKeyOfCsr } from '../x509/certificate.ts';
import type { Chain } from '../x509/chain.ts';
import { type Download, downloadChain } from './download.ts';
import {
  checkWorth,
  createOrder,
  isSameNames,
  type Order,
  orderGone,
  orderInvalid,
  parseOrder,
  readOrder,
} from './order.ts';
import { type Awaited, type OnSlow, startWaiting } from './poll.ts';
import { type ProofContext, proveNames, sweep } from './prove.ts';

/** What to obtain, and how. */
export interface ObtainOptions {
  /** DNS names, normalised; a wildcard has `*.` leftmost. */
  readonly names: readonly string[];
  /** PKCS#10 in DER, for exactly these names. */
  readonly csr: Uint8Array;
  /** Whether the leaf may have this public key (SPKI, DER). Default: it is the CSR's. For orders finalized with an earlier CSR. What it throws, `obtain` rejects with. */
  readonly acceptKey?: (spki: Uint8Array) => boolean;
  readonly challenge: SolvableChallenge;
  readonly solver: Solver;
  /** One of the directory's profiles. Default: the CA's choice. */
  readonly profile?: string;
  /** Where the CA has no such profile: whether to fail, or to leave the choice to it, with a warning. Default `fail`. */
  readonly ifProfileMissing?: 'fail' | 'default';
  /**
   * The chain to take where the CA has several: common name of the root that it leads to, or SHA-256 fingerprint of an issuer in it.
   * Where none fits it is the CA's default, with a warning. Default: the CA's choice.
   */
  readonly preferredChain?: string;
  /** Whether the CA may add names of its own to the certificate. Default false: such a certificate is refused. */
  readonly acceptExtraNames?: boolean;
  /** `certificateId` of the certificate that this one replaces. */
  readonly replaces?: string;
  /**
   * Whether the CA issued these very names before, so that its limits on new orders do not count this one. Default: whether it
   * replaces a certificate.
   */
  readonly isRenewal?: boolean;
  /** URL of an order to go on with, in whatever state it is. `onOrder` is not called for it. */
  readonly resume?: string;
  /** Awaited with the new order's URL before anything else happens to the order. */
  readonly onOrder: (url: string) => Promise<void>;
  /** Called once the CA has issued, before the certificate is fetched: from then on another order is another certificate. */
  readonly onIssued?: () => void;
  /**
   * Takes what goes wrong while the order goes on, in words for the operator, such as the CA's error of a challenge that is tried again.
   * The log has it as well. Default: nobody.
   */
  readonly onWarning?: (message: string) => void;
  /** Called where the CA takes more than five seconds for its verdicts, or for the certificate. What a solver waits for it reports itself. */
  readonly onWaiting?: (waiting: Waiting) => void;
  /** Stops the work; answers to challenges are still cleaned up. */
  readonly signal: AbortSignal;
  /** Stops the work and leaves everything where it is, for the process that has taken the order over. */
  readonly abandon?: AbortSignal;
  /** Default 600,000. */
  readonly deadlineMs?: number;
}

/** What was issued. */
export interface Obtained extends Chain {
  readonly orderUrl: string;
  /** Common name of the root that the chain leads to. */
  readonly rootName: string;
  /** What is not as asked for, in words for the operator: the profile, the chain. */
  readonly warnings: readonly string[];
}

const DEADLINE_MS = 600_000;
const MAX_SUBMISSIONS = 5;

async function startOrder(engine: Engine, session: Session, options: ObtainOptions): Promise<Order> {
  const { names, profile, ifProfileMissing = 'fail', replaces, isRenewal, onOrder } = options;
  const order = await createOrder(engine, session, { names, profile, ifProfileMissing, replaces, isRenewal });
  await onOrder(order.url);
  if (order.status === 'invalid') throw orderInvalid(order);
  if (!isSameNames(order.names, names))
    throw orderInvalid(order, `came back for ${order.names.join(', ') || 'no name'}`);
  const isOther = order.profile !== undefined && order.profile !== profile;
  if (profile && isOther && ifProfileMissing === 'fail') {
    throw orderInvalid(order, `came back with profile "${order.profile}" instead of "${profile}"`);
  }
  return order;
}

async function findOrder(engine: Engine, session: Session, url: string): Promise<Order> {
  const parsed = URL.parse(url);
  const isThere = parsed?.origin === new URL(engine.directory).origin;
  if (parsed && hasCredentials(parsed)) throw orderGone(parsed.origin, 'its URL has a user name or password');
  if (!isThere) throw orderGone(url, `it is not at ${engine.directory}`);
  try {
    return await readOrder(engine, session, url);
  } catch (error) {
    const isProblem = error instanceof AcmeProblemError && error.url === url;
    const isRefused =
      isProblem && (error.class === 'permanent-request' || shortType(error.problem.type) === 'unauthorized');
    if (isRefused) throw orderGone(url, 'the CA does not know it, or not as ours', error);
    throw error;
  }
}

async function resumeOrder(engine: Engine, session: Session, url: string, names: readonly string[]): Promise<Order> {
  const order = await findOrder(engine, session, url);
  if (order.status === 'invalid') throw orderGone(url, 'it became invalid', orderInvalid(order));
  if (!isSameNames(order.names, names)) throw orderGone(url, `it is for ${order.names.join(', ') || 'no name'}`);
  const isOpen = order.status === 'pending' || order.status === 'ready';
  if (isOpen && order.expires && order.expires <= engine.now()) throw orderGone(url, 'it has expired');
  if (isOpen) checkWorth(order, order.notBefore, engine.now());
  return order;
}

/** An order after its finalization was asked for, and the CA's refusal where there was one that does not end it. */
interface Submitted {
  readonly order: Order;
  readonly refusal?: unknown;
}

/** Submits the CSR once. A lost answer, or a state that another run has changed meanwhile, is looked up at the order itself. */
async function submit(engine: Engine, session: Session, order: Order, csr: Uint8Array): Promise<Submitted> {
  try {
    const resource = await session.finalize(order.finalize, csr);
    return { order: parseOrder({ ...resource, url: order.url }, engine.directory) };
  } catch (refusal) {
    session.signal.throwIfAborted();
    const isEarly = refusal instanceof AcmeProblemError && shortType(refusal.problem.type) === 'orderNotReady';
    if (!isEarly && !mayHaveArrived(refusal)) throw refusal;
    engine.logger.info('looking an order up whose finalization gave no answer', {
      order: order.url,
      why: String(refusal),
    });
    const current = await readOrder(engine, session, order.url);
    if (current.status === 'invalid') throw orderInvalid(current);
    return { order: current, refusal };
  }
}

/** How an order is finalized. */
interface Finalization {
  readonly csr: Uint8Array;
  readonly isResumed: boolean;
  /** Since when the lifetime of its certificate runs that is worth having; see `checkWorth`. */
  readonly since: Date | undefined;
  readonly onSlow: OnSlow;
}

/**
 * The error of an order that was not finalized: in the CA's words, where there are any, and not by how long they were waited for. What the
 * CA refuses of an old order it may take of a new one.
 */
function notFinalized(error: unknown, { order, refusal }: Submitted, { isResumed }: Finalization): unknown {
  const isLate = error instanceof DeadlineError;
  if (isLate && order.error) return orderInvalid(order, `is still "${order.status}"`);
  if (isLate && order.status === 'processing') {
    const { message, notBefore } = error;
    return new DeadlineError(message, { notBefore, isProcessing: true, cause: error });
  }
  const reason = isLate ? (refusal ?? error) : error;
  const isRefusal = reason instanceof AcmeProblemError && reason.url === order.finalize && !isOutage(reason);
  const isOfTheOrder = isRefusal && (reason.class === 'authority' || reason.class === 'permanent-request');
  return isResumed && isOfTheOrder ? orderGone(order.url, reason.message, reason) : reason;
}

/** Takes an order from ready to valid (RFC 8555 §7.4): finalization can be quick, slow, early, or done already. */
async function finalize(engine: Engine, session: Session, order: Order, how: Finalization): Promise<Order> {
  let current: Submitted = { order };
  const waiting = startWaiting(engine, session, 'issuance', how.onSlow);
  let submissions = 0;
  try {
    for (let attempt = 0; current.order.status !== 'valid'; attempt += 1) {
      const { order: known, refusal } = current;
      if (known.status === 'invalid') throw orderInvalid(known);
      const what = `The order ${known.url} is still "${known.status}"`;
      if (known.status === 'ready') checkWorth(known, how.since, engine.now(), refusal);
      if (attempt > 0) await waiting.pause(known.retryAfter, { what });
      if (known.status === 'ready') {
        const isStuck = submissions === MAX_SUBMISSIONS;
        if (isStuck) throw refusal ?? orderInvalid(known, `stays "ready" after ${submissions} submissions`);
        submissions += 1;
        current = await submit(engine, session, known, how.csr);
      } else {
        current = { order: await readOrder(engine, session, known.url), refusal };
      }
    }
  } catch (error) {
    throw notFinalized(error, current, how);
  }
  waiting.done();
  return current.order;
}

async function download(engine: Engine, session: Session, order: Order, options: ObtainOptions): Promise<Download> {
  const { names, csr, preferredChain, acceptExtraNames = false } = options;
  if (!order.certificate) {
    const message = `The order ${order.url} is valid but names no certificate (RFC 8555 §7.4.2).`;
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
  }
  const expected = publicKeyOfCsr(csr);
  const acceptKey = options.acceptKey ?? ((spki: Uint8Array) => Buffer.compare(spki, expected) === 0);
  const expectation = { names, acceptKey, now: engine.now(), acceptExtraNames };
  return downloadChain(engine, session, { url: order.certificate, preferredChain, ...expectation });
}

/** What came out otherwise than it was asked for. */
function warningsOf(
  { profile, preferredChain = '' }: ObtainOptions,
  used: string | undefined,
  { isPreferred, chain }: Download,
): string[] {
  const warnings: string[] = [];
  if (profile && used !== profile) {
    const got = used ? `"${used}"` : 'a profile that it does not name';
    warnings.push(`The CA used ${got} in place of profile "${profile}".`);
  }
  if (!isPreferred) {
    warnings.push(`The CA has no chain to "${preferredChain}"; its default leads to "${chain.rootName}".`);
  }
  return warnings;
}

function checkOptions(engine: Engine, { names, csr, challenge, solver }: ObtainOptions): void {
  if (names.length === 0) throw new TypeError('An order needs at least one name');
  if (isAccountKey(publicKeyOfCsr(csr), engine.thumbprint)) {
    throw new TypeError('A certificate must not have the account key (RFC 8555 §11.1)');
  }
  if (solver.challenges.includes(challenge)) return;
  const message = `The solver for ${names.join(', ')} answers ${solver.challenges.join(', ')}, and ${challenge} was asked for.`;
  throw new AcmeError('CERTBUS_ACME_NO_SOLVER', message);
}

/** Whether what is of no use was issued to an earlier run, such as a certificate that has ended since: a new one may be of use. */
function isLeftover({ status }: Order, isResumed: boolean, error: unknown): error is AcmeError {
  const isRefused = error instanceof AcmeError && error.code === 'CERTBUS_ACME_CERTIFICATE_REFUSED';
  return isRefused && isResumed && status === 'valid';
}

async function run(engine: Engine, options: ObtainOptions): Promise<Obtained> {
  const { names, csr, challenge, solver, resume, signal, abandon, deadlineMs = DEADLINE_MS } = options;
  const { onWarning = () => {}, onWaiting = () => {} } = options;
  const stop = abandon ? AbortSignal.any([signal, abandon]) : signal;
  using session = await engine.open({ signal: stop, deadlineMs });
  const until = new Date(engine.now().getTime() + deadlineMs);
  const reported = new Set<Awaited>();
  const onSlow: OnSlow = (why, awaited) => {
    // One name stands for all that are waited for.
    if (!reported.has(awaited)) onWaiting({ why, until });
    reported.add(awaited);
  };
  const isResumed = resume !== undefined;
  const order = isResumed
    ? await resumeOrder(engine, session, resume, names)
    : await startOrder(engine, session, options);
  const since = isResumed ? order.notBefore : engine.now();
  const context: ProofContext = { engine, session, challenge, solver, isResumed, onWarning, onSlow, abandon };
  if (order.status === 'pending') await proveNames(context, order);
  else if (isResumed) await sweep(context, order);
  const proven: Order = order.status === 'pending' ? { ...order, status: 'ready', retryAfter: undefined } : order;
  const valid = await finalize(engine, session, proven, { csr, isResumed, since, onSlow });
  options.onIssued?.();
  const { chain, isPreferred } = await download(engine, session, valid, options).catch((error: unknown) => {
    throw isLeftover(order, isResumed, error) ? orderGone(order.url, error.message, error) : error;
  });
  const warnings = warningsOf(options, valid.profile ?? order.profile, { chain, isPreferred });
  for (const warning of warnings) engine.logger.warn(warning, { names, order: order.url });
  engine.logger.info('certificate issued', { names, order: order.url });
  const { leaf, issuers, rootName } = chain;
  return { leaf, issuers, rootName, orderUrl: order.url, warnings };
}

/**
 * Obtains a certificate: order, challenges in two phases, finalization, download, checks (RFC 8555 §7.4). Goes on with `resume` from
 * any state. Rejects with the signal's reason; `CERTBUS_ACME_ORDER_GONE` (order again, also where the order was a new one),
 * `CERTBUS_ACME_ORDER_INVALID`, `CERTBUS_ACME_CHALLENGE_FAILED`, `CERTBUS_ACME_NO_SOLVER`, `CERTBUS_ACME_SOLVER_FAILED`,
 * `CERTBUS_ACME_ZONE_NOT_FOUND`, `CERTBUS_ACME_CERTIFICATE_REFUSED`, `CERTBUS_ACME_PROBLEM`, `CERTBUS_ACME_UNREACHABLE`,
 * `CERTBUS_ACME_BREAKER_OPEN`, `CERTBUS_ACME_NOT_ACME` or `CERTBUS_ACME_DEADLINE`; and with the error of `onOrder`.
 */
export async function obtain(ca: Acme, options: ObtainOptions): Promise<Obtained> {
  const engine = engineOf(ca);
  checkOptions(engine, options);
  const start = engine.now().getTime();
  const elapsedMs = () => engine.now().getTime() - start;
  try {
    const obtained = await run(engine, options);
    engine.observe({ type: 'order', outcome: 'issued', ms: elapsedMs() });
    return obtained;
  } catch (error) {
    const code = error instanceof AcmeError ? error.code : undefined;
    const problemClass = error instanceof AcmeProblemError ? error.class : undefined;
    engine.observe({ type: 'order', outcome: 'failed', code, class: problemClass, ms: elapsedMs() });
    throw error;
  }
}
