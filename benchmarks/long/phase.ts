import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';

/** What one step of a long test took. */
export interface Phase {
  readonly name: string;
  readonly seconds: number;
  /** Largest resident memory of its process, in bytes. */
  readonly peakBytes: number;
  /** What it wrote to its standard output. */
  readonly output: string;
}

const LOOK_EVERY_MS = 100;

/** The kernel's own high-water mark; 0 where the process has just ended. */
function peakOf({ pid }: ChildProcess): number {
  try {
    const [, kilobytes = '0'] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes) * 1024;
  } catch {
    return 0;
  }
}

/** Runs a program of the workspace in a process of its own and watches its memory. Rejects when it fails. */
export async function runPhase(
  name: string,
  args: readonly string[],
  { env, cwd }: { readonly env: NodeJS.ProcessEnv; readonly cwd: string },
): Promise<Phase> {
  const began = performance.now();
  const child = spawn(process.execPath, ['--conditions=certbus:source', ...args], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const end = () => child.kill();
  process.once('exit', end);
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  let peakBytes = 0;
  const timer = setInterval(() => (peakBytes = Math.max(peakBytes, peakOf(child))), LOOK_EVERY_MS);
  const [code] = await once(child, 'close');
  clearInterval(timer);
  process.off('exit', end);
  if (code !== 0) throw new Error(`"${name}" ended with status ${code}: ${output.slice(-2_000)}`);
  const seconds = (performance.now() - began) / 1_000;
  console.error(`${name}: ${seconds.toFixed(0)} s, ${Math.round(peakBytes / 1e6)} MB`);
  return { name, seconds, peakBytes, output };
}
