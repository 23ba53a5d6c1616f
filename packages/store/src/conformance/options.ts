/** What the suite is given: a test runner and logs to test. */
import type { Log } from '../log.ts';

/** A log under test. */
export interface LogUnderTest {
  readonly log: Log;
  /** Opens the same log again, as another process would; absent where a log lives in one process only. */
  readonly reopen?: () => Promise<Log>;
  /** Puts one of {@link ConformanceOptions.badRows} into a stream, at a position or as near to it as it can be, past the log. */
  readonly putBadRow?: (kind: string, stream: string, position: number) => Promise<void>;
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
  /**
   * What somebody who can write to the store, past the log, can put into it and no append writes: a value of each other type in each
   * place, a position of none, a commit over the limit. The names are {@link LogUnderTest.putBadRow}'s. Leave it out only where
   * nothing but the log can write, as in the memory of a process.
   */
  readonly badRows?: readonly string[];
}

/** Declares one test of a section of the suite on a log of its own. */
export type Check = (name: string, body: (subject: LogUnderTest) => Promise<void>) => void;
