/** A manager in a process of its own, which can be killed and is started again. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { MachineReport, MachineRequest, MachineTask } from './machine-process.ts';

/** A machine that a manager runs on. */
export interface Machine extends AsyncDisposable {
  /** How often its process was started. */
  readonly starts: number;
  /** Asks its process, which is started where there is none; `undefined` where it was killed meanwhile. */
  ask(request: MachineRequest): Promise<MachineReport | undefined>;
  /** Kills its process with SIGKILL, in the middle of whatever it does. */
  kill(): void;
}

const PROGRAM = fileURLToPath(new URL('machine-process.ts', import.meta.url));

/** The next message of a process; `undefined` where it was killed before. Rejects where it ended by itself. */
async function answerOf<T>(child: ChildProcess): Promise<T | undefined> {
  const stop = new AbortController();
  const { signal } = stop;
  try {
    const first = await Promise.race([
      once(child, 'message', { signal }).then(([message]) => ({ message: message as T })),
      once(child, 'exit', { signal }).then(([code]) => ({ code })),
    ]);
    if ('message' in first) return first.message;
    if (child.signalCode !== 'SIGKILL') throw new Error(`the manager ended with status ${String(first.code)}`);
    return undefined;
  } finally {
    stop.abort();
  }
}

/** Prepares a machine; nothing runs on it yet, and each process draws other failures. */
export function createMachine({ seed, ...fixed }: MachineTask): Machine {
  let child: ChildProcess | undefined;
  let starts = 0;

  async function start(): Promise<ChildProcess> {
    starts += 1;
    const task: MachineTask = { ...fixed, seed: seed + starts };
    const started = fork(PROGRAM, [JSON.stringify(task)], { execArgv: ['--conditions=certbus:source'] });
    child = started;
    await answerOf(started);
    return started;
  }

  return {
    get starts() {
      return starts;
    },
    async ask(request) {
      // Killed when its last run had just ended.
      if (child?.signalCode) child = undefined;
      const asked = child ?? (await start());
      const answer = answerOf<MachineReport>(asked);
      asked.send(request, () => {});
      const report = await answer;
      if (!report) child = undefined;
      return report;
    },
    kill: () => void child?.kill('SIGKILL'),
    async [Symbol.asyncDispose]() {
      if (!child) return;
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
    },
  };
}
