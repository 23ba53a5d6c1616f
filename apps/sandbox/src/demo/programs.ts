/** Runs the command line and the example servers of the demo as processes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** How a run of the command line ended. */
export interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A running example server. */
export interface ExampleServer {
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
  startServer(server: {
    readonly name: string;
    readonly host: string;
    readonly port: number;
    readonly httpPort: number;
  }): Promise<ExampleServer>;
  stopAll(): Promise<void>;
}

const CERTBUS = fileURLToPath(new URL('../../../cli/bin/dev.js', import.meta.url));
const INTERVAL_MS = '1000';

/** A program that is running, and how it will end. */
interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** Starts `certbus` with the configuration in `folder`, and its state in a folder of that. */
function spawnCertbus(
  args: readonly string[],
  { folder, stateFolder }: { readonly folder: string; readonly stateFolder: string },
): Running {
  const env = {
    ...process.env,
    // CA, DNS and servers are on this machine.
    NO_PROXY: '*',
    no_proxy: '*',
    NO_COLOR: '1',
    CERTBUS_CONFIG: `${folder}/certbus.json`,
    CERTBUS_STATE_DIR: `${folder}/${stateFolder}`,
  };
  const child = spawn(process.execPath, ['--conditions=certbus:source', CERTBUS, ...args], {
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

/** Resolves when an example server listens. Rejects when it ends before. */
async function whenListening({ child, ended }: Running, name: string): Promise<void> {
  const listening = new Promise<void>((resolve) => {
    createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      if (line.startsWith('listening')) resolve();
    });
  });
  const failed = ended.then(({ stderr }) => {
    throw new Error(`the ${name} server did not start:\n${stderr}`);
  });
  await Promise.race([listening, failed]);
  failed.catch(() => {});
}

/** `folder` holds the bus and every state, so that nothing is left anywhere else. */
export function createPrograms(folder: string): Programs {
  const running = new Set<ChildProcess>();
  const start = (args: readonly string[], stateFolder: string): Running => {
    const started = spawnCertbus(args, { folder, stateFolder });
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
    async startServer({ name, host, port, httpPort }) {
      const ports = ['--port', String(port), '--http-port', String(httpPort)];
      const server = start(['example-server', '--host', host, ...ports, '--interval', INTERVAL_MS], name);
      await whenListening(server, name);
      return {
        name,
        host,
        async stop() {
          server.child.kill('SIGTERM');
          await server.ended;
        },
      };
    },
    async stopAll() {
      const ends = [...running].map((child) => once(child, 'close'));
      for (const child of running) child.kill('SIGKILL');
      await Promise.all(ends);
    },
  };
}
