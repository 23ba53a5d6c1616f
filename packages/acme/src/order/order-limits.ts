/** The CA's limits on orders: waiting for room, and learning from a refusal. */
import type { Engine, Session } from '../wire/engine.ts';
import { AcmeProblemError } from '../wire/problem.ts';

const bare = (name: string) => name.replace(/^\*\./, '');

/** Waits until names may be tried again after their failed authorizations. */
async function awaitNames(engine: Engine, session: Session, names: readonly string[]): Promise<void> {
  const { limiter } = engine;
  const waits = names.map((name) => ({ name, at: limiter.nameReadyAt(engine.thumbprint, bare(name)).getTime() }));
  const last = waits.reduce((one, other) => (other.at > one.at ? other : one), { name: '', at: 0 });
  const ms = last.at - engine.now().getTime();
  if (!(ms > 0)) return;
  const what = `The CA's limits (failed authorizations of ${last.name}) leave room`;
  await session.sleep(ms, { kind: 'limit', what });
  engine.observe({ type: 'wait', for: 'failures', ms });
}

/**
 * Waits for room under the CA's limits on orders; renewals need none, but names that failed do. Rejects with `CERTBUS_ACME_DEADLINE`,
 * whose `notBefore` says when there is room, where that is after the session's deadline.
 */
export async function awaitOrder(
  engine: Engine,
  session: Session,
  { names, isRenewal }: { readonly names: readonly string[]; readonly isRenewal: boolean },
): Promise<void> {
  await awaitNames(engine, session, names);
  if (isRenewal) return;
  const ms = await engine.limiter.order(session, engine.thumbprint);
  if (ms > 0) engine.observe({ type: 'wait', for: 'orders', ms });
}

/** What a limit is about that a CA has refused an order for. */
export type LimitedBy = 'account' | 'names' | 'unknown';

/**
 * What the limit is about that a CA has refused something for (class `rate-limited`), by Boulder's words: all orders of the account, or
 * these names alone. `unknown` in the words of any other CA.
 */
export function limitedBy({ problem: { detail } }: Pick<AcmeProblemError, 'problem'>): LimitedBy {
  if (/\bnew orders\b.{0,40}\bfrom this account\b/i.test(detail)) return 'account';
  return /\bcertificates\b.{0,40}\balready issued for\b|\bfailed authorizations\b/i.test(detail) ? 'names' : 'unknown';
}

/** Learns from a refusal: where it is the account's limit that is reached, its further orders wait as well. */
export function heedRefusal(engine: Engine, error: unknown): void {
  if (!(error instanceof AcmeProblemError) || error.class !== 'rate-limited' || !error.notBefore) return;
  if (limitedBy(error) === 'account') engine.limiter.pauseOrders(engine.thumbprint, error.notBefore);
}
