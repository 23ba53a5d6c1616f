import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Change, ChangeResourceRecordSetsCommand, type ResourceRecordSet } from '@aws-sdk/client-route-53';
import { BatchRefused, type Caller, call } from './call.ts';
import { blameIn, type Edit, editValues, fitting, refused, setWith, swap, valuesOf } from './plan.ts';
import { readSets } from './record-sets.ts';
import { createCrowd } from './waiting.ts';

/** A change of a zone that was submitted. */
export interface Submitted {
  readonly id: string;
  readonly at: Date;
}

/** Changes TXT values of one zone for all jobs of the process, a batch at a time. */
export interface ZoneQueue {
  /**
   * Makes edits, in their order for each name. Resolves to the change that made each of them; `undefined` where nothing had to be done.
   * Edits of others in the same batch neither fail these nor are failed by them. Rejects as {@link call} and `planning` say.
   */
  change(edits: readonly Edit[], signal: AbortSignal): Promise<(Submitted | undefined)[]>;
}

/** What a queue takes. */
export interface ZoneQueueOptions {
  readonly caller: Caller;
  readonly zoneId: string;
  now(): Date;
}

/** An edit that waits for its batch. */
interface Item extends Edit {
  readonly signal: AbortSignal;
  /** The largest batch, in names, that it may be part of: halved while Route 53 refuses batches and does not say for whose sake. */
  most: number;
  /** How many refusals were its own. */
  refusals: number;
  /** What was there when a refusal was its own. */
  refusedOver: string | undefined;
  isSettled: boolean;
  resolve(submitted: Submitted | undefined): void;
  reject(error: unknown): void;
}

/** All edits of one name in a batch. */
interface Swap {
  readonly name: string;
  readonly items: readonly Item[];
  readonly old: ResourceRecordSet | undefined;
  readonly next: ResourceRecordSet | undefined;
  readonly changes: readonly Change[];
}

/** What goes away makes room first, unless it comes by the same batch. */
function inOrder(items: readonly Item[]): Item[] {
  const added = new Set<string>();
  const [first, then]: [Item[], Item[]] = [[], []];
  for (const item of items) {
    if (item.action === 'add') added.add(item.value);
    const isRoom = item.action === 'remove' && !added.has(item.value);
    (isRoom ? first : then).push(item);
  }
  return [...first, ...then];
}

/** How long edits are collected after a batch; the first ones after a quiet time go at once. */
const COLLECT_MS = 1000;
/** So many names need not wait for more. */
const ENOUGH = 250;
/** More never fit: a dns-01 value is 45 characters of 32,000. */
const MOST_NAMES = 700;
const MAX_REFUSALS = 16;
const AGAIN_MS = 200;
const KNOWN_MS = 600_000;

/** Opens the queue of a zone. It runs while edits wait, and holds no timer otherwise. */
export function createZoneQueue({ caller, zoneId, now }: ZoneQueueOptions): ZoneQueue {
  let waiting: Item[] = [];
  let isRunning = false;
  let notBefore = 0;
  let waker: AbortController | undefined;
  /** Sets as this queue left them: the next swap need not read them, and finds out where somebody else was there since. */
  const known = new Map<string, { readonly set: ResourceRecordSet | undefined; readonly until: number }>();

  function remember(name: string, set: ResourceRecordSet | undefined): void {
    known.set(name, { set, until: now().getTime() + KNOWN_MS });
  }

  function forgetOld(): void {
    const time = now().getTime();
    for (const [name, { until }] of known) if (until <= time) known.delete(name);
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

  /** The first that wait, by name; edits of one name keep their order. */
  function take(): Item[] {
    const names = new Set<string>();
    const later = new Set<string>();
    let most = MOST_NAMES;
    const taken: Item[] = [];
    const left: Item[] = [];
    for (const item of waiting.filter(({ isSettled }) => !isSettled)) {
      const fits = names.has(item.name) || names.size < Math.min(most, item.most);
      if (fits && !later.has(item.name)) {
        names.add(item.name);
        most = Math.min(most, item.most);
        taken.push(item);
      } else {
        later.add(item.name);
        left.push(item);
      }
    }
    waiting = left;
    return taken;
  }

  function putBack(items: readonly Item[]): void {
    waiting = [...items.filter(({ isSettled }) => !isSettled), ...waiting];
  }

  async function readUnknown(batch: readonly Item[], signal: AbortSignal): Promise<void> {
    forgetOld();
    const unknown = batch.filter(({ name }) => !known.has(name));
    // Where a page and a batch disagreed twice, a name is read by itself, which depends on no order.
    const [alone, together] = [true, false].map((isAlone) => {
      return [...new Set(unknown.filter(({ refusals }) => refusals > 1 === isAlone).map(({ name }) => name))];
    });
    for (const names of [together ?? [], ...(alone ?? []).map((name) => [name])]) {
      if (names.length === 0) continue;
      const found = await readSets(caller, { zoneId, names }, signal);
      for (const name of names) remember(name, found.get(name));
    }
  }

  function planOne(name: string, items: readonly Item[]): Swap | undefined {
    const old = known.get(name)?.set;
    const live: Item[] = [];
    let isNeeded = false;
    let values: string[] = [];
    try {
      values = valuesOf(name, old);
    } catch (error) {
      for (const item of items) item.reject(error);
      return undefined;
    }
    for (const item of inOrder(items.filter(({ isSettled }) => !isSettled))) {
      try {
        const edited = editValues(values, item);
        // What is there already is written again, for the sake of a change to wait for.
        isNeeded ||= item.action === 'add' || edited.length !== values.length;
        values = edited;
        live.push(item);
      } catch (error) {
        item.reject(error);
      }
    }
    if (!isNeeded) {
      for (const item of live) item.resolve(undefined);
      return undefined;
    }
    const next = setWith(name, old, values);
    return { name, items: live, old, next, changes: swap(old, next) };
  }

  function plan(batch: readonly Item[]): Swap[] {
    const byName = Map.groupBy(batch, ({ name }) => name);
    return [...byName].map(([name, items]) => planOne(name, items)).filter((planned) => planned !== undefined);
  }

  function judge(
    { name, items, old }: Swap,
    verdict: 'changed' | 'forbidden' | 'unknown',
    refusal: BatchRefused,
  ): void {
    const over = JSON.stringify(old ?? null);
    for (const item of items) {
      item.refusals += 1;
      // Without a reason, what is as it was before will be refused as before.
      const isHopeless = verdict === 'forbidden' || (verdict === 'unknown' && item.refusedOver === over);
      item.refusedOver = over;
      if (isHopeless || item.refusals >= MAX_REFUSALS) item.reject(refused(name, refusal));
    }
  }

  /** Somebody else was first, our own answer got lost, or something cannot be there: the blamed are judged, all others go again. */
  function sortOut(swaps: readonly Swap[], refusal: BatchRefused): void {
    const { changed, forbidden } = blameIn(refusal.message);
    const blamed = swaps.filter(({ name }) => changed.has(name) || forbidden.has(name));
    const isUnknown = blamed.length === 0;
    const suspects = isUnknown && swaps.length === 1 ? swaps : blamed;
    const most = isUnknown ? Math.ceil(swaps.length / 2) : MOST_NAMES;
    for (const { name, items } of swaps) {
      known.delete(name);
      for (const item of items) item.most = Math.min(item.most, most);
    }
    for (const suspect of suspects) {
      judge(suspect, isUnknown ? 'unknown' : forbidden.has(suspect.name) ? 'forbidden' : 'changed', refusal);
    }
    const items = swaps.flatMap((each) => each.items);
    putBack(items);
    // Managers that meet at a record part by chance, the sooner the more often they have met.
    const meetings = Math.max(1, ...items.map(({ refusals }) => refusals));
    notBefore = now().getTime() + AGAIN_MS * meetings * caller.random();
  }

  async function submit(swaps: readonly Swap[], signal: AbortSignal): Promise<void> {
    const at = now();
    const Changes = swaps.flatMap(({ changes }) => changes);
    const names = swaps.map(({ name }) => name);
    const attempt = `Changing the TXT records of ${names.slice(0, 3).join(', ')}${names.length > 3 ? ' and others' : ''}`;
    const command = new ChangeResourceRecordSetsCommand({ HostedZoneId: zoneId, ChangeBatch: { Changes } });
    const options = { attempt, signal, changes: Changes.length };
    try {
      const { ChangeInfo } = await call(caller, options, (client, how) => client.send(command, how));
      const submitted = ChangeInfo?.Id === undefined ? undefined : { id: ChangeInfo.Id, at: now() };
      for (const { name, next, items } of swaps) {
        if (items.some(({ action }) => action === 'add')) remember(name, next);
        else known.delete(name);
        for (const item of items) item.resolve(submitted);
      }
      notBefore = at.getTime() + COLLECT_MS;
    } catch (error) {
      for (const name of names) known.delete(name);
      if (!(error instanceof BatchRefused)) throw error;
      sortOut(swaps, error);
    }
  }

  async function work(batch: readonly Item[]): Promise<void> {
    using crowd = createCrowd(batch.map(({ signal }) => signal));
    let inHand = batch;
    try {
      await readUnknown(batch, crowd.signal);
      const swaps = plan(batch);
      const now = swaps.slice(0, fitting(swaps.map(({ changes }) => changes)));
      putBack(swaps.slice(now.length).flatMap(({ items }) => items));
      inHand = now.flatMap(({ items }) => items);
      if (now.length > 0) await submit(now, crowd.signal);
    } catch (error) {
      for (const item of inHand) item.reject(error);
    }
  }

  async function run(): Promise<void> {
    if (isRunning) return;
    isRunning = true;
    try {
      while (waiting.length > 0) {
        await collect();
        const batch = take();
        if (batch.length > 0) await work(batch);
      }
    } catch (error) {
      for (const item of waiting) item.reject(error);
      waiting = [];
    } finally {
      isRunning = false;
    }
  }

  function enter(edit: Edit, signal: AbortSignal): { item: Item; outcome: Promise<Submitted | undefined> } {
    const { promise, resolve, reject } = Promise.withResolvers<Submitted | undefined>();
    const item: Item = {
      ...edit,
      signal,
      most: MOST_NAMES,
      refusals: 0,
      refusedOver: undefined,
      isSettled: false,
      resolve(submitted) {
        item.isSettled = true;
        resolve(submitted);
      },
      reject(error) {
        item.isSettled = true;
        reject(error);
      },
    };
    return { item, outcome: promise };
  }

  return {
    async change(edits, signal) {
      signal.throwIfAborted();
      const entered = edits.map((edit) => enter(edit, signal));
      const leave = () => {
        for (const { item } of entered) item.reject(signal.reason);
        waiting = waiting.filter(({ isSettled }) => !isSettled);
        if (waiting.length === 0) waker?.abort();
      };
      signal.addEventListener('abort', leave, { once: true });
      waiting.push(...entered.map(({ item }) => item));
      if (waiting.length >= ENOUGH) waker?.abort();
      void run();
      try {
        const outcomes = await Promise.allSettled(entered.map(({ outcome }) => outcome));
        const failed = outcomes.find((outcome) => outcome.status === 'rejected');
        if (failed) throw failed.reason;
        return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined));
      } finally {
        signal.removeEventListener('abort', leave);
      }
    },
  };
}
