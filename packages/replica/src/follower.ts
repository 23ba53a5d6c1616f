/** Keeps a replica up to date with its bus: follows it, or reads along while another process of this machine does. */
import type { HistoryError } from '@certbus/events/history';
import { parseAddress, type StoreError } from '@certbus/store';
import { type AdvanceListener, advance, createLasting, inSmallPages, type Lasting, type OpenedBus } from './advance.ts';
import { type BusPlace, openPlace } from './bus-place.ts';
import { type ChangeReader, type ChangesListener, createChangeReader, spread } from './changes.ts';
import type { Following } from './following.ts';
import type { Replica } from './replica.ts';
import { sleep } from './sleep.ts';

/** Hears what following meets. Nothing is called before the replica is complete but `contact`, `watching` and `failed`. */
export interface FollowerListener extends ChangesListener {
  /** The bus answered. */
  contact(at: { readonly live: boolean }): void;
  /**
   * Another process of this machine follows the bus; this one reads what it writes. Called at every look, with what that process last noted,
   * see {@link Replica.following}.
   */
  watching(following: Following | undefined): void;
  /** The bus is away, its history is refused, or the replica cannot be written; following goes on. */
  failed(error: StoreError | HistoryError | Error): void;
}

/**
 * Where the bus is. One with a place is opened, read and verified in the thread that writes the replica, where it has one; one that opens
 * here is read on this thread.
 */
export type BusSource = { readonly place: BusPlace } | { readonly open: () => Promise<OpenedBus> };

export interface FollowerOptions {
  readonly replica: Replica;
  readonly source: BusSource;
  /** Time between two looks at a quiet bus, milliseconds. */
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly listener: FollowerListener;
}

const TAKE_OVER_EVERY_MS = 1_000;
const FIRST_PAUSE_MS = 250;

/** Passes on what this process reads from the bus itself. Nothing rejects. */
interface OwnReports extends Pick<AdvanceListener, 'moved' | 'rebuilt'> {
  /** Reports what could not be reported before, since the disk failed for example. */
  catchUp(): Promise<void>;
}

function createOwnReports(
  { replica, listener, signal }: Pick<FollowerOptions, 'replica' | 'listener' | 'signal'>,
  changes: ChangeReader,
): OwnReports {
  let isBehind = false;
  let last = Promise.resolve();

  /** One after the other. What cannot be reported is read from the replica by the next one. */
  function inTurn(report: () => Promise<void>): Promise<void> {
    last = last.then(async () => {
      try {
        await report();
        isBehind = false;
      } catch (error) {
        isBehind = true;
        // Behind its end a replica is closed.
        if (!signal.aborted) listener.failed(error instanceof Error ? error : new Error(String(error)));
      }
    });
    return last;
  }

  return {
    moved: (moved, reached) =>
      inTurn(async () => {
        // Not where the replica is by now: a process that stole the lock may have written more, which is reported when that is seen.
        await (isBehind ? changes.report(listener) : spread(moved, listener, reached));
        changes.known(reached, { isInMemory: replica.problem !== undefined });
      }),
    rebuilt: () =>
      inTurn(async () => {
        listener.rebuilt(replica.checkpoint().position);
        changes.begin();
      }),
    catchUp: () => inTurn(async () => (isBehind ? changes.report(listener) : undefined)),
  };
}

/** What is kept over all changes between advancing and reading along. */
interface Kept {
  readonly lasting: Lasting;
  readonly changes: ChangeReader;
  readonly reports: OwnReports;
}

/** Reads along while another process advances, until it stops doing so. */
async function watch({ replica, signal, listener }: FollowerOptions, changes: ChangeReader): Promise<void> {
  let version: number | undefined;
  let askAgain = performance.now() + TAKE_OVER_EVERY_MS;
  while (!signal.aborted) {
    const now = replica.version();
    if (now !== version) await changes.report(listener);
    version = now;
    listener.watching(replica.following());
    if (performance.now() >= askAgain) {
      if (await replica.tryAdvance()) return changes.report(listener);
      askAgain = performance.now() + TAKE_OVER_EVERY_MS;
    }
    await replica.whenWritten(version, { withinMs: Math.max(0, askAgain - performance.now()), signal });
  }
}

/** Advances the replica: in the thread that writes it where the bus can be opened there. Ends when another process has taken that over. */
async function advanceReplica(options: FollowerOptions, { lasting, reports }: Kept): Promise<void> {
  const { replica, source, intervalMs, signal, listener } = options;
  const overtaken = new AbortController();
  const own: AdvanceListener = {
    contact(at) {
      if (!replica.advancing) return overtaken.abort();
      listener.contact(at);
      void reports.catchUp();
    },
    moved: reports.moved,
    rebuilt: reports.rebuilt,
    failed: (error) => listener.failed(error),
  };
  const rest = { intervalMs, signal: AbortSignal.any([signal, overtaken.signal]), listener: own };
  // A memory is that of one thread.
  if ('place' in source && replica.follow && parseAddress(source.place.address).kind !== 'memory')
    return replica.follow({ place: source.place, ...rest });
  const open = 'place' in source ? () => openPlace(source.place) : source.open;
  const openBus = async () => {
    const opened = await open();
    return { ...opened, bus: inSmallPages(opened.bus) };
  };
  return advance({ replica, openBus, ...rest }, lasting);
}

/** Advances; returns whether another process has taken that over, which was reported and is not a failure. */
async function advanceUntilOvertaken(options: FollowerOptions, kept: Kept): Promise<boolean> {
  try {
    await advanceReplica(options, kept);
  } catch (error) {
    if (options.replica.advancing) throw error;
  }
  return !options.replica.advancing;
}

/** Begins where the replica is. */
function keep(options: FollowerOptions): Kept {
  const changes = createChangeReader(options.replica);
  return { lasting: createLasting(options), changes, reports: createOwnReports(options, changes) };
}

/** Keeps a replica up to date until the signal. Never rejects: what fails is reported to the listener and tried again. */
export async function keepUp(options: FollowerOptions): Promise<void> {
  const { replica, intervalMs, signal, listener } = options;
  let kept: Kept | undefined;
  /** Whether another process may have written what is not reported yet. */
  let isBehind = false;
  for (let failures = 0; !signal.aborted; ) {
    const began = performance.now();
    try {
      kept ??= keep(options);
      const { changes } = kept;
      const mayAdvance = await replica.tryAdvance();
      if (isBehind && mayAdvance) await changes.report(listener);
      isBehind = !mayAdvance;
      if (mayAdvance) isBehind = await advanceUntilOvertaken(options, kept);
      else {
        await watch(options, changes);
        isBehind = false;
      }
    } catch (error) {
      if (signal.aborted) return;
      listener.failed(error instanceof Error ? error : new Error(String(error)));
    }
    failures = performance.now() - began > intervalMs ? 0 : failures + 1;
    await sleep(Math.min(intervalMs, FIRST_PAUSE_MS * 2 ** failures) * (0.9 + Math.random() / 5), signal);
  }
}
