/** Keeps one target up to date: a queue of its own, so that one that hangs holds up no other. */
import { AgentError } from '../errors.ts';
import type { Target, Watcher } from '../targets/target.ts';
import { type Knowledge, type PassOptions, removalProblem, runPass, type Since, type Standing } from './pass.ts';
import { offsetOf, type Window, waitFor } from './schedule.ts';
import type { Turn } from './turns.ts';
import { openUnseen, type Unseen } from './unseen.ts';

/** How often a target was compared since the start, by how that ended: all is as it should be, in part, or not at all. */
export interface Passes {
  readonly inPlace: number;
  readonly inPart: number;
  readonly failed: number;
}

/** How a target stands. */
export interface TargetStatus {
  readonly name: string;
  readonly isPaused: boolean;
  /** The bus position that its last pass was for. */
  readonly position: number | undefined;
  /** When its last pass ended without an error of the target. */
  readonly checkedAt: Date | undefined;
  /** Why the target could not be brought up to date, or nothing is removed from it; `undefined` where all is well. */
  readonly error: Error | undefined;
  readonly standings: ReadonlyMap<string, Standing>;
  /** Since when it is not what the bus says; `undefined` where it is, and while it is paused. */
  readonly behindSince: Date | undefined;
  readonly passes: Passes;
}

export interface WorkerOptions {
  readonly target: Target;
  readonly window: Window;
  /** Names this machine among others, for the spread. */
  readonly machine: string;
  readonly pass: Pick<PassOptions, 'source' | 'selection' | 'defaultName' | 'now'>;
  readonly position: () => number;
  readonly isPaused: () => boolean;
  /** Time between two passes over everything, milliseconds. */
  readonly intervalMs: number;
  /** How long a pass may take, milliseconds. */
  readonly timeoutMs: number;
  readonly onStatus: (status: TargetStatus) => void;
  /** Waits until no other process changes the target; default: there is none. */
  readonly takeTurn?: (signal: AbortSignal) => Promise<Turn>;
  /** Certificates that were put and not seen yet; default: those of this process. */
  readonly unseen?: Unseen;
}

/** What keeps a target up to date. */
export interface Worker {
  readonly status: TargetStatus;
  /** A certificate changed, or everything may have: the next pass comes as soon as the target's window allows. */
  wake(certificateId?: string): void;
  /** Ends after the step that is under way; the next start goes on from there. */
  stop(): Promise<void>;
}

const FIRST_PAUSE_MS = 1_000;
/** How often a target looks whether it is paused or resumed. */
const PAUSE_LOOK_MS = 1_000;

/** What can end a rest early: a change of the bus or the target, or that the balancer is back. */
type Reason = 'woken' | 'back';

/** A sleep that ends early for a reason, or when the signal is aborted. */
function createSleeper(signal: AbortSignal) {
  const given = new Set<Reason>();
  let end = () => {};
  signal.addEventListener('abort', () => end());
  return {
    give(reason: Reason) {
      given.add(reason);
      end();
    },
    /** Resolves after `ms`, or when the reason that is meant to end it was given. */
    async sleep(ms: number, until?: Reason): Promise<void> {
      if (signal.aborted || ms <= 0) return;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        end = () => {
          if (!signal.aborted && !(until && given.has(until))) return;
          clearTimeout(timer);
          resolve();
        };
        end();
      });
      end = () => {};
    },
    has: (reason: Reason) => given.has(reason),
    /** Forgets all reasons. */
    take() {
      given.clear();
    },
  };
}

/** Runs passes, each given up after a time; while one that was given up has not ended, no other begins: two would write over each other. */
function createRunner(
  { target, pass, timeoutMs, takeTurn, isPaused, unseen = openUnseen() }: WorkerOptions,
  stop: AbortSignal,
) {
  let hung: Promise<unknown> | undefined;

  /** `undefined` where the target was paused while the turn was another process's. */
  async function runInTurn(since: Since | undefined, signal: AbortSignal): Promise<Knowledge | undefined> {
    const turn = await takeTurn?.(signal);
    try {
      if (isPaused()) return undefined;
      // What another process changed meanwhile is read.
      const known = turn?.isNext === false && since ? { ...since, ids: undefined } : since;
      return await runPass({ ...pass, target, unseen, signal }, known);
    } finally {
      turn?.end();
    }
  }
  const tooLate = () =>
    new AgentError(
      'CERTBUS_AGENT_TARGET_TIMED_OUT',
      `Target "${target.name}" was not done after ${timeoutMs / 1000} s.`,
    );
  return async (since: Since | undefined): Promise<Knowledge | undefined> => {
    if (hung) throw tooLate();
    const late = new AbortController();
    const signal = AbortSignal.any([stop, late.signal]);
    const timer = setTimeout(() => late.abort(tooLate()), timeoutMs);
    const running = runInTurn(since, signal);
    const ended = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
    try {
      return await Promise.race([running, ended]);
    } finally {
      clearTimeout(timer);
      const mine = running
        .catch(() => {})
        .then(() => {
          if (hung === mine) hung = undefined;
        });
      hung = mine;
      // Where it has ended, so does this.
      if (!signal.aborted) await mine;
    }
  };
}

/** What to do about an error of the system, by its code; `undefined` for others. */
const adviceFor = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && error.code === 'EROFS'
    ? 'The disk is read-only, or systemd does not let the service write there, which "certbus-agent check" in a shell does not see: then name the folder in "ReadWritePaths=" of a drop-in, and restart the service.'
    : undefined;

/** An error with a CertBus code. An error of the system, such as of a folder that cannot be written, gets the name of the target and what to do. */
function withCode(name: string, error: unknown): Error {
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('CERTBUS_')) return error;
  const why = error instanceof Error ? error.message : String(error);
  const what = `Target "${name}" cannot be brought up to date (${why}). ${adviceFor(error) ?? '"certbus-agent check", run as the user of the agent, shows what is missing.'}`;
  return new AgentError('CERTBUS_AGENT_TARGET_FAILED', what, { cause: error });
}

/** Starts to keep a target up to date. */
export function startWorker(options: WorkerOptions): Worker {
  const { target, window, machine, pass, position, isPaused, intervalMs, onStatus } = options;
  const stop = new AbortController();
  const sleeper = createSleeper(stop.signal);
  const offset = offsetOf({ machine, target: target.name }, window);
  let status: TargetStatus = {
    name: target.name,
    isPaused: false,
    position: undefined,
    checkedAt: undefined,
    error: undefined,
    standings: new Map(),
    behindSince: pass.now(),
    passes: { inPlace: 0, inPart: 0, failed: 0 },
  };
  const run = createRunner(options, stop.signal);
  let knowledge: Knowledge | undefined;
  /** Ids of what changed since the last pass; `all` where that may be anything. */
  let changed: Set<string> | 'all' = 'all';
  /** Whether the target may hold other ones than it did when it was compared last. */
  let isLost = false;
  let compareAllAt = 0;

  function report(next: Partial<TargetStatus>): void {
    status = { ...status, isPaused: isPaused(), ...next };
    onStatus(status);
  }

  /** What a pass that ended in this way changes in the status: one that is not all in place began to be behind when it began, if not before. */
  const ended = (result: keyof Passes, began: Date): Pick<TargetStatus, 'behindSince' | 'passes'> => ({
    behindSince: result === 'inPlace' ? undefined : (status.behindSince ?? began),
    passes: { ...status.passes, [result]: status.passes[result] + 1 },
  });

  async function passOnce(): Promise<boolean> {
    const began = pass.now();
    const isWhole = changed === 'all' || !knowledge || performance.now() >= compareAllAt;
    const ids = isWhole || changed === 'all' ? undefined : changed;
    const since = knowledge && { knowledge, ids, isLost };
    changed = new Set();
    isLost = false;
    const at = position();
    try {
      const known = await run(since);
      if (!known) {
        changed = 'all';
        return true;
      }
      knowledge = known;
      if (!ids) compareAllAt = performance.now() + intervalMs;
      const { standings } = knowledge;
      const error = removalProblem(target.name, knowledge);
      const isAllInPlace = !error && [...standings.values()].every(({ problem }) => !problem);
      const how = ended(isAllInPlace ? 'inPlace' : 'inPart', began);
      report({ ...how, position: at, checkedAt: pass.now(), error, standings });
      return true;
    } catch (error) {
      changed = 'all';
      if (!stop.signal.aborted) report({ ...ended('failed', began), error: withCode(target.name, error) });
      return false;
    }
  }

  /** Rests for a time, or until it is paused or there is the reason that is meant to end it. */
  async function rest(ms: number, until?: Reason): Promise<void> {
    for (let left = ms; left > 0; left -= PAUSE_LOOK_MS) {
      if (stop.signal.aborted || isPaused() || (until && sleeper.has(until))) return;
      await sleeper.sleep(Math.min(left, PAUSE_LOOK_MS), until);
    }
  }

  async function keepUp(): Promise<void> {
    let failures = 0;
    while (!stop.signal.aborted) {
      sleeper.take();
      if (isPaused()) {
        if (!status.isPaused) report({ behindSince: undefined });
        await sleeper.sleep(PAUSE_LOOK_MS);
        continue;
      }
      failures = (await passOnce()) ? 0 : failures + 1;
      const restMs = failures === 0 ? intervalMs : Math.min(intervalMs, FIRST_PAUSE_MS * 2 ** (failures - 1));
      // A target that just failed is not asked sooner because the bus is busy, and at once when it is back.
      await rest(restMs, failures === 0 ? 'woken' : 'back');
      await rest(waitFor(window, { now: pass.now().getTime(), offset }));
    }
  }

  const wake = (certificateId?: string) => {
    if (certificateId === undefined) changed = 'all';
    else if (changed !== 'all') changed.add(certificateId);
    sleeper.give('woken');
  };
  const onLost = () => {
    isLost = true;
    sleeper.give('woken');
  };
  const watcher: Watcher = { onLost, onBack: () => sleeper.give('back') };
  const running = Promise.all([keepUp(), target.watch?.(watcher, stop.signal)]);
  return {
    get status() {
      return status;
    },
    wake,
    async stop() {
      stop.abort(new AgentError('CERTBUS_AGENT_TARGET_FAILED', 'the agent is ending'));
      await running;
      await target.close();
    },
  };
}
