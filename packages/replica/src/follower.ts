/** Keeps a replica up to date with its bus: follows it, or reads along while another process of this machine does. */
import { EventsError } from '@certbus/events';
import { type Checkpoint, type Commit, HistoryError } from '@certbus/events/history';
import { type ArchivePlace, type Bus, follow, type StoreError } from '@certbus/store';
import type { Replica } from './replica.ts';
import { isOutgrown, prepare, reachFloor, rebuildIfRestored, takePage } from './sync.ts';

/** Hears what following meets. */
export interface FollowerListener {
  /** The bus answered. */
  contact(at: { readonly live: boolean }): void;
  /** The replica may have changed, by this process or another. */
  moved(): void;
  /** Another process of this machine follows the bus; this one reads what it writes. */
  watching(): void;
  /** The bus is away, its history is refused, or the replica cannot be written; following goes on. */
  failed(error: StoreError | HistoryError | Error): void;
}

export interface FollowerOptions {
  readonly replica: Replica;
  /** Opens the bus; called again after every failure. */
  readonly openBus: () => Promise<Bus>;
  /** Where archives and snapshots are. */
  readonly archive: ArchivePlace | undefined;
  /** Time between two looks at a quiet bus, milliseconds. */
  readonly intervalMs: number;
  readonly signal: AbortSignal;
  readonly listener: FollowerListener;
}

const TAKE_OVER_EVERY_MS = 1_000;
const FIRST_PAUSE_MS = 250;
const HOUR_MS = 3_600_000;
/** Over how many intervals a fleet that was upgraded spreads building its replicas again. */
const SPREAD_INTERVALS = 30;

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      clearTimeout(timer);
      resolve();
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted) stop();
  });
}

/** Reads along while another process advances, until it stops doing so. */
async function watch({ replica, signal, listener }: FollowerOptions): Promise<void> {
  listener.watching();
  let version = replica.version();
  let askAgain = performance.now() + TAKE_OVER_EVERY_MS;
  while (!signal.aborted) {
    const now = replica.version();
    if (now !== version) listener.moved();
    version = now;
    if (performance.now() >= askAgain) {
      if (await replica.tryAdvance()) return listener.moved();
      askAgain = performance.now() + TAKE_OVER_EVERY_MS;
    }
    await replica.whenWritten(version, { withinMs: Math.max(0, askAgain - performance.now()), signal });
  }
}

/** Makes the replica ready. One that an older release wrote is built again, not by the whole fleet at once. */
async function makeReady(bus: Bus, { replica, archive, intervalMs, signal, listener }: FollowerOptions): Promise<void> {
  if (isOutgrown(replica)) await sleep(Math.random() * SPREAD_INTERVALS * intervalMs, signal);
  if (signal.aborted) return;
  const onError = (error: Error) => listener.failed(error);
  const onProgress = () => listener.contact({ live: false });
  if (await prepare(replica, bus, { archive, signal, onError, onProgress })) listener.moved();
}

/** Reaches the floor of the bus before anything is taken, or the line of a restored bus. */
async function makeSure(bus: Bus, { replica, signal, listener }: FollowerOptions, restore: Restorer): Promise<void> {
  try {
    await reachFloor(replica, bus, { signal, onProgress: () => listener.contact({ live: false }) });
  } catch (error) {
    if (!(error instanceof HistoryError) || !(await restore(bus))) throw error;
  }
}

/** Asked when history is refused; see {@link createRestorer}. */
type Restorer = (bus: Bus) => Promise<Checkpoint | undefined>;

/** Looks, seldom, whether a history that is refused is that of a restored bus, and then builds the replica again. */
function createRestorer({ replica, archive, intervalMs, signal, listener }: FollowerOptions): Restorer {
  let looks = 0;
  let lookAt = 0;
  return async (bus) => {
    if (performance.now() < lookAt) return undefined;
    // Noted first: a look that fails counts, too, so that a thousand servers do not read a whole bus again and again.
    looks += 1;
    lookAt = performance.now() + Math.min(HOUR_MS, intervalMs * 2 ** looks) * (0.5 + Math.random());
    const onError = (error: Error) => listener.failed(error);
    if (!(await rebuildIfRestored(replica, bus, { archive, signal, onError }))) return undefined;
    looks = 0;
    listener.moved();
    return replica.checkpoint();
  };
}

/** Reports the last event of some commits that is void, and says why. */
function reportVoid(commits: readonly Commit[], listener: FollowerListener): void {
  const broken = commits.flatMap(({ position, by, events }) =>
    events.flatMap(({ type, broken: rule }) => (rule === undefined ? [] : [{ position, by, type, rule }])),
  );
  const last = broken.at(-1);
  if (!last) return;
  const what = `${last.type} at position ${last.position} is void, and nothing was taken of it: ${last.rule}. No release of CertBus writes this; the commit names "${last.by}" as its writer.`;
  listener.failed(new EventsError('CERTBUS_EVENTS_COMMIT_MALFORMED', what));
}

/** Follows from where the replica is, and takes every batch into it; ends when the replica was built again. */
async function followOnce(bus: Bus, options: FollowerOptions, restore: Restorer): Promise<void> {
  const { replica, archive, intervalMs, signal, listener } = options;
  const onError = (error: Error) => listener.failed(error);
  const onProgress = () => listener.contact({ live: false });
  const onRefused = () => restore(bus);
  for await (const { commits, checkpoint, live } of follow(bus, replica.checkpoint(), {
    intervalMs,
    onError,
    onRefused,
    signal,
  })) {
    reportVoid(commits, listener);
    const page = { commits, checkpoint };
    const isBuilt = (await takePage(replica, bus, { page, archive, signal, onError, onProgress })) === 'built';
    if (commits.length > 0) listener.moved();
    if (isBuilt) return;
    listener.contact({ live });
  }
}

/** Follows the bus and takes every batch into the replica, until the signal or an error that only opening it again can mend. */
async function advance(options: FollowerOptions, restore: Restorer): Promise<void> {
  const { openBus, signal } = options;
  const bus = await openBus();
  try {
    await makeReady(bus, options);
    await makeSure(bus, options, restore);
    while (!signal.aborted) await followOnce(bus, options, restore);
  } finally {
    await bus.close();
  }
}

/** Keeps a replica up to date until the signal. Never rejects: what fails is reported to the listener and tried again. */
export async function keepUp(options: FollowerOptions): Promise<void> {
  const { replica, intervalMs, signal, listener } = options;
  const restore = createRestorer(options);
  for (let failures = 0; !signal.aborted; ) {
    const began = performance.now();
    try {
      if (await replica.tryAdvance()) await advance(options, restore);
      else await watch(options);
    } catch (error) {
      if (signal.aborted) return;
      listener.failed(error instanceof Error ? error : new Error(String(error)));
    }
    failures = performance.now() - began > intervalMs ? 0 : failures + 1;
    await sleep(Math.min(intervalMs, FIRST_PAUSE_MS * 2 ** failures) * (0.9 + Math.random() / 5), signal);
  }
}
