/** Waits until every server of Route 53 has a change. */
import { GetChangeCommand } from '@aws-sdk/client-route-53';
import { AcmeError } from '@certbus/acme';
import { type Caller, call } from './call.ts';
import type { Submitted } from './queued-edit.ts';
import { type SharedWork, shareWork } from './waiting.ts';

/** Waits until every server of Route 53 has a change, with one poller for all who wait for it. */
export type AwaitInSync = (change: Submitted, signal: AbortSignal) => Promise<void>;

const LEAST_POLL_MS = 500;
const MOST_POLL_MS = 4000;
/** How long after it was made a change is waited for, in ms. */
export const IN_SYNC_WITHIN_MS = 600_000;
const REMEMBERED = 1000;
/** How long a change waits for the first of all to tell what is usual. */
const SCOUT_MS = 60_000;

/**
 * Creates the wait. It learns how long changes take, and begins to ask a little before. While that is not known, one change is asked about
 * and the others wait for what it tells.
 */
export function createAwaitInSync(caller: Caller, now: () => Date): AwaitInSync {
  const pollers = new Map<string, SharedWork<void>>();
  const done = new Set<string>();
  let usualMs = 0;
  let scout: AbortController | undefined;

  const age = ({ at }: Submitted): number => now().getTime() - at.getTime();

  function finish(change: Submitted, { isTimed }: { readonly isTimed: boolean }): void {
    if (isTimed) usualMs = usualMs === 0 ? age(change) : usualMs * 0.7 + age(change) * 0.3;
    else usualMs = Math.min(usualMs, age(change));
    done.add(change.id);
    const [oldest] = done;
    if (done.size > REMEMBERED && oldest !== undefined) done.delete(oldest);
  }

  async function ask(
    change: Submitted,
    { isLate, signal }: { readonly isLate: boolean; readonly signal: AbortSignal },
  ): Promise<void> {
    const attempt = `Waiting for the Route 53 change ${change.id.replace(/^\/change\//, '')}`;
    const command = new GetChangeCommand({ Id: change.id });
    for (let polls = 1; ; polls += 1) {
      const answer = await call(caller, { attempt, signal }, (client, options) => client.send(command, options));
      if (answer.ChangeInfo?.Status === 'INSYNC') return finish(change, { isTimed: !isLate || polls > 1 });
      if (age(change) > IN_SYNC_WITHIN_MS) {
        const message = `${attempt}: still pending after ${IN_SYNC_WITHIN_MS / 60_000} minutes. Try again later.`;
        throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
      }
      // Half of its age so far: a change that is quick is seen quickly, one that is slow is not asked about all the time.
      const waitMs = Math.min(MOST_POLL_MS, Math.max(LEAST_POLL_MS, age(change) / 2));
      await caller.sleep(waitMs * (0.9 + caller.random() * 0.2), { signal });
    }
  }

  async function followScout(ahead: AbortController, signal: AbortSignal): Promise<void> {
    try {
      await caller.sleep(SCOUT_MS, { signal: AbortSignal.any([signal, ahead.signal]) });
    } catch {
      signal.throwIfAborted();
    }
  }

  async function poll(change: Submitted, signal: AbortSignal): Promise<void> {
    if (usualMs === 0 && scout) await followScout(scout, signal);
    const firstMs = usualMs * 0.9 - age(change);
    if (firstMs > 0) await caller.sleep(firstMs, { signal });
    if (usualMs > 0 || scout) return ask(change, { isLate: firstMs <= 0, signal });
    scout = new AbortController();
    try {
      await ask(change, { isLate: true, signal });
    } finally {
      scout.abort();
      scout = undefined;
    }
  }

  return async (change, signal) => {
    signal.throwIfAborted();
    if (done.has(change.id)) return;
    const poller = pollers.get(change.id) ?? shareWork((stop) => poll(change, stop));
    pollers.set(change.id, poller);
    try {
      await poller.join(signal);
    } finally {
      if (done.has(change.id) || !poller.isRunning()) pollers.delete(change.id);
    }
  };
}
