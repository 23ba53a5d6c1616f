/** What a mistyped command prints: the commands that look like it. It never runs one of them. */
import { type Hook, type Interfaces, toConfiguredId } from '@oclif/core';
import { distance } from 'fastest-levenshtein';
import type { Answer } from '../answer.ts';

/** The exit status, as shells have it. */
const NOT_FOUND = 127;
/** How many commands are suggested at most. */
const SUGGESTED = 3;
/** Letters that may differ: more, and the suggestion is a guess. */
const LIKE = 3;

/** The commands that look like what was typed, or have an alias that does, the most similar first. `commands`: each by its names. */
export function similar(typed: string, commands: ReadonlyMap<string, string>): string[] {
  const words = typed.split(' ');
  // An argument may follow the name: as many words are compared as the name has.
  const farness = (name: string) => distance(words.slice(0, name.split(' ').length).join(' '), name);
  const found = [...commands]
    .map(([name, command]) => ({ name, command, far: farness(name) }))
    .filter(({ far, name }) => far <= Math.min(LIKE, name.length / 2))
    .sort((a, b) => a.far - b.far)
    .map(({ command }) => command);
  return [...new Set(found)].slice(0, SUGGESTED);
}

/** Every command, as it is typed, by its own name and by its aliases. */
function commandsByName(config: Interfaces.Config): ReadonlyMap<string, string> {
  // oclif lists an alias as a command of its own, too.
  const own = config.commands.filter(({ hidden, id, aliases }) => !(hidden || aliases.includes(id)));
  const asTyped = (id: string) => toConfiguredId(id, config);
  return new Map(
    own.flatMap(({ id, aliases }) => [id, ...aliases].map((name) => [asTyped(name), asTyped(id)] as const)),
  );
}

const hook: Hook<'command_not_found'> = async ({ id, argv = [], config }) => {
  const typed = toConfiguredId(id, config);
  const found = similar(typed, commandsByName(config));
  const message = `"${config.bin} ${typed}" is not a command.`;
  const next = [...found.map((command) => `${config.bin} ${command}`), `"${config.bin} help" lists the commands`];
  process.exitCode = NOT_FOUND;
  if (argv.includes('--json')) {
    const error = { code: 'CERTBUS_CLI_USAGE', message, next };
    const answer: Answer = { status: 'failed', result: null, warnings: [], error, exitCode: NOT_FOUND };
    process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
    return;
  }
  const like =
    found.length > 0 ? ` Did you mean ${found.map((command) => `"${config.bin} ${command}"`).join(' or ')}?` : '';
  process.stderr.write(`Error: ${message}${like} "${config.bin} help" lists the commands.\n`);
};

export default hook;
