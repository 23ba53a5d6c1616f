/** The command line of the demo and the sandbox. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { own } from './ca/own.ts';
import { pebble } from './ca/pebble.ts';
import type { CaKind } from './ca/running.ts';

/** Prints what to do, and ends the program with a status. */
export function exitWith(status: number, message: string): never {
  console.error(message);
  process.exit(status);
}

const KINDS = new Map<string, CaKind>([
  ['own', own],
  ['pebble', pebble],
]);

function parse(options: ParseArgsOptionsConfig) {
  const all: ParseArgsOptionsConfig = { ...options, ca: { type: 'string' } };
  try {
    return parseArgs({ options: all }).values;
  } catch (error) {
    const flags = Object.keys(all).map((name) => `--${name}`);
    const [what] = (error instanceof Error ? error.message : String(error)).split('. ');
    return exitWith(2, `${what}. It takes ${flags.join(', ')}, as the README describes them.`);
  }
}

/** Reads `--ca own`, which is the default, or `--ca pebble`, and the flags that a program has beside it. Ends it with status 2 at any other. */
export function parseArguments(options: ParseArgsOptionsConfig): {
  readonly kind: CaKind;
  readonly flags: Readonly<Record<string, unknown>>;
} {
  const { ca = 'own', ...flags } = parse(options);
  const kind = KINDS.get(String(ca));
  if (kind) return { kind, flags };
  return exitWith(2, `There is no CA "${String(ca)}". Choose one of: ${[...KINDS.keys()].join(', ')}.`);
}
