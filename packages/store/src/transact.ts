/** Decides on the newest state of a bus and appends what was decided, exactly once. */
import { setImmediate } from 'node:timers/promises';
import {
  type Checkpoint,
  type Commit,
  isRewritten,
  type ReadEvent,
  readEvent,
  type WrittenEvent,
} from '@certbus/events/history';
import type { Bus } from './bus-port.ts';
import { StoreError, VersionConflictError } from './errors.ts';
import { MAX_COMMIT_BYTES } from './log.ts';

/** A state on which events can be tried before they are written. */
export interface Draft<State> {
  readonly state: State;
  /** Makes `state` what these events, signed at `at`, would make of it. */
  apply(events: readonly ReadEvent[], at: Date): void;
}

/** A local state of the bus that decisions are made on. */
export interface View<State> {
  /** How far the state goes. */
  readonly checkpoint: Checkpoint;
  /** Takes commits that follow {@link checkpoint}. MUST take all of them or, by throwing, none. */
  apply(commits: readonly Commit[], checkpoint: Checkpoint): void;
  /**
   * Makes the state again up to the head of the bus, where a manager was expelled whose events are part of it. Afterwards {@link checkpoint}
   * MUST include that expulsion.
   */
  rebuild(options: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** A draft on the state as it is now, thrown away after use. */
  draft(): Draft<State>;
}

/** The events that a decision writes, and what its caller gets once they are written. */
export interface Decision<Result> {
  readonly events: readonly WrittenEvent[];
  readonly result: Result;
}

/** Looks at the state and decides which events to write. MUST be pure: it is called again after every conflict and every read. */
export type Decide<State, Result> = (state: State, now: Date) => Decision<Result>;

export interface TransactOptions {
  readonly signal?: AbortSignal | undefined;
  /** Appends tried, each behind a read, before `CERTBUS_STORE_ATTEMPTS_EXHAUSTED`; default 20. */
  readonly attempts?: number;
  /**
   * The view was caught up a moment ago: decide on it as it is, without a read. Where another manager wrote since, or there is nothing to
   * say, it is caught up and decided again. Default false.
   */
  readonly caughtUp?: boolean;
  readonly now?: () => Date;
}

interface Waiting<State> {
  readonly decide: Decide<State, unknown>;
  readonly signal: AbortSignal | undefined;
  readonly attempts: number;
  readonly caughtUp: boolean;
  readonly now: () => Date;
  resolve(result: unknown): void;
  reject(reason: unknown): void;
}

interface Decided<State> {
  readonly waiting: Waiting<State>;
  readonly events: readonly WrittenEvent[];
  settle(): void;
}

interface Queue<State> {
  readonly waiting: Waiting<State>[];
  running: boolean;
}

/** Events may fill this much of a commit; the rest is for its frame and signature. */
const MAX_EVENTS_BYTES = MAX_COMMIT_BYTES - 2_000;
/** How many turns of the event loop a decision waits for others: flushing a commit takes milliseconds, a turn with nothing to do microseconds. */
const GATHERING_TURNS = 4;
/** Decisions wait by view: those of two views of one bus are two processes to each other. */
const queues = new WeakMap<object, Queue<never>>();

/** Views whose position was found on their bus by this process. */
const confirmed = new WeakSet<object>();

/** At which position this process itself wrote last, by view: while a view is there, nobody else seems to write. */
const written = new WeakMap<object, number>();

/** Takes commits into a view, or has it made again where they make void what it took before. Returns whether they were taken. */
async function take<State>(
  view: View<State>,
  { commits, checkpoint }: { readonly commits: readonly Commit[]; readonly checkpoint: Checkpoint },
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (isRewritten(view.checkpoint, checkpoint)) {
    await view.rebuild({ signal });
    return false;
  }
  if (commits.length > 0) view.apply(commits, checkpoint);
  return true;
}

/**
 * Brings the view up to the head of the bus with strong reads. The first time its own position is read again and compared, so
 * that a bus that was rolled back shows. Rejects with the `HistoryError` of a refused commit: a manager never decides on less
 * than everything.
 */
export async function catchUp<State>(bus: Bus, view: View<State>, signal?: AbortSignal): Promise<void> {
  for (;;) {
    const confirm = !confirmed.has(view);
    const page = await bus.read(view.checkpoint, { consistent: true, confirm, signal });
    confirmed.add(view);
    const { commits, checkpoint, end, refused } = page;
    const isDone = await take(view, { commits, checkpoint }, signal);
    if (!isDone) continue;
    if (refused && commits.length === 0) throw refused;
    // What is refused at the end of a page may be good further on, by the signature behind it.
    if (end && !refused) return;
  }
}

/**
 * Decides on the newest state of the bus and appends what was decided, exactly once.
 *
 * The view is brought up to date, `decide` is called, its events are appended behind exactly what it saw; on a conflict all
 * of this is done again, with jittered pauses. Behind a commit of this process the view is only read up to date after a conflict, and where
 * there is nothing to append. Decisions that wait on one view in one process share a commit: each sees what
 * the one before it left, one that throws fails alone, and none settles before the append's outcome is known.
 *
 * Rejects with what `decide` threw, `CERTBUS_STORE_ATTEMPTS_EXHAUSTED`, `CERTBUS_STORE_OUTCOME_UNKNOWN`,
 * `CERTBUS_STORE_TOO_LARGE`, another `StoreError`, or a `HistoryError` when the bus's history is refused.
 */
export function transact<State, Result>(
  bus: Bus,
  view: View<State>,
  decide: Decide<State, Result>,
  { signal, attempts = 20, caughtUp = false, now = () => new Date() }: TransactOptions = {},
): Promise<Result> {
  return new Promise<Result>((resolve, reject) => {
    const queue = (queues.get(view) ?? { waiting: [], running: false }) as unknown as Queue<State>;
    queues.set(view, queue as unknown as Queue<never>);
    const asked = { decide, signal, attempts, caughtUp, now };
    queue.waiting.push({ ...asked, resolve: resolve as (result: unknown) => void, reject });
    if (!queue.running) void drain(bus, view, queue);
  });
}

async function drain<State>(bus: Bus, view: View<State>, queue: Queue<State>): Promise<void> {
  queue.running = true;
  while (queue.waiting.length > 0) {
    // What is decided meanwhile shares the commit: on a busy event loop turns are long, and much comes in them.
    for (let turn = 0; turn < GATHERING_TURNS; turn += 1) await setImmediate();
    const taken = queue.waiting.splice(0);
    try {
      queue.waiting.unshift(...(await decideAndAppend(bus, view, taken)));
    } catch (error) {
      for (const { reject } of taken) reject(error);
    }
  }
  // In the turn in which nothing was left: a decision that comes a turn later must not wait for a drain that has ended.
  queue.running = false;
}

/** Decides and appends for all of `taken`, and returns those that found no room in the commit. */
async function decideAndAppend<State>(
  bus: Bus,
  view: View<State>,
  taken: readonly Waiting<State>[],
): Promise<Waiting<State>[]> {
  const attempts = Math.max(...taken.map((waiting) => waiting.attempts));
  using all = whenAllAbort(taken);
  const { signal } = all;
  // What is decided without a read is not an attempt: that another wrote since the last one does not make a bus busy.
  let attempt = 0;
  for (let isFirst = true; ; isFirst = false) {
    const present = taken.filter((waiting) => !rejectAborted(waiting));
    const [first] = present;
    if (!first) return [];
    const foreseen = isFirst ? decideWithoutReading(view, present, first.now()) : undefined;
    if (!foreseen) {
      attempt += 1;
      await catchUp(bus, view, signal);
    }
    const at = foreseen?.at ?? first.now();
    const { decided, left } = foreseen ?? decideAll(view.draft(), present, at);
    const events = decided.flatMap((decision) => decision.events);
    try {
      const appended = events.length > 0 ? await bus.append(view.checkpoint, events, { at, signal }) : undefined;
      // Known from here on: a view that cannot take it fails the next decision, not these. It has the commit before they continue.
      for (const decision of decided) decision.settle();
      if (!appended) return left;
      written.set(view, appended.checkpoint.position);
      if (isRewritten(view.checkpoint, appended.checkpoint)) await view.rebuild({ signal });
      else view.apply([appended.commit], appended.checkpoint);
      return left;
    } catch (error) {
      if (!(error instanceof VersionConflictError)) throw error;
      // Nothing there, and yet a conflict: the log may have been rolled back under this process.
      if (!error.found) confirmed.delete(view);
      if (attempt >= attempts) {
        const what = `The bus is busy: another manager wrote first ${attempt} times in a row. Try again.`;
        throw new StoreError('CERTBUS_STORE_ATTEMPTS_EXHAUSTED', what, { cause: error });
      }
    }
    if (attempt > 0)
      await new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(1_000, 5 * 2 ** attempt)));
  }
}

function rejectAborted<State>({ signal, reject }: Waiting<State>): boolean {
  if (signal?.aborted) reject(signal.reason);
  return signal?.aborted ?? false;
}

/** One decision's abort must not take the others' commit with it. */
function whenAllAbort<State>(
  taken: readonly Waiting<State>[],
): { readonly signal: AbortSignal | undefined } & Disposable {
  const signals = taken.map(({ signal }) => signal).filter((signal) => signal !== undefined);
  if (signals.length < taken.length) return { signal: undefined, [Symbol.dispose]() {} };
  const all = new AbortController();
  const look = () => {
    if (signals.every(({ aborted }) => aborted)) all.abort(signals[0]?.reason);
  };
  for (const signal of signals) signal.addEventListener('abort', look);
  const dispose = () => {
    for (const signal of signals) signal.removeEventListener('abort', look);
  };
  return { signal: all.signal, [Symbol.dispose]: dispose };
}

/**
 * Decides on a view that was caught up a moment ago, where all that wait may, or that ends with what this process wrote itself. What says nothing
 * would be true of a moment ago only; what says something cannot be appended unless it is true now.
 */
function decideWithoutReading<State>(view: View<State>, present: readonly Waiting<State>[], at: Date) {
  const isOwn = written.get(view) === view.checkpoint.position;
  if (!confirmed.has(view) || !(isOwn || present.every(({ caughtUp }) => caughtUp))) return undefined;
  const { decided, left } = decideAll(view.draft(), present, at);
  return decided.every(({ events }) => events.length > 0) ? { decided, left, at } : undefined;
}

function decideAll<State>(draft: Draft<State>, present: readonly Waiting<State>[], at: Date) {
  const decided: Decided<State>[] = [];
  const left: Waiting<State>[] = [];
  let room = MAX_EVENTS_BYTES;
  for (const waiting of present) {
    try {
      const { events, result } = waiting.decide(draft.state, at);
      const size = Buffer.byteLength(JSON.stringify(events));
      if (size > MAX_EVENTS_BYTES) throw tooLarge(size);
      if (size > room) {
        left.push(waiting);
        continue;
      }
      room -= size;
      draft.apply(events.map(readEvent), at);
      decided.push({ waiting, events, settle: () => waiting.resolve(result) });
    } catch (error) {
      decided.push({ waiting, events: [], settle: () => waiting.reject(error) });
    }
  }
  return { decided, left };
}

function tooLarge(size: number): StoreError {
  const what = `One decision made ${size} bytes of events; a commit holds ${MAX_EVENTS_BYTES}. Split what is asked for.`;
  return new StoreError('CERTBUS_STORE_TOO_LARGE', what);
}
