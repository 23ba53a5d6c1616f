/** Runs the command line and the load balancers of the demo as processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { environmentOf } from '../environment.ts';

/** How a run of the command line ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Where a load balancer is, and under which name. */
export interface BalancerPlace {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly httpPort: number;
}

/** What a kind of load balancer is started with. */
export interface BalancerStart extends BalancerPlace {
  /** Where `bus.db`, `bus.pub` and `loadbalancer.key` are. */
  readonly folder: string;
  /** Starts a program of CertBus, until it says a line that begins like this; its state is a folder of its own. */
  start(program: 'certbus' | 'certbus-agent', args: readonly string[], until: string): Promise<() => Promise<void>>;
}

/** A kind of load balancer: starts one, and resolves with what stops it. */
export type BalancerKind = (start: BalancerStart) => Promise<() => Promise<void>>;

/** A running load balancer. */
export interface Balancer {
  readonly name: string;
  readonly host: string;
  stop(): Promise<void>;
}

/** Starts the programs of the demo, as a user would, and stops whatever is left of them. */
export interface Programs {
  /** Runs `certbus` to its end. Throws what it said when it fails. */
  certbus(...args: string[]): Promise<string>;
  /** Runs `certbus` and kills it, with SIGKILL, as soon as it says a line that contains `mark`. */
  killWhenItSays(mark: string, ...args: string[]): Promise<Ended>;
  startServer(place: BalancerPlace): Promise<Balancer>;
  stopAll(): Promise<void>;
}

const PROGRAMS = {
  certbus: fileURLToPath(new URL('../../../cli/bin/dev.js', import.meta.url)),
  'certbus-agent': fileURLToPath(new URL('../../../agent/bin/dev.js', import.meta.url)),
} as const;

/** A program that is running, and how it will end. */
interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts a program with the configuration in `folder`, and its state in a folder of that. */
function spawnProgram(
  program: keyof typeof PROGRAMS,
  args: readonly string[],
  { folder, stateFolder }: { readonly folder: string; readonly stateFolder: string },
): Running {
  const env = environmentOf(process.env, {
    CERTBUS_CONFIG: `${folder}/certbus.json`,
    CERTBUS_STATE_DIR: `${folder}/${stateFolder}`,
    // What the first start compiles of the sources, the others load.
    NODE_COMPILE_CACHE: `${folder}/compiled`,
  });
  const child = spawn(process.execPath, ['--conditions=certbus:source', PROGRAMS[program], ...args], {
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout?.on('data', (chunk) => (stdout += chunk));
  child.stderr?.on('data', (chunk) => (stderr += chunk));
  const ended = once(child, 'close').then(([status]) => ({ status: status as number | null, stdout, stderr }));
  return { child, ended };
}

/** Resolves when a program says a line that begins in some way. Rejects when it ends before. */
async function whenItSays({ child, ended }: Running, beginning: string): Promise<void> {
  const listening = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line.startsWith(beginning)) resolve();
    });
  });
  const failed = ended.then(({ stderr }) => {
    throw new Error(`a load balancer did not start:\n${stderr}`);
  });
  await Promise.race([listening, failed]);
  failed.catch(() => {});
}

/** `folder` holds the bus and every state, so that nothing is left anywhere else. */
export function createPrograms(folder: string, kind: BalancerKind): Programs {
  const running = new Set<ChildProcess>();
  const stops = new Set<() => Promise<void>>();
  const start = (args: readonly string[], stateFolder: string, program: keyof typeof PROGRAMS = 'certbus'): Running => {
    const started = spawnProgram(program, args, { folder, stateFolder });
    running.add(started.child);
    started.child.once('close', () => running.delete(started.child));
    return started;
  };
  return {
    async certbus(...args) {
      const { status, stdout, stderr } = await start(args, 'manager').ended;
      if (status !== 0) throw new Error(`certbus ${args.join(' ')} ended with status ${status}:\n${stderr}${stdout}`);
      return stdout.trim();
    },
    killWhenItSays(mark, ...args) {
      const { child, ended } = start(args, 'manager');
      createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
        if (line.includes(mark)) child.kill('SIGKILL');
      });
      return ended;
    },
    async startServer(place) {
      const stop = await kind({
        ...place,
        folder,
        async start(program, args, beginning) {
          const started = start(args, place.name, program);
          await whenItSays(started, beginning);
          return async () => {
            started.child.kill('SIGTERM');
            await started.ended;
          };
        },
      });
      stops.add(stop);
      const { name, host } = place;
      return {
        name,
        host,
        async stop() {
          stops.delete(stop);
          await stop();
        },
      };
    },
    async stopAll() {
      await Promise.all([...stops].map((stop) => stop()));
      const ends = [...running].map((child) => once(child, 'close'));
      for (const child of running) child.kill('SIGKILL');
      await Promise.all(ends);
    },
  };
}
