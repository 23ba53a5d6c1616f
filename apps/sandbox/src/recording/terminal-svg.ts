/** Draws what a program printed, line by line at the times it came, as an animated SVG of a terminal. */

/** A line, with the codes for its colours, and when it came. */
export interface TimedLine {
  readonly text: string;
  /** Milliseconds since the beginning. */
  readonly atMs: number;
}

export interface TerminalOptions {
  /** What the window is called, and what a screen reader says. */
  readonly title: string;
  /** Lines of the window. */
  readonly rows: number;
  /** Characters of a line. */
  readonly columns: number;
  /** For how long the end is shown before it begins again. */
  readonly holdMs: number;
}

const FONT_SIZE = 13;
const CHARACTER = 7.85;
const LINE = 18;
const MARGIN = 18;
const BAR = 34;

/** Classes by the codes of SGR that the demo uses: bold, dim, red, green. */
const CLASSES: Readonly<Record<string, string>> = { 1: 'b', 2: 'd', 31: 'r', 32: 'g' };

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** A line as pieces of text, each in its colour. */
function coloured(line: string): string {
  const [first = '', ...rest] = line.split('\u001b[');
  const pieces = rest.map((piece) => {
    const end = piece.indexOf('m');
    const name = CLASSES[piece.slice(0, end)];
    const text = escaped(piece.slice(end + 1));
    return name === undefined || text === '' ? text : `<tspan class="${name}">${text}</tspan>`;
  });
  return escaped(first) + pieces.join('');
}

/** Key frames that step through vertical offsets; what came at the same hundredth of a percent is one step. */
function steps(name: string, frames: readonly (readonly [percent: number, offset: number])[]): string {
  const last = new Map(frames.map(([percent, offset]) => [percent.toFixed(2), offset]));
  return `@keyframes ${name}{${[...last].map(([percent, offset]) => `${percent}%{transform:translateY(${offset}px)}`).join('')}}`;
}

/** The picture. It begins again after its end; where motion is not wanted, and where nothing moves, it shows the end. */
export function drawTerminal(lines: readonly TimedLine[], { title, rows, columns, holdMs }: TerminalOptions): string {
  const totalMs = (lines.at(-1)?.atMs ?? 0) + holdMs;
  const percentOf = (index: number) => ((lines[index]?.atMs ?? 0) / totalMs) * 100;
  const width = Math.ceil(columns * CHARACTER + 2 * MARGIN);
  const height = BAR + rows * LINE + 2 * MARGIN;
  /** How far the lines have moved up, once so many have come. */
  const scrolled = (count: number) => -Math.max(0, count - rows) * LINE;
  const counts = lines.map((_, index) => [percentOf(index), index + 1] as const);
  const end = lines.length;
  // A cover below the last line that has come hides those that have not.
  const cover = steps('cover', [
    [0, 0],
    ...counts.map(([at, count]) => [at, count * LINE] as const),
    [100, end * LINE],
  ]);
  const scroll = steps('scroll', [
    [0, 0],
    ...counts.map(([at, count]) => [at, scrolled(count)] as const),
    [100, scrolled(end)],
  ]);
  const moving = `${(totalMs / 1_000).toFixed(1)}s step-end infinite`;
  const texts = lines.map(({ text }, index) =>
    text === '' ? '' : `<text y="${index * LINE + FONT_SIZE}">${coloured(text)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)}">
<style>
text{font:${FONT_SIZE}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;fill:#e6edf3;white-space:pre}
.b{font-weight:600}.d{fill:#8b949e}.g{fill:#3fb950}.r{fill:#f85149}.t{fill:#8b949e}
.lines{transform:translateY(${scrolled(end)}px);animation:scroll ${moving}}
.cover{transform:translateY(${end * LINE}px);animation:cover ${moving}}
${scroll}
${cover}
@media (prefers-reduced-motion:reduce){.lines,.cover{animation:none}}
</style>
<rect width="${width}" height="${height}" rx="10" fill="#0d1117"/>
<g fill="#3d444d"><circle cx="20" cy="17" r="5.5"/><circle cx="38" cy="17" r="5.5"/><circle cx="56" cy="17" r="5.5"/></g>
<text class="t" x="${width / 2}" y="21" text-anchor="middle">${escaped(title)}</text>
<clipPath id="window"><rect width="${width - MARGIN}" height="${rows * LINE + MARGIN / 2}"/></clipPath>
<g transform="translate(${MARGIN} ${BAR + MARGIN / 2})" clip-path="url(#window)" xml:space="preserve">
<g class="lines">
${texts.filter((text) => text !== '').join('\n')}
<rect class="cover" width="100%" height="${(lines.length + rows) * LINE}" fill="#0d1117"/>
</g>
</g>
</svg>
`;
}
