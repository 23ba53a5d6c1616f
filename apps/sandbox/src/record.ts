/** `npm run record`: runs the demo, and draws what it prints, when it prints it, as `docs/pictures/demo.svg`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { drawTerminal, type TimedLine } from './recording/terminal-svg.ts';

const pathOf = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const TITLE = 'npm run demo';

const began = performance.now();
const lines: TimedLine[] = [];
const child = spawn(process.execPath, ['--conditions=certbus:source', pathOf('demo.ts')], {
  // Colours, although nobody looks.
  env: { ...process.env, FORCE_COLOR: '1', NO_COLOR: undefined },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = once(child, 'close');
for await (const text of createInterface({ input: child.stdout })) {
  console.log(text);
  lines.push({ text, atMs: Math.round(performance.now() - began) });
}
const [status] = await ended;
if (status !== 0) {
  console.error('The demo failed, so that nothing was recorded.');
  process.exit(1);
}
const file = pathOf('../../../docs/pictures/demo.svg');
writeFileSync(file, drawTerminal(lines, { title: TITLE, rows: 26, columns: 110, holdMs: 6_000 }));
console.log(`The recording is in ${file}.`);
