/** The command line as users have it: built, packed, installed by npm into an empty folder, and run as a process of its own. */
import { join } from 'node:path';
import { installPacked, run, runPnpm, temporaryFolder } from 'certbus-services';

/** An installed command line. */
export interface CommandLine {
  /** The program, which Node runs. */
  readonly program: string;
  /** The folder that it is installed in. */
  readonly folder: string;
  remove(): void;
}

/** Builds, packs and installs `certbus` into a folder of its own. */
export async function installCommandLine(): Promise<CommandLine> {
  await runPnpm(['--filter=certbus...', 'run', 'build']);
  const { path: folder, remove } = temporaryFolder();
  try {
    await installPacked('certbus', folder);
  } catch (error) {
    remove();
    throw error;
  }
  return { program: join(folder, 'node_modules/certbus/bin/run.js'), folder, remove };
}

/** What a process is run with. */
interface ProcessOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** How often it is run, one after the other. Default once. */
  readonly times?: number;
}

/** In bash, since Node does not tell the CPU time of its children. */
const TIMED = `TIMEFORMAT='%U %S'
{ time for ((n = 0; n < $1; n += 1)); do "\${@:2}" >/dev/null 2>&4 || exit; done; } 4>&2 2>&1`;

/** CPU seconds of all threads of `node` with these arguments, from its start to its end. Rejects where it fails. */
export async function cpuSecondsOf(
  args: readonly string[],
  { cwd, env = {}, times = 1 }: ProcessOptions,
): Promise<number> {
  const output = await run('bash', ['-c', TIMED, 'bash', String(times), process.execPath, ...args], { cwd, env });
  const [user = Number.NaN, system = Number.NaN] = output.trim().split(' ').map(Number);
  return (user + system) / times;
}
