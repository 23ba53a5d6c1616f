/** Starts load balancers in processes of their own, and ends them as a machine does: at once. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { bundledProgram } from 'certbus-services/vitest';
import { onTestFinished } from 'vitest';
import type { EdgeReport, EdgeTask } from './edge-process.builders.ts';

type Report<Kind> = Extract<EdgeReport, { readonly kind: Kind }>;

/** A load balancer in a process of its own. */
export interface EdgeProcess {
  /** Resolves once the program was loaded, before it connects. */
  readonly starting: Promise<unknown>;
  /** Resolves once it has connected; rejects where it ended before. */
  readonly started: Promise<Report<'started'>>;
  health(): Promise<Report<'health'>['health']>;
  /** Stops it where it is, as a debugger or a machine without memory does. */
  hang(): void;
  /** Ends it with SIGKILL, and resolves when it is gone. */
  kill(): Promise<void>;
}

const program = await bundledProgram(new URL('./edge-process.builders.ts', import.meta.url));

function next<Kind extends EdgeReport['kind']>(child: ChildProcess, kind: Kind): Promise<Report<Kind>> {
  return new Promise((resolve, reject) => {
    const take = (report: EdgeReport) => {
      if (report.kind !== kind) return;
      child.off('message', take).off('exit', end);
      resolve(report as Report<Kind>);
    };
    const end = (code: number | null) => reject(new Error(`the process ended with ${code} before it was "${kind}"`));
    child.on('message', take).on('exit', end);
  });
}

/** Starts one; it is killed when the test ends. */
export function startEdgeProcess(task: EdgeTask): EdgeProcess {
  const child = fork(program.path, [JSON.stringify(task)], { execArgv: [], env: { ...process.env, ...program.env } });
  const exited = once(child, 'exit');
  const kill = async () => {
    child.kill('SIGKILL');
    await exited;
  };
  onTestFinished(kill);
  const [starting, started] = [next(child, 'starting'), next(child, 'started')];
  // One that is killed on purpose has nobody who waits for it.
  for (const each of [starting, started]) each.catch(() => {});
  return {
    starting,
    started,
    async health() {
      const report = next(child, 'health');
      child.send('health');
      return (await report).health;
    },
    hang: () => void child.kill('SIGSTOP'),
    kill,
  };
}
