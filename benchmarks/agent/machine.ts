/** A bus, an agent as a process of its own, and a balancer. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { createTestBus, type TestBus } from '@certbus/client/testing';
import { runPnpm, temporaryFolder } from 'certbus-services';

/** What users run: compiled, as it is published. */
const PROGRAM = fileURLToPath(new URL('../../apps/agent/bin/run.js', import.meta.url));

const READY_OR_FAILED = / certificates? in place$| cannot be used: /;

/** An entry of `targets`. */
export type Target = Readonly<Record<string, unknown>>;

/** A machine with a bus, and an agent that can be started and stopped. */
export interface AgentMachine extends AsyncDisposable {
  readonly folder: string;
  readonly bus: TestBus;
  /**
   * Starts `certbus-agent run`; resolves when it has printed a line: by default that its targets are up to date with its replica, or failed for the first
   * time.
   */
  start(targets: readonly Target[], readyLine?: RegExp): Promise<RunningAgent>;
  /**
   * Runs `certbus-agent once` and resolves with how long that took, milliseconds: at the newest position of the bus, or by the replica that is there. Rejects
   * where it ends with another status than the one that is expected.
   */
  once(targets: readonly Target[], options: { readonly isOffline: boolean; readonly status?: number }): Promise<number>;
}

/** An agent that runs. */
export interface RunningAgent {
  /** From the start of the process until then. */
  readonly readyAfterMs: number;
  /** Resident memory, megabytes. */
  memory(): number;
  stop(): Promise<void>;
}

/** `VmRSS` of a process, megabytes. */
function residentMegabytes(pid: number): number {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kilobytes) / 1_024;
}

async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

/** Builds the agent where it has changed, and makes a bus in a file, with its key files beside it. */
export async function createMachine(): Promise<AgentMachine> {
  await runPnpm(['exec', 'turbo', 'run', 'build', '--filter=certbus-agent', '--output-logs=errors-only']);
  const { path: folder, remove } = temporaryFolder();
  const bus = await createTestBus({ address: `sqlite:${folder}/bus.db#bench` });
  writeFileSync(join(folder, 'bus.pub'), bus.trust);
  writeFileSync(join(folder, 'loadbalancer.key'), bus.identity, { mode: 0o600 });
  const children: ChildProcess[] = [];
  function configure(targets: readonly Target[]): string {
    const file = join(folder, 'agent.json');
    const own = { bus: 'sqlite:./bus.db#bench', trust: 'bus.pub', identity: 'loadbalancer.key' };
    const content = { ...own, stateDirectory: join(folder, 'state'), intervalMs: 1_000, targets };
    writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
    return file;
  }
  return {
    folder,
    bus,
    async once(targets, { isOffline, status = 0 }) {
      const args = ['once', '--config', configure(targets), ...(isOffline ? ['--offline'] : [])];
      const began = performance.now();
      const child = spawn(process.execPath, [PROGRAM, ...args], { stdio: 'ignore' });
      children.push(child);
      await once(child, 'exit');
      if (child.exitCode !== status) throw new Error(`"certbus-agent once" ended with ${child.exitCode}`);
      return performance.now() - began;
    },
    async start(targets, readyLine = READY_OR_FAILED) {
      const file = configure(targets);
      const began = performance.now();
      const child = spawn(process.execPath, [PROGRAM, 'run', '--config', file], {
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      children.push(child);
      await new Promise<void>((resolve, reject) => {
        createInterface({ input: child.stdout }).on('line', (line) => {
          // It is ready for systemd after ten seconds in any case.
          if (readyLine.test(line)) resolve();
        });
        child.once('exit', () => reject(new Error('the agent ended')));
      });
      const readyAfterMs = performance.now() - began;
      return { readyAfterMs, memory: () => residentMegabytes(child.pid ?? 0), stop: () => stopChild(child) };
    },
    async [Symbol.asyncDispose]() {
      for (const child of children) await stopChild(child);
      await bus.close();
      remove();
    },
  };
}

/** The serial number that a balancer shows for a name; `undefined` where it refuses it. */
export const serialShown = (port: number, servername: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false });
    socket.once('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber);
      socket.destroy();
    });
    socket.once('error', () => resolve(undefined));
  });

/** Milliseconds from the append of a renewal to the first handshake that shows it, many times. */
export async function timesUntilServed(
  { bus }: AgentMachine,
  { port, name, renewals }: { readonly port: number; readonly name: string; readonly renewals: number },
): Promise<readonly number[]> {
  const times: number[] = [];
  for (let n = 0; n < renewals; n += 1) {
    const { serialNumber } = await bus.issue([name]);
    const appendedAt = performance.now();
    while ((await serialShown(port, name)) !== serialNumber) await new Promise((resolve) => setTimeout(resolve, 1));
    times.push(performance.now() - appendedAt);
  }
  return times;
}
