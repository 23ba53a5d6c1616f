/** The queue of one hosted zone: edits of all jobs of the process go into batches, one batch at a time. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ChangeResourceRecordSetsCommand } from '@aws-sdk/client-route-53';
import { BatchRefused, type Caller, call } from './call.ts';
import { forget, type KnownSets, readUnknown, remember } from './known-sets.ts';
import { type Edit, fitting } from './plan.ts';
import { type QueuedEdit, queueEdit, type Submitted, takeBatch, unsettled } from './queued-edit.ts';
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

/** A zone with the edits that wait for it. */
interface Queue extends ZoneQueueOptions {
  readonly known: KnownSets;
  waiting: QueuedEdit[];
  isRunning: boolean;
  /** When the next batch can go, in ms of the clock. */
  notBeforeMs: number;
  /** Ends the wait for more edits; `undefined` while nothing waits. */
  waker: AbortController | undefined;
}

/** How long edits are collected after a batch; the first ones after a quiet time go at once. */
const COLLECT_MS = 1000;
/** So many edits need not wait for more. */
const ENOUGH = 250;
/** More never fit: a dns-01 value is 45 characters of 32,000. */
const MOST_NAMES = 700;
const AGAIN_MS = 200;

function putBack(queue: Queue, edits: readonly QueuedEdit[]): void {
  queue.waiting = [...unsettled(edits), ...queue.waiting];
}

async function collect(queue: Queue): Promise<void> {
  // Jobs that were woken by the same answer come in the same turn.
  await nextTurn();
  const waitMs = queue.notBeforeMs - queue.now().getTime();
  if (waitMs <= 0 || queue.waiting.length >= ENOUGH) return;
  const wake = new AbortController();
  queue.waker = wake;
  try {
    await queue.caller.sleep(waitMs, { signal: wake.signal });
  } catch (error) {
    if (!wake.signal.aborted) throw error;
  } finally {
    queue.waker = undefined;
  }
}

async function submit(
  { caller, zoneId, now }: Queue,
  swaps: readonly Swap[],
  signal: AbortSignal,
): Promise<Submitted | undefined> {
  const Changes = swaps.flatMap(({ changes }) => changes);
  const names = swaps.map(({ name }) => name);
  const attempt = `Changing the TXT records of ${names.slice(0, 3).join(', ')}${names.length > 3 ? ' and others' : ''}`;
  const command = new ChangeResourceRecordSetsCommand({ HostedZoneId: zoneId, ChangeBatch: { Changes } });
  const options = { attempt, signal, changes: Changes.length };
  const { ChangeInfo } = await call(caller, options, (client, how) => client.send(command, how));
  return ChangeInfo?.Id === undefined ? undefined : { id: ChangeInfo.Id, at: now() };
}

function resolveSwaps({ known }: Queue, swaps: readonly Swap[], submitted: Submitted | undefined): void {
  for (const { name, next, edits } of swaps) {
    // Who added something will take it away.
    if (edits.some(({ action }) => action === 'add')) remember(known, name, next);
    else forget(known, [name]);
    for (const edit of edits) edit.resolve(submitted);
  }
}

function queueAgain(queue: Queue, swaps: readonly Swap[], refusal: BatchRefused): void {
  forget(queue.known, sortOut(swaps, refusal));
  const edits = swaps.flatMap((each) => each.edits);
  putBack(queue, edits);
  // Managers that meet at a record part by chance, the further the more often they have met.
  const meetings = Math.max(1, ...edits.map(({ refusals }) => refusals));
  queue.notBeforeMs = queue.now().getTime() + AGAIN_MS * meetings * queue.caller.random();
}

async function makeChange(queue: Queue, swaps: readonly Swap[], signal: AbortSignal): Promise<void> {
  const startedAtMs = queue.now().getTime();
  try {
    const submitted = await submit(queue, swaps, signal);
    queue.notBeforeMs = startedAtMs + COLLECT_MS;
    resolveSwaps(queue, swaps, submitted);
  } catch (error) {
    if (error instanceof BatchRefused) return queueAgain(queue, swaps, error);
    forget(
      queue.known,
      swaps.map(({ name }) => name),
    );
    throw error;
  }
}

async function work(queue: Queue, batch: readonly QueuedEdit[]): Promise<void> {
  using crowd = createCrowd(batch.map(({ signal }) => signal));
  let inHand = batch;
  try {
    await readUnknown(queue.known, batch, crowd.signal);
    const swaps = planSwaps(batch, (name) => queue.known.byName.get(name)?.set);
    const first = swaps.slice(0, fitting(swaps.map(({ changes }) => changes)));
    putBack(
      queue,
      swaps.slice(first.length).flatMap(({ edits }) => edits),
    );
    inHand = first.flatMap(({ edits }) => edits);
    if (first.length > 0) await makeChange(queue, first, crowd.signal);
  } catch (error) {
    for (const edit of inHand) edit.reject(error);
  }
}

async function run(queue: Queue): Promise<void> {
  if (queue.isRunning) return;
  queue.isRunning = true;
  try {
    while (queue.waiting.length > 0) {
      await collect(queue);
      const { taken, left } = takeBatch(queue.waiting, MOST_NAMES);
      queue.waiting = left;
      if (taken.length > 0) await work(queue, taken);
    }
  } catch (error) {
    for (const edit of queue.waiting) edit.reject(error);
    queue.waiting = [];
  } finally {
    queue.isRunning = false;
  }
}

async function change(queue: Queue, edits: readonly Edit[], signal: AbortSignal): Promise<(Submitted | undefined)[]> {
  signal.throwIfAborted();
  const queued = edits.map((edit) => queueEdit(edit, signal, MOST_NAMES));
  const leave = () => {
    for (const edit of queued) edit.reject(signal.reason);
    queue.waiting = unsettled(queue.waiting);
    if (queue.waiting.length === 0) queue.waker?.abort();
  };
  signal.addEventListener('abort', leave, { once: true });
  queue.waiting.push(...queued);
  if (queue.waiting.length >= ENOUGH) queue.waker?.abort();
  void run(queue);
  try {
    const outcomes = await Promise.allSettled(queued.map(({ outcome }) => outcome));
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
    return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined));
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

/** Opens the queue of a zone. It runs while edits wait, and holds no timer otherwise. */
export function createZoneQueue(options: ZoneQueueOptions): ZoneQueue {
  const { caller, zoneId, now } = options;
  const known: KnownSets = { caller, zoneId, now, byName: new Map() };
  const queue: Queue = { ...options, known, waiting: [], isRunning: false, notBeforeMs: 0, waker: undefined };
  return { change: (edits, signal) => change(queue, edits, signal) };
}
