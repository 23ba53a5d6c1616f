/** Runs tests in a copy of the sources, and says how they ended. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { NamedTests } from './mutant.ts';

/** How a run of tests ended. */
export interface Ended {
  readonly passed: number;
  /** The names of the tests that failed, each with what it said. */
  readonly failed: readonly string[];
  /** What kept tests from being run: a file that does not load, or a run that did not end. */
  readonly broken: readonly string[];
}

/** What a run of tests is asked for. */
export interface Wanted {
  readonly tests: NamedTests;
  /** How long a test may wait for what does not come. */
  readonly limitMs: number;
}

/** What runs the tests of one copy, in a process that stays. */
export interface Runner {
  /** Runs tests until the first one fails. */
  run(wanted: Wanted): Promise<Ended>;
  /** Ends the process, and what its tests left running. */
  end(): Promise<void>;
}

/** A mutant can make a test loop, which then ends at no limit of its own. */
const RUN_TIMEOUT_MS = 600_000;

/** Ends a process with all that it started and that did not leave its group. */
function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // All of it has ended.
  }
}

/** Asks a process for a run. What does not answer is ended. */
async function ask(child: ChildProcess, wanted: Wanted): Promise<Ended | undefined> {
  const timer = setTimeout(killGroup, RUN_TIMEOUT_MS, child);
  try {
    return await new Promise<Ended | undefined>((resolve) => {
      child.once('message', (ended) => resolve(ended as Ended)).once('exit', () => resolve(undefined));
      child.send(wanted, (error) => error && resolve(undefined));
    });
  } finally {
    clearTimeout(timer);
    child.removeAllListeners('message').removeAllListeners('exit');
  }
}

/** Makes what runs the tests of a copy. Its process starts with the first run, and again with the next one after a run that did not end. */
export function createRunner(folder: string): Runner {
  let child: ChildProcess | undefined;
  let said = '';

  function start(): ChildProcess {
    const started = fork(join(folder, 'mutants/tests-process.ts'), {
      cwd: folder,
      // A group of its own, which can be ended as a whole.
      detached: true,
      silent: true,
      // A thread runs what a mutant changed, and not what was bundled before.
      env: { ...process.env, CERTBUS_TESTS: '', CERTBUS_TESTS_BUNDLED_THREAD: '' },
    });
    said = '';
    for (const stream of [started.stdout, started.stderr])
      stream?.on('data', (chunk: Buffer) => {
        said = `${said}${chunk}`.slice(-2_000);
      });
    return started;
  }

  async function end(): Promise<void> {
    const ending = child;
    child = undefined;
    if (!ending) return;
    const hasEnded = ending.exitCode !== null || ending.signalCode !== null;
    const ended = hasEnded ? undefined : once(ending, 'exit');
    killGroup(ending);
    await ended;
  }

  return {
    end,
    async run(wanted) {
      child ??= start();
      const ended = await ask(child, wanted);
      if (ended) return ended;
      await end();
      return { passed: 0, failed: [], broken: [`the tests did not end, or their process did:\n${said}`] };
    },
  };
}
