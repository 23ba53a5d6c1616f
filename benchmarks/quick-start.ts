/** The commands of the README's quick start, as somebody who reads it types them. */
import { readFileSync } from 'node:fs';

/** Commands that are typed into one terminal, one after the other. */
export interface Terminal {
  readonly commands: readonly string[];
  /** What the README shows that the first of them prints; the next terminal begins once this is printed. `undefined` where each ends by itself. */
  readonly until: string | undefined;
}

const HEADING = '## Quick start\n';
const FENCED = /^```\n(.*?)^```$/gms;
/** What runs until it is stopped says so. */
const UNTIL_STOPPED = 'until Ctrl-C';

/**
 * The terminals of the shortest path to a first certificate: what comes before and with the first `curl`. Throws where the README has no such
 * command.
 */
export function readQuickStart(readme: string): readonly Terminal[] {
  const [, after = ''] = readFileSync(readme, 'utf8').split(HEADING);
  const [section = ''] = after.split(/^## /m);
  const terminals: Terminal[] = [];
  for (const [, block = ''] of section.matchAll(FENCED)) {
    const lines = block.split('\n');
    const typed = lines.flatMap((line) => (line.startsWith('$ ') ? [line.slice(2)] : []));
    const last = typed.findIndex((command) => command.startsWith('curl '));
    const commands = last < 0 ? typed : typed.slice(0, last + 1);
    const isService = block.includes(UNTIL_STOPPED);
    terminals.push({
      commands,
      until: isService ? lines.findLast((line) => !['', '…'].includes(line.trim())) : undefined,
    });
    if (last >= 0) return terminals;
  }
  throw new Error('the quick start of the README has no curl');
}

/** How many commands that are. */
export const countCommands = (terminals: readonly Terminal[]): number =>
  terminals.flatMap(({ commands }) => commands).length;
