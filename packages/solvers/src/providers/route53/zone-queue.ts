import { setImmediate as nextTurn } from 'node:timers/promises';
import { ChangeResourceRecordSetsCommand, type ResourceRecordSet } from '@aws-sdk/client-route-53';
import { BatchRefused, type Caller, call } from './call.ts';
import { type Edit, fitting } from './plan.ts';
import { type QueuedEdit, queueEdit, type Submitted, takeBatch, unsettled } from './queued-edit.ts';
import { readSets } from './record-sets.ts';
import { planSwaps, type Swap, sortOut } from './swaps.ts';
import { createCrowd } from './waiting.ts';

/** Changes TXT values of one zone for all jobs of the process, a batch at a time. */
export interface ZoneQueue {
  /**
   * Makes edits, in their order for each name. Resolves to the change that made each of them; `undefined` where nothing had to be done.
   * Edits of others in the same batch neither fail these nor are failed by them. Rejects with `CERTBUS_ACME_SOLVER_FAILED` or
   * `CERTBUS_ACME_ZONE_NOT_FOUND`.
   */
  change(edits: readonly Edit[], signal: AbortSignal): Promise<(Submitted | undefined)[]>;
}

/** What a queue takes. */
export interface ZoneQueueOptions {
  readonly caller: Caller;
  readonly zoneId: string;
  now(): Date;
}

/** How long edits are collected after a batch; the first ones after a quiet time go at once. */
const COLLECT_MS = 1000;
/** So many edits need not wait for more. */
const ENOUGH = 250;
/** More never fit: a dns-01 value is 45 characters of 32,000. */
const MOST_NAMES = 700;
const AGAIN_MS = 200;
const KNOWN_MS = 600_000;

/** Opens the queue of a zone. It runs while edits wait, and holds no timer otherwise. */
export function createZoneQueue({ caller, zoneId, now }: ZoneQueueOptions): ZoneQueue {
  let waiting: QueuedEdit[] = [];
  let isRunning = false;
  let notBefore = 0;
  let waker: AbortController | undefined;
  /** Sets as this queue left them: the next swap need not read them, and finds out where somebody else was there since. */
  const known = new Map<string, { readonly set: ResourceRecordSet | undefined; readonly until: number }>();

  function remember(name: string, set: ResourceRecordSet | undefined): void {
    known.set(name, { set, until: now().getTime() + KNOWN_MS });
  }

  function forget(names: readonly string[]): void {
    for (const name of names) known.delete(name);
  }

  function putBack(edits: readonly QueuedEdit[]): void {
    waiting = [...unsettled(edits), ...waiting];
  }

  async function collect(): Promise<void> {
    // Jobs that were woken by the same answer come in the same turn.
    await nextTurn();
    const waitMs = notBefore - now().getTime();
    if (waitMs <= 0 || waiting.length >= ENOUGH) return;
    const wake = new AbortController();
    waker = wake;
    try {
      await caller.sleep(waitMs, { signal: wake.signal });
    } catch (error) {
      if (!wake.signal.aborted) throw error;
    } finally {
      waker = undefined;
    }
  }

  async function readUnknown(batch: readonly QueuedEdit[], signal: AbortSignal): Promise<void> {
    const time = now().getTime();
    forget([...known].filter(([, { until }]) => until <= time).map(([name]) => name));
    const unknown = batch.filter(({ name }) => !known.has(name));
    // Where a page and a batch disagreed twice, a name is read by itself, which depends on no order.
    const alone = new Set(unknown.filter(({ refusals }) => refusals > 1).map(({ name }) => name));
    const together = new Set(unknown.map(({ name }) => name).filter((name) => !alone.has(name)));
    for (const names of [[...together], ...[...alone].map((name) => [name])]) {
      if (names.length === 0) continue;
      const found = await readSets(caller, { zoneId, names }, signal);
      for (const name of names) remember(name, found.get(name));
    }
  }

  async function submit(swaps: readonly Swap[], signal: AbortSignal): Promise<Submitted | undefined> {
    const Changes = swaps.flatMap(({ changes }) => changes);
    const names = swaps.map(({ name }) => name);
    const attempt = `Changing the TXT records of ${names.slice(0, 3).join(', ')}${names.length > 3 ? ' and others' : ''}`;
    const command = new ChangeResourceRecordSetsCommand({ HostedZoneId: zoneId, ChangeBatch: { Changes } });
    const options = { attempt, signal, changes: Changes.length };
    const { ChangeInfo } = await call(caller, options, (client, how) => client.send(command, how));
    return ChangeInfo?.Id === undefined ? undefined : { id: ChangeInfo.Id, at: now() };
  }

  async function makeChange(swaps: readonly Swap[], signal: AbortSignal): Promise<void> {
    const startedAt = now().getTime();
    try {
      const submitted = await submit(swaps, signal);
      notBefore = startedAt + COLLECT_MS;
      for (const { name, next, edits } of swaps) {
        // Who added something will take it away.
        if (edits.some(({ action }) => action === 'add')) remember(name, next);
        else forget([name]);
        for (const edit of edits) edit.resolve(submitted);
      }
    } catch (error) {
      if (!(error instanceof BatchRefused)) {
        forget(swaps.map(({ name }) => name));
        throw error;
      }
      forget(sortOut(swaps, error));
      const edits = swaps.flatMap((each) => each.edits);
      putBack(edits);
      // Managers that meet at a record part by chance, the further the more often they have met.
      const meetings = Math.max(1, ...edits.map(({ refusals }) => refusals));
      notBefore = now().getTime() + AGAIN_MS * meetings * caller.random();
    }
  }

  async function work(batch: readonly QueuedEdit[]): Promise<void> {
    using crowd = createCrowd(batch.map(({ signal }) => signal));
    let inHand = batch;
    try {
      await readUnknown(batch, crowd.signal);
      const swaps = planSwaps(batch, (name) => known.get(name)?.set);
      const first = swaps.slice(0, fitting(swaps.map(({ changes }) => changes)));
      putBack(swaps.slice(first.length).flatMap(({ edits }) => edits));
      inHand = first.flatMap(({ edits }) => edits);
      if (first.length > 0) await makeChange(first, crowd.signal);
    } catch (error) {
      for (const edit of inHand) edit.reject(error);
    }
  }

  async function run(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    try {
      while (waiting.length > 0) {
        await collect();
        const { taken, left } = takeBatch(waiting, MOST_NAMES);
        waiting = left;
        if (taken.length > 0) await work(taken);
      }
    } catch (error) {
      for (const edit of waiting) edit.reject(error);
      waiting = [];
    } finally {
      isRunning = false;
    }
  }

  return {
    async change(edits, signal) {
      signal.throwIfAborted();
      const queued = edits.map((edit) => queueEdit(edit, signal, MOST_NAMES));
      const leave = () => {
        for (const edit of queued) edit.reject(signal.reason);
        waiting = unsettled(waiting);
        if (waiting.length === 0) waker?.abort();
      };
      signal.addEventListener('abort', leave, { once: true });
      waiting.push(...queued);
      if (waiting.length >= ENOUGH) waker?.abort();
      void run();
      try {
        const outcomes = await Promise.allSettled(queued.map(({ outcome }) => outcome));
        const failed = outcomes.find((outcome) => outcome.status === 'rejected');
        if (failed) throw failed.reason;
        return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined));
      } finally {
        signal.removeEventListener('abort', leave);
      }
    },
  };
}
