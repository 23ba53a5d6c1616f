/** Handshakes against servers in processes of their own, and what they cost them. */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-services';
import type { EdgeServerOptions } from './edge-server.ts';

const PARALLEL = 8;
const PROGRAM = fileURLToPath(new URL('./edge-server.ts', import.meta.url));
const SERVER_CORE = '0';
const LOAD_CORE = '1';

/** A server, and what it has cost. */
export interface MeasuredServer {
  readonly port: number;
  /** Whether it waits for a request; else it speaks first. */
  readonly waits: boolean;
  /** CPU time of the whole process so far, microseconds. */
  cpuUs(): Promise<number>;
  stop(): Promise<void>;
}

/** One that is a program of these benchmarks. */
export interface EdgeServer extends MeasuredServer {
  /** Resident set of the process, bytes. */
  residentBytes(): Promise<number>;
}

/** Whether processes can be held to a core here, so that the load does not take the server's. */
const canPin = process.platform === 'linux';

/** Holds this process, which is the load, to a core of its own. */
export function pinLoad(): void {
  if (canPin) execFileSync('taskset', ['-a', '-p', '-c', LOAD_CORE, String(process.pid)], { stdio: 'ignore' });
}

/** What runs a program on the core of the servers. */
export const onServerCore: readonly string[] = canPin ? ['taskset', '-c', SERVER_CORE] : [];

async function usageOf(child: ChildProcess): Promise<NodeJS.CpuUsage & { readonly rss: number }> {
  const answer = once(child, 'message');
  child.send('usage');
  const [usage] = (await answer) as [NodeJS.CpuUsage & { readonly rss: number }];
  return usage;
}

/** Starts a server of a kind. */
export async function startServer(options: Omit<EdgeServerOptions, 'stateDirectory'>): Promise<EdgeServer> {
  const folder = temporaryFolder();
  const [execPath = process.execPath, ...args] = [...onServerCore, process.execPath, '--conditions=certbus:source'];
  const child = fork(PROGRAM, [JSON.stringify({ ...options, stateDirectory: folder.path })], {
    execPath,
    execArgv: args,
  });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return {
    port,
    waits: options.kind === 'certbusHttps',
    async cpuUs() {
      const { user, system } = await usageOf(child);
      return user + system;
    },
    residentBytes: async () => (await usageOf(child)).rss,
    async stop() {
      const ended = once(child, 'exit');
      child.disconnect();
      await ended;
      folder.remove();
    },
  };
}

const REQUEST = 'GET / HTTP/1.1\r\nHost: bench.test\r\nConnection: close\r\n\r\n';

/** One full handshake, and a small request where the server waits for one: no session is offered, so none is resumed. */
function shakeHands({ port, waits }: MeasuredServer, servername: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // The load is to be cheap; the test of who answers is in the client's own tests.
    const options = { host: '127.0.0.1', port, servername, rejectUnauthorized: false, minVersion: 'TLSv1.3' } as const;
    const socket = connect(options, () => waits && socket.write(REQUEST));
    socket
      .on('error', reject)
      .on('data', () => socket.destroy())
      .on('close', () => resolve());
  });
}

/** So many handshakes, eight at a time. Returns what each cost the server, microseconds of CPU. */
export async function costOfHandshakes(
  server: MeasuredServer,
  count: number,
  nameOf: (n: number) => string,
): Promise<number> {
  const before = await server.cpuUs();
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const n = next;
      next += 1;
      await shakeHands(server, nameOf(n));
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
  return ((await server.cpuUs()) - before) / count;
}

/** Picks one of so many names that are in use. */
export const anyHot = (hot: number) => (): string => `h${Math.floor(Math.random() * hot)}.bench.test`;
