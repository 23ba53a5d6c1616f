import type { Acme, Session } from './acme.ts';
import { type Chain, parseCertificate, publicKeyOfCsr } from './certificate.ts';
import { AcmeError } from './errors.ts';
import { createOrder, isSameNames, type Order, orderGone, orderInvalid, parseOrder, readOrder } from './order.ts';
import { startWaiting } from './poll.ts';
import { AcmeProblemError, shortType } from './problem.ts';
import { type ProofJob, proveNames, sweep } from './prove.ts';
import type { SolvableChallenge, Solver } from './solver.ts';
import { mayHaveArrived } from './unsure.ts';

/** What to obtain, and how. */
export interface ObtainOptions {
  /** DNS names, normalised; a wildcard has `*.` leftmost. */
  readonly names: readonly string[];
  /** PKCS#10 in DER, for exactly these names. */
  readonly csr: Uint8Array;
  /** Whether the leaf may have this public key (SPKI, DER). Default: it is the CSR's. For orders finalized with an earlier CSR. */
  readonly acceptKey?: (spki: Uint8Array) => boolean;
  readonly challenge: SolvableChallenge;
  readonly solver: Solver;
  /** One of the directory's profiles. Default: the CA's choice. */
  readonly profile?: string;
  /** `certificateId` of the certificate that this one replaces. */
  readonly replaces?: string;
  /** URL of an order to go on with, in whatever state it is. `onOrder` is not called for it. */
  readonly resume?: string;
  /** Awaited with the new order's URL before anything else happens to the order. */
  readonly onOrder: (url: string) => Promise<void>;
  /** Stops the job; answers to challenges are still cleaned up. */
  readonly signal: AbortSignal;
  /** Stops the job and leaves everything where it is, for whoever has taken the order over. */
  readonly abandon?: AbortSignal;
  /** Default 600,000. */
  readonly deadlineMs?: number;
}

/** What was issued. */
export interface Obtained extends Chain {
  readonly orderUrl: string;
}

const DEADLINE_MS = 600_000;
const MAX_SUBMISSIONS = 5;

async function startOrder(ca: Acme, session: Session, options: ObtainOptions): Promise<Order> {
  const { names, profile, replaces, onOrder } = options;
  const order = await createOrder(ca, session, { names, profile, replaces });
  await onOrder(order.url);
  if (order.status === 'invalid') throw orderInvalid(order);
  if (!isSameNames(order.names, names))
    throw orderInvalid(order, `came back for ${order.names.join(', ') || 'no name'}`);
  if (profile && order.profile && order.profile !== profile) {
    throw orderInvalid(order, `came back with profile "${order.profile}" instead of "${profile}"`);
  }
  return order;
}

async function findOrder(ca: Acme, session: Session, url: string): Promise<Order> {
  if (URL.parse(url)?.origin !== new URL(ca.directory).origin) throw orderGone(url, `it is not at ${ca.directory}`);
  try {
    return await readOrder(ca, session, url);
  } catch (error) {
    const isProblem = error instanceof AcmeProblemError && error.url === url;
    const isRefused =
      isProblem && (error.class === 'permanent-request' || shortType(error.problem.type) === 'unauthorized');
    if (isRefused) throw orderGone(url, 'the CA does not know it, or not as ours', error);
    throw error;
  }
}

async function resumeOrder(ca: Acme, session: Session, url: string, names: readonly string[]): Promise<Order> {
  const order = await findOrder(ca, session, url);
  if (order.status === 'invalid') throw orderGone(url, 'it became invalid', orderInvalid(order));
  if (!isSameNames(order.names, names)) throw orderGone(url, `it is for ${order.names.join(', ') || 'no name'}`);
  const isOpen = order.status === 'pending' || order.status === 'ready';
  if (isOpen && order.expires && order.expires <= ca.now()) throw orderGone(url, 'it has expired');
  return order;
}

/** Submits the CSR once. A lost answer, or a state that another run has changed meanwhile, is looked up at the order itself. */
async function submit(ca: Acme, session: Session, order: Order, csr: Uint8Array): Promise<Order> {
  try {
    const resource = await session.finalize(order.finalize, csr);
    return parseOrder({ ...resource, url: order.url }, ca.directory);
  } catch (error) {
    session.signal.throwIfAborted();
    const isEarly = error instanceof AcmeProblemError && shortType(error.problem.type) === 'orderNotReady';
    if (!isEarly && !mayHaveArrived(error)) throw error;
    ca.logger.info('looking an order up whose finalization gave no answer', { order: order.url, why: String(error) });
    const current = await readOrder(ca, session, order.url);
    if (current.status === 'invalid') throw orderInvalid(current);
    return current;
  }
}

/** Takes an order from ready to valid (RFC 8555 §7.4): finalization can be quick, slow, early, or done already. */
async function finalize(ca: Acme, session: Session, order: Order, csr: Uint8Array): Promise<Order> {
  let current = order;
  const waiting = startWaiting(ca, session, 'issuance');
  let submissions = 0;
  for (let attempt = 0; current.status !== 'valid'; attempt += 1) {
    if (current.status === 'invalid') throw orderInvalid(current);
    if (attempt > 0) await waiting.pause(current.retryAfter);
    if (current.status === 'ready') {
      if (submissions === MAX_SUBMISSIONS)
        throw orderInvalid(current, `stays "ready" after ${submissions} submissions`);
      submissions += 1;
      current = await submit(ca, session, current, csr);
    } else {
      current = await readOrder(ca, session, current.url);
    }
  }
  waiting.done();
  return current;
}

async function download(ca: Acme, session: Session, order: Order, options: ObtainOptions): Promise<Chain> {
  const { names, csr } = options;
  if (!order.certificate) {
    const message = `The order ${order.url} is valid but names no certificate (RFC 8555 §7.4.2).`;
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
  }
  const { body } = await session.read(order.certificate);
  const expected = publicKeyOfCsr(csr);
  const acceptKey = options.acceptKey ?? ((spki: Uint8Array) => Buffer.compare(spki, expected) === 0);
  return parseCertificate(body, { names, acceptKey, now: ca.now() });
}

function checkOptions({ names, csr, challenge, solver }: ObtainOptions): void {
  if (names.length === 0) throw new TypeError('An order needs at least one name');
  publicKeyOfCsr(csr);
  if (solver.challenges.includes(challenge)) return;
  const message = `The solver for ${names.join(', ')} answers ${solver.challenges.join(', ')}, and ${challenge} was asked for.`;
  throw new AcmeError('CERTBUS_ACME_NO_SOLVER', message);
}

/**
 * Obtains a certificate: order, challenges in two phases, finalization, download, checks (RFC 8555 §7.4). Goes on with `resume` from
 * any state. Rejects with the signal's reason; `CERTBUS_ACME_ORDER_GONE` (order anew), `CERTBUS_ACME_ORDER_INVALID`,
 * `CERTBUS_ACME_CHALLENGE_FAILED`, `CERTBUS_ACME_NO_SOLVER`, `CERTBUS_ACME_SOLVER_FAILED`, `CERTBUS_ACME_ZONE_NOT_FOUND`,
 * `CERTBUS_ACME_CERTIFICATE_REFUSED`, `CERTBUS_ACME_PROBLEM`, `CERTBUS_ACME_UNREACHABLE`, `CERTBUS_ACME_NOT_ACME` or
 * `CERTBUS_ACME_DEADLINE`; and with whatever `onOrder` rejects with.
 */
export async function obtain(ca: Acme, options: ObtainOptions): Promise<Obtained> {
  checkOptions(options);
  const { names, csr, challenge, solver, resume, signal, abandon, deadlineMs = DEADLINE_MS } = options;
  const stop = abandon ? AbortSignal.any([signal, abandon]) : signal;
  using session = await ca.open({ signal: stop, deadlineMs });
  const isResumed = resume !== undefined;
  const order = isResumed ? await resumeOrder(ca, session, resume, names) : await startOrder(ca, session, options);
  const job: ProofJob = { ca, session, challenge, solver, isResumed, abandon };
  if (order.status === 'pending') await proveNames(job, order);
  else if (isResumed) await sweep(job, order);
  const proven: Order = order.status === 'pending' ? { ...order, status: 'ready', retryAfter: undefined } : order;
  const valid = await finalize(ca, session, proven, csr);
  const chain = await download(ca, session, valid, options);
  ca.logger.info('certificate issued', { names, order: order.url });
  return { ...chain, orderUrl: order.url };
}
