/** How soon somebody who has just cloned the repository sees a certificate. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { freshEnvironment, run, temporaryFolder } from 'certbus-services';
import { type Benchmark, quantile } from './figure.ts';
import { countCommands, readQuickStart, type Terminal } from './quick-start.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** A shell with these commands, in a group of its own, as in a terminal of its own. */
function openTerminal({ commands }: Terminal, cwd: string) {
  const env = { ...process.env, ...freshEnvironment(), NO_COLOR: '1' };
  const script = commands.map((command) => command.replace(/^curl /, 'visit ')).join('\n');
  // A reader types this once the server had time to read of the certificate.
  const visit = 'visit() { until curl --silent --show-error "$@" 2>/dev/null; do sleep 0.1; done; }';
  const child = spawn('bash', ['-e', '-c', `${visit}\n${script}`], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout });
  reader.on('line', (line) => lines.push(line));
  const ended = once(child, 'close');
  return {
    lines,
    /** Resolves with the status of the last command. */
    ended: ended.then(([status]) => status as number | null),
    /** Resolves once a line is printed. Rejects where the commands end before. */
    async printed(wanted: string) {
      const found = new Promise<void>((resolve) => {
        const look = (line: string) => line.trim() === wanted.trim() && resolve();
        for (const line of lines) look(line);
        reader.on('line', look);
      });
      await Promise.race([found, ended.then(() => Promise.reject(new Error(lines.join('\n'))))]);
    },
    async stop() {
      if (child.exitCode !== null || child.pid === undefined) return;
      // As Ctrl-C does.
      process.kill(-child.pid, 'SIGINT');
      await ended;
    },
  };
}

/** Seconds from a clone to the first answer of a server with a new certificate. */
async function walk(terminals: readonly Terminal[]): Promise<number> {
  const folder = temporaryFolder();
  const clone = join(folder.path, 'certbus');
  const open: ReturnType<typeof openTerminal>[] = [];
  try {
    await run('git', ['clone', '--quiet', ROOT, clone]);
    const began = performance.now();
    for (const terminal of terminals) {
      const shell = openTerminal(terminal, clone);
      open.push(shell);
      if (terminal.until !== undefined) await shell.printed(terminal.until);
      else if ((await shell.ended) !== 0) throw new Error(`${terminal.commands.join('\n')}\n${shell.lines.join('\n')}`);
    }
    return (performance.now() - began) / 1_000;
  } finally {
    for (const shell of open) await shell.stop();
    folder.remove();
  }
}

/**
 * `cli.newcomer`: from a clone, with a warm package cache, to the first certificate seen with curl, by the README's quick start as it is
 * written; `cli.newcomer.commands`: how many commands that are.
 */
export const cliNewcomer: Benchmark = async ({ quick }) => {
  const terminals = readQuickStart(join(ROOT, 'README.md'));
  const samples: number[] = [];
  for (let n = 0; n < (quick ? 1 : 5); n += 1) samples.push(await walk(terminals));
  const [value, low, high] = [0.5, 0.25, 0.75].map((at) => quantile(samples, at)) as [number, number, number];
  const commands = countCommands(terminals);
  return [
    { figure: 'cli.newcomer', unit: 's', value, low, high, n: samples.length },
    { figure: 'cli.newcomer.commands', unit: 'commands', value: commands, low: commands, high: commands, n: 1 },
  ];
};
