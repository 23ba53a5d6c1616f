/** A process of its own: a manager that runs once each time that it is asked, with faults in the way of its store. */
import { createSolver } from '@certbus/solvers';
import { type Log, StoreError } from '@certbus/store';
import { type MassSite, withManager } from '../mass-site.ts';
import { seededRandom } from '../random.ts';
import { fastNow, hurryTimers } from './fast-time.ts';

/** How a machine is started, as JSON in its first argument. */
export interface MachineTask {
  readonly site: MassSite;
  readonly seed: number;
  /** From when on its clock is a fast one, milliseconds since 1970. */
  readonly since: number;
}

/** What is asked of a machine, each answered in turn. */
export interface MachineRequest {
  /** How far its clock is ahead of the fast one, a step of it included. */
  readonly aheadMs: number;
  /** Share of the store's operations that fail; half of such appends were written. */
  readonly storeErrors: number;
  /** Issue certificates of 160 hours for these, instead of running once. */
  readonly issue?: readonly string[];
}

/** What a machine did. */
export interface MachineReport {
  readonly outcomes: Readonly<Record<string, number>>;
  /** When there is something to do again, by its own clock, ISO 8601; `undefined` where the run failed. */
  readonly next?: string;
  /** Why the run failed, or the first of its orders that did. */
  readonly error?: string;
}

const TOGETHER = 4;
const signal = new AbortController().signal;
const { site, seed, since }: MachineTask = JSON.parse(process.argv[2] ?? '');
const random = seededRandom(seed);
let current: MachineRequest = { aheadMs: 0, storeErrors: 0 };
const now = () => new Date(fastNow(since) + current.aheadMs);
hurryTimers();

const fails = () => random() < current.storeErrors;
const away = () => new StoreError('CERTBUS_STORE_UNREACHABLE', 'The store is away, for a test.');

/** A store that fails as often as it is told. */
const throughFaults = (log: Log): Log => ({
  ...log,
  async append(...call) {
    if (!fails()) return log.append(...call);
    if (random() < 0.5) throw away();
    await log.append(...call);
    throw new StoreError('CERTBUS_STORE_OUTCOME_UNKNOWN', 'The answer of the store was lost, for a test.');
  },
  async read(...call) {
    if (fails()) throw away();
    return log.read(...call);
  },
});

await withManager(
  site,
  {
    holder: 'machine',
    now,
    throughLog: throughFaults,
    async solvers(settings) {
      if (settings.challenge !== 'dns-01') throw new TypeError('only dns-01 is configured');
      const findProgram = () => Promise.reject(new TypeError('nothing here is a program'));
      return createSolver(settings.dns, { resolveSecret: () => '', outgoing: undefined, findProgram });
    },
  },
  async (manager) => {
    async function issue(names: readonly string[]): Promise<MachineReport> {
      const left = [...names];
      const worker = async () => {
        for (let name = left.shift(); name !== undefined; name = left.shift())
          await manager.issue({ names: [name], profile: 'shortlived' }, { signal });
      };
      await Promise.all(Array.from({ length: TOGETHER }, worker));
      return { outcomes: { issued: names.length } };
    }

    async function runOnce(): Promise<MachineReport> {
      const { outcomes, next } = await manager.runOnce({ signal });
      const counts: Record<string, number> = {};
      for (const { outcome } of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1;
      const failed = outcomes.find(({ outcome }) => outcome === 'failed');
      return { outcomes: counts, next: next.toISOString(), ...(failed ? { error: String(failed.error) } : {}) };
    }

    async function answer(request: MachineRequest): Promise<void> {
      current = request;
      const report = await (request.issue ? issue(request.issue) : runOnce()).catch((error: unknown) => ({
        outcomes: {},
        error: String(error),
      }));
      // Nobody is left to tell where the channel is closed.
      process.send?.(report satisfies MachineReport, undefined, {}, () => {});
    }

    const ended = Promise.withResolvers<void>();
    process.on('message', (request: MachineRequest) => void answer(request));
    process.once('disconnect', ended.resolve);
    process.send?.('ready');
    await ended.promise;
  },
);
