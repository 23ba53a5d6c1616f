/** How a command writes to standard error: what the flags say that every command takes. */

/** How progress, warnings and the log are written. */
export interface Writing {
  /** Whether progress is left out. */
  readonly isQuiet: boolean;
  /** The level of the log; `undefined` where only the environment says one. */
  readonly level: 'debug' | 'error' | undefined;
  readonly format: 'text' | 'json';
}

/**
 * Reads `--quiet`, `--verbose` and `--log-format` of a command line, without judging it: this is needed also where a flag is wrong. A word
 * behind `--` is not a flag.
 */
export function writingOf(argv: readonly string[], env: Readonly<Record<string, string | undefined>>): Writing {
  const end = argv.indexOf('--');
  const flags = end < 0 ? argv : argv.slice(0, end);
  // Short flags can be written as one word, and none of them takes a value.
  const isQuiet = flags.some((flag) => flag === '--quiet' || /^-[a-z]*q[a-z]*$/.test(flag));
  const at = flags.indexOf('--log-format');
  const given =
    flags.find((flag) => flag.startsWith('--log-format='))?.split('=')[1] ?? (at < 0 ? undefined : flags[at + 1]);
  const format = (given ?? env['CERTBUS_LOG_FORMAT']) === 'json' ? 'json' : 'text';
  const level = isQuiet ? 'error' : flags.includes('--verbose') ? 'debug' : undefined;
  return { isQuiet, level, format };
}

/** Whether a terminal can draw rows over one another: not one that cannot move back, nor one that does not say how wide it is. */
export const drawsRows = (
  { columns = 0 }: { readonly columns?: number },
  { TERM }: Readonly<Record<string, string | undefined>>,
): boolean => TERM !== 'dumb' && columns > 0;
