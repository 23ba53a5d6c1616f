/** One run of a manager: asks the CAs, renews, shows that it is there, and checks in. */
import { markDefaultAccount } from '../accounts/stateless.ts';
import { durationMs } from '../configuration/duration.ts';
import { requireConfiguration, withConfiguration } from '../configuration/stored-configuration.ts';
import { type Context, checkKnown, decide } from '../context.ts';
import { heartbeat, nextHeartbeat } from '../decide/upkeep.ts';
import { isBusError, ManagerError } from '../errors.ts';
import type { RunOptions } from '../issuance/issue.ts';
import { lastWordsAfter } from '../issuance/last-words.ts';
import type { Announcer } from '../upkeep/alerts/announcer.ts';
import type { TellDoubt } from '../upkeep/alerts/dns-doubt.ts';
import { completeCampaigns, nextCampaignAt } from './campaign/progress.ts';
import { nextRun } from './next-run.ts';
import { countsOf, type RenewalOutcome, type RunProblem, type RunResult, type SideTask } from './outcome.ts';
import { type RenewalOptions, renewDue } from './renewal.ts';
import { askAboutDue, askAboutOthers } from './renewal-info.ts';
import type { RenewalInfoNotes } from './renewal-info-schedule.ts';

/** How one run of a manager behaves. */
export interface RunOnceOptions
  extends Pick<RunOptions, 'takeOver' | 'onProgress'>,
    Pick<RenewalOptions, 'limit' | 'at' | 'onQueue'> {
  /** Ends the run: what is under way is broken off, its claims are released within 5 seconds, and the run rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Ends the run in the same way, but it resolves, and what is left is postponed. Default none. */
  readonly deadline?: Date;
}

/** What a run needs besides the bus and the CAs. */
export interface RunDependencies {
  /** This manager's notes of when to ask the CAs. */
  readonly notes: RenewalInfoNotes;
  /** Reports a successful run to a dead man's switch. */
  readonly checkIn: (url: string, signal: AbortSignal) => Promise<void>;
  /** Tells people what needs them. */
  readonly announcer: Announcer;
  readonly tellDoubt: TellDoubt;
}

/** After its deadline a run has so long for what it says at its end, milliseconds. */
const ENDING_MS = 2_000;
/** What cannot be told by then, where the bus is away, is told by the next run. */
const TELL_MS = 15_000;
/** The longest time of a timer, milliseconds. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * Whether a run left nothing behind: nothing failed, no CA was away, and nothing that has ended or is urgent was not renewed, be it that another
 * manager claims it. What the deadline or the limit left is the next run's, and what waits for room at its CA goes when there is some;
 * what left our control is looked at again.
 */
const isInOrder = (outcomes: readonly RenewalOutcome[]): boolean =>
  !outcomes.some(
    ({ outcome, isEnding, error }) =>
      isEnding || outcome === 'failed' || (outcome === 'postponed' && error !== undefined),
  );

/** Ends a reading of the bus at the deadline; behind it there is time for a short one. */
function readingSignal(signal: AbortSignal, deadline: Date | undefined, now: Date): AbortSignal {
  if (!deadline) return signal;
  const leftMs = Math.min(Math.max(deadline.getTime() - now.getTime(), ENDING_MS), LONGEST_TIMER_MS);
  return AbortSignal.any([signal, AbortSignal.timeout(leftMs)]);
}

/** A signal that aborts at an instant, until it is disposed of. */
function signalAt(deadline: Date | undefined, now: Date): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  if (!deadline) return { signal: controller.signal, [Symbol.dispose]() {} };
  const reason = new Error(`the run reached its deadline, ${deadline.toISOString()}`);
  const leftMs = deadline.getTime() - now.getTime();
  if (leftMs <= 0) controller.abort(reason);
  const timer = setTimeout(() => controller.abort(reason), Math.min(Math.max(leftMs, 0), LONGEST_TIMER_MS));
  return { signal: controller.signal, [Symbol.dispose]: () => clearTimeout(timer) };
}

/** Does what may break off at the deadline. Rejects as it does, but not for the deadline. */
async function unlessLate(deadline: AbortSignal, work: () => Promise<void>): Promise<void> {
  try {
    if (!deadline.aborted) await work();
  } catch (error) {
    if (!deadline.aborted) throw error;
  }
}

/** When a side task that failed is tried again, milliseconds; a place that takes no alerts is left alone for longer by what tells it. */
const TRY_AGAIN_MS = 60_000;

/** Does what comes beside the renewals, each task by itself: one that fails loses neither their outcomes nor the tasks behind it. */
function createSideTasks(context: Context, signal: AbortSignal) {
  const problems: RunProblem[] = [];
  function report(during: SideTask, error: unknown): void {
    signal.throwIfAborted();
    problems.push({ during, error });
  }
  return {
    problems,
    report,
    async run(during: SideTask, task: () => Promise<void>): Promise<void> {
      await task().catch((error: unknown) => report(during, error));
    },
    /** When to run again because of them; `undefined` where all were done. */
    again: () =>
      problems.some(({ during }) => during !== 'alerts') ? new Date(context.now().getTime() + TRY_AGAIN_MS) : undefined,
  };
}

/** Tells people what this manager knows, where it cannot read the bus. What cannot be told then is lost: the run itself has failed. */
async function tellWithoutBus(
  context: Context,
  { announcer }: Pick<RunDependencies, 'announcer'>,
  error: unknown,
): Promise<void> {
  const isStale = error instanceof ManagerError && error.code === 'CERTBUS_MANAGER_BUS_STALE';
  if ((!isStale && !isBusError(error)) || !context.view.state.bus.config) return;
  try {
    const config = await requireConfiguration(context);
    const { newestAt } = context.view.state.bus;
    const signal = AbortSignal.timeout(TELL_MS);
    const { errors } = await announcer.afterRun({ config, outcomes: [], newestAt, isBusThere: false, signal });
    for (const each of errors) context.logger.warn('an alert could not be sent', { error: String(each) });
  } catch (cause) {
    context.logger.warn('an alert could not be sent', { error: String(cause) });
  }
}

/**
 * Asks the CAs when to renew (RFC 9773), renews what is due by now and what becomes due by an event meanwhile, writes a heartbeat where the
 * bus has been quiet, and checks in where nothing failed and nothing that has ended or is urgent was left.
 *
 * At the deadline or by the signal, orders under way are broken off and their claims released, within 5 seconds: their certificates are resumed
 * from the bus by the next run, wherever that is. What fails beside the renewals is in the result's `problems`, such as
 * `CERTBUS_MANAGER_CHECK_IN_FAILED`, and is tried again by the next run. Rejects `CERTBUS_MANAGER_CONFIG_MISSING`,
 * `CERTBUS_MANAGER_CONFIG_INVALID`, `CERTBUS_MANAGER_UPGRADE_NEEDED`, `CERTBUS_MANAGER_BUS_STALE`, with a `StoreError` or `HistoryError` where
 * the bus cannot be read or written before the renewals, with the signal's reason, or with a `TimeoutError` where the bus was not read by the deadline.
 */
export async function runOnce(
  context: Context,
  dependencies: RunDependencies,
  { signal = new AbortController().signal, deadline, ...options }: RunOnceOptions = {},
): Promise<RunResult> {
  const { notes, checkIn, announcer, tellDoubt } = dependencies;
  const reading = readingSignal(signal, deadline, context.now());
  const { config } = await withConfiguration(context, { signal: reading }).catch(async (error: unknown) => {
    signal.throwIfAborted();
    await tellWithoutBus(context, dependencies, error);
    throw error;
  });
  // Also where nothing is due: what comes beside the renewals only reports.
  checkKnown(context.view.state);
  const { newestAt } = context.view.state.bus;
  using late = signalAt(deadline, context.now());
  const stop = AbortSignal.any([signal, late.signal]);
  const asking = { config, notes, signal: stop };
  await unlessLate(late.signal, () => markDefaultAccount(context, config, stop));
  await unlessLate(late.signal, () => askAboutDue(context, asking));
  let nextQuestion: Date | undefined;
  const beside = async () => {
    nextQuestion = await askAboutOthers(context, asking);
  };
  const { due, outcomes, asideError, awaitsOutage } = await renewDue(context, {
    ...options,
    config,
    signal: stop,
    beside,
  });
  signal.throwIfAborted();
  using lastWords = lastWordsAfter(late.signal, ENDING_MS);
  const last = AbortSignal.any([signal, lastWords.signal]);
  const side = createSideTasks(context, signal);
  if (asideError !== undefined && !late.signal.aborted) side.report('questions', asideError);
  await side.run('heartbeat', () =>
    unlessLate(late.signal, async () => void (await decide(context, heartbeat, { signal: last }))),
  );
  await side.run('campaigns', () => unlessLate(late.signal, () => completeCampaigns(context, { signal: last })));
  let tellAgain: Date | undefined;
  await side.run('alerts', async () => {
    const told = await announcer.afterRun({ config, outcomes, newestAt, isBusThere: true, signal: last });
    const doubted = await tellDoubt({ config, signal: last });
    tellAgain = told.next;
    for (const error of [...told.errors, ...doubted].slice(0, 1)) side.report('alerts', error);
  });
  const { url, within } = config.checkIn ?? {};
  if (url && isInOrder(outcomes) && side.problems.length === 0) await side.run('check-in', () => checkIn(url, last));
  const others = [
    nextQuestion,
    nextHeartbeat(context.view.state),
    nextCampaignAt(context, outcomes),
    tellAgain,
    within === undefined ? undefined : new Date(context.now().getTime() + durationMs(within)),
    side.again(),
  ];
  const next = await nextRun(context, { outcomes, awaitsOutage, others });
  const { position } = context.view.checkpoint;
  return { ...countsOf(due, outcomes), position, outcomes, problems: side.problems, next };
}
