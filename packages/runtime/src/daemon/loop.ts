/** Renews whenever anything is due: sleeps until then, and follows the bus meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manager, QueueSizes, RunOnceOptions, RunResult } from '@certbus/manager';
import type { Bus } from '@certbus/store';
import { type Alarm, createAlarm } from './alarm.ts';

/** Hears how it goes. */
export interface LoopListener {
  /** The bus answered. */
  contact(): void;
  /** A run ended. */
  ran(result: RunResult): void;
  /** A run rejected, or the bus did not answer; it is tried again. */
  failed(error: unknown, during: 'run' | 'follow'): void;
  /** What waits and what is under way changed. */
  queued(sizes: QueueSizes): void;
}

/** What is kept going. */
export interface LoopOptions extends Pick<RunOnceOptions, 'onProgress'> {
  readonly manager: Pick<Manager, 'refresh' | 'runOnce' | 'nextDue' | 'checkpoint' | 'state'>;
  readonly bus: Pick<Bus, 'version' | 'whenWritten'>;
  /** Time between two looks at a bus that does not report when it is written to, milliseconds; default 10,000. */
  readonly intervalMs?: number | undefined;
  readonly now?: () => Date;
  readonly signal: AbortSignal;
  readonly listener: LoopListener;
}

const INTERVAL_MS = 10_000;
const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 60_000;
/** Between two runs, so that what stays due for good reasons does not keep the processor busy. */
const BREATH_MS = 1_000;

const jittered = (ms: number): number => ms * (0.9 + Math.random() / 5);
const pauseAfter = (failures: number, longestMs: number): number =>
  jittered(Math.min(longestMs, FIRST_PAUSE_MS * 2 ** failures));

/** What the last run left. */
interface Left {
  /** The first instant that was due still, where something waits for room at its CA: it stays due, and need not be looked at with every write. */
  waiting: Date | undefined;
}

/** Reads what is new on the bus as it comes, and sets the alarm for what is due by that. */
async function follow(options: LoopOptions, alarm: Alarm, left: Left): Promise<void> {
  const { manager, bus, intervalMs = INTERVAL_MS, now = () => new Date(), signal, listener } = options;
  const look = () => {
    const { config, campaigns } = manager.state.bus;
    return { position: manager.checkpoint.position, config: config?.position, campaign: campaigns.at(-1)?.position };
  };
  let seen = look();
  for (let failures = 0; !signal.aborted; ) {
    // Asked before the read: what is written while it is used is a change behind it.
    const version = bus.version();
    try {
      await manager.refresh({ signal });
      listener.contact();
      failures = 0;
      const reached = look();
      const due = reached.position === seen.position ? undefined : manager.nextDue();
      if (reached.config !== seen.config || reached.campaign !== seen.campaign) alarm.set(now());
      else if (due && due.getTime() === left.waiting?.getTime())
        alarm.set(new Date(now().getTime() + LONGEST_PAUSE_MS));
      else if (due) alarm.set(due);
      seen = reached;
      await bus.whenWritten(version, { withinMs: jittered(intervalMs), signal });
    } catch (error) {
      if (signal.aborted) return;
      listener.failed(error, 'follow');
      await sleep(pauseAfter(failures, intervalMs), undefined, { signal }).catch(() => {});
      failures += 1;
    }
  }
}

/** Runs whenever the alarm says so. */
async function renew(options: LoopOptions, alarm: Alarm, left: Left): Promise<void> {
  const { manager, now = () => new Date(), signal, listener, onProgress } = options;
  const onQueue = (sizes: QueueSizes) => listener.queued(sizes);
  alarm.set(now());
  for (let failures = 0; ; ) {
    try {
      await alarm.reached(signal);
      const result = await manager.runOnce({ signal, onQueue, ...(onProgress ? { onProgress } : {}) });
      listener.ran(result);
      left.waiting = result.outcomes.some(({ limit }) => limit) ? manager.nextDue() : undefined;
      alarm.set(result.next);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      listener.failed(error, 'run');
      alarm.set(new Date(now().getTime() + pauseAfter(failures, LONGEST_PAUSE_MS)));
      failures += 1;
    }
    await sleep(BREATH_MS, undefined, { signal }).catch(() => {});
  }
}

/**
 * Renews what is due until the signal: at once at the start, at the next instant that the manager's index names, and when another manager
 * writes something to the bus that is due, starts a campaign or changes the configuration, which each run reads from the bus. What waits for room at its CA is
 * looked at when there is some. Resolves once all claims are
 * released. Never rejects: what fails is reported and tried again.
 */
export async function keepRenewing(options: LoopOptions): Promise<void> {
  const alarm = createAlarm(options.now ?? (() => new Date()));
  const left: Left = { waiting: undefined };
  await Promise.all([follow(options, alarm, left), renew(options, alarm, left)]);
}
