/** Tests the recording of the demo: when its lines come, and the picture in the README. */
import { readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { drawTerminal } from './terminal-svg.ts';

const options = { title: 'a & b', rows: 2, columns: 40, holdMs: 5_000 };

test('each line is uncovered when it came, the others move up, and colours and signs stay', () => {
  const svg = drawTerminal(
    [
      { text: 'one', atMs: 1_000 },
      { text: '\u001b[32mok\u001b[39m  a < b', atMs: 2_500 },
      { text: '', atMs: 2_500 },
      { text: 'last', atMs: 5_000 },
    ],
    options,
  );
  expect(svg).toContain(
    '@keyframes cover{0.00%{transform:translateY(0px)}10.00%{transform:translateY(18px)}25.00%{transform:translateY(54px)}50.00%{transform:translateY(72px)}100.00%{transform:translateY(72px)}}',
  );
  expect(svg).toContain(
    '@keyframes scroll{0.00%{transform:translateY(0px)}10.00%{transform:translateY(0px)}25.00%{transform:translateY(-18px)}50.00%{transform:translateY(-36px)}100.00%{transform:translateY(-36px)}}',
  );
  expect(svg).toContain('<tspan class="g">ok</tspan>  a &lt; b');
  expect(svg).toContain('10.0s step-end infinite');
  expect(svg).toContain('aria-label="a &amp; b"');
});

test('the recording of the README is of a demo that held, and small enough to load', () => {
  const file = fileURLToPath(new URL('../../../../docs/pictures/demo.svg', import.meta.url));
  expect(statSync(file).size).toBeLessThan(300_000);
  expect(readFileSync(file, 'utf8')).toMatch(/All \d+ checks held, in [\d.]+ s\. Nothing is left running/);
});
