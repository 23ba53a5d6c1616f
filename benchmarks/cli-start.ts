/** What the command line costs before it does anything. */
import { cpuSecondsOf, installCommandLine } from './command-line.ts';
import type { Benchmark } from './figure.ts';
import { interleave, ratioOf } from './slices.ts';

/** Starts in a slice. */
const STARTS = 5;
const LOAD_OCLIF = 'await import("@oclif/core")';

/** `cli.start`: CPU time of `certbus --version`, packed and installed, against a Node that loads `@oclif/core` and nothing else. */
export const cliStart: Benchmark = async ({ quick }) => {
  const { program, folder: cwd, remove } = await installCommandLine();
  try {
    const options = { cwd, times: STARTS };
    const load = () => cpuSecondsOf(['--input-type=module', '--eval', LOAD_OCLIF], options);
    const contenders = { ours: () => cpuSecondsOf([program, '--version'], options), peer: load, again: load };
    // Until the files are in memory.
    await interleave(1, contenders);
    const measures = await interleave(quick ? 3 : 21, contenders);
    return [ratioOf('cli.start', { against: 'node -e 0 that loads @oclif/core', ...measures })];
  } finally {
    remove();
  }
};
