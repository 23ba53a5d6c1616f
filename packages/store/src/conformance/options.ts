/** What the suite is given: a test runner and logs to test. */
import type { Log } from '../log.ts';

/** A log under test. */
export interface LogUnderTest {
  readonly log: Log;
  /** Opens the same log again, as another process would; absent where a log lives in one process only. */
  readonly reopen?: () => Promise<Log>;
  dispose(): Promise<void>;
}

export interface ConformanceOptions {
  /** The runner's functions: vitest's, node:test's or the like. */
  readonly describe: (name: string, body: () => void) => void;
  readonly test: (name: string, body: () => Promise<void>) => void;
  /** Makes an empty log for one test. */
  readonly create: () => Promise<LogUnderTest>;
  /**
   * Makes an empty log whose service is reached through a bad network: requests and replies that are lost, errors after the
   * write, throttling. Give it where there is a network; without it, what a log does with an unknown outcome is not tested.
   */
  readonly faults?: () => Promise<LogUnderTest>;
}

/** Declares one test of a section of the suite on a log of its own. */
export type Check = (name: string, body: (subject: LogUnderTest) => Promise<void>) => void;
