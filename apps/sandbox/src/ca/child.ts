/** Starts a module of the sandbox as a process that ends with this one. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { basename } from 'node:path';

/** A module in a process of its own, which ends with this process at the latest. */
export interface Child<Ready> {
  readonly ready: Ready;
  /** Sends a question and gives the answer. */
  ask(question: string): Promise<unknown>;
  stop(): Promise<void>;
}

/** Starts a module and waits for its first message, which says that it is ready. */
export async function startChild<Ready>(module: string, ...args: readonly string[]): Promise<Child<Ready>> {
  const child = fork(module, args, { execArgv: ['--conditions=certbus:source'] });
  const failed = once(child, 'exit').then(([status]) => {
    throw new Error(`${basename(module)} ended with status ${status} before it was ready`);
  });
  const [ready] = (await Promise.race([once(child, 'message'), failed])) as [Ready];
  failed.catch(() => {});
  return {
    ready,
    async ask(question) {
      const answer = once(child, 'message');
      child.send(question);
      const [said] = await answer;
      return said;
    },
    stop: () => stopChild(child),
  };
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}
