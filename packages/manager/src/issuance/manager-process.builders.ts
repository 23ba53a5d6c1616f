/** A manager as a process of its own, which tests kill. */
import type { ProcessOptions, Site } from './manager.builders.ts';
import { withManager } from './manager.builders.ts';

/** What a test sends to a manager of its own, in one JSON line on standard input. */
export interface Order {
  readonly site: Site;
  readonly options: ProcessOptions;
  readonly names: readonly string[];
}

let text = '';
for await (const chunk of process.stdin.setEncoding('utf8')) text += chunk;
const { site, options, names } = JSON.parse(text) as Order;
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`);
try {
  const signal = new AbortController().signal;
  say(await withManager(site, options, (manager) => manager.issue({ names }, { signal, onProgress: say })));
} catch (error) {
  say({ error: error instanceof Error && 'code' in error ? error.code : String(error) });
  process.exitCode = 1;
}
