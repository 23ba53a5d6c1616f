/** Draws the graph of the packages as SVG, for light and for dark pages. */
import type { Box, PackageGraph } from './graph.ts';
import { type Place, placeBoxes } from './layout.ts';

const BOX_WIDTH = 290;
const GAP = { x: 36, y: 44 };
const MARGIN = 32;
const PADDING = 16;
const LINE_HEIGHT = 16;
const STEPS = 20;
/** Characters of a description that fit into one line of a box, in a wide font as well. */
const LINE_LENGTH = 38;

const STYLE = `
    text { font-family: system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
    .page { fill: #ffffff; stroke: #d1d9e0; }
    .package { fill: #f6f8fa; stroke: #afb8c1; }
    .app { fill: #ddf4ff; stroke: #54aeff; }
    .tests { fill: #ffffff; stroke: #8c959f; stroke-dasharray: 5 4; }
    .title { font-size: 20px; font-weight: 600; }
    .name { font-size: 15px; font-weight: 600; }
    .small { font-size: 12px; fill: #59636e; }
    .track { fill: #d1d9e0; }
    .share { fill: #0969da; }
    .arrow { fill: none; stroke: #6e7781; stroke-width: 1.5; }
    .head { fill: #6e7781; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .page { fill: #0d1117; stroke: #3d444d; }
      .package { fill: #1c232c; stroke: #565e68; }
      .app { fill: #10243e; stroke: #3b82f6; }
      .tests { fill: #0d1117; stroke: #7d8590; }
      .small { fill: #9da7b3; }
      .track { fill: #3d444d; }
      .share { fill: #4493f8; }
      .arrow { stroke: #8b949e; }
      .head { fill: #8b949e; }
    }`;

/** The picture of a graph; `largestShare` is the share of all source lines at which a box's bar is full. */
export function drawGraph(graph: PackageGraph, { largestShare }: { largestShare: number }): string {
  const { places, mainColumns } = placeBoxes(graph);
  const texts = new Map(graph.boxes.map(({ folder, description }) => [folder, wrap(description, LINE_LENGTH)]));
  const height = 68 + LINE_HEIGHT * Math.max(...[...texts.values()].map((lines) => lines.length));
  const frameOf = ({ row, column }: Place): Frame => ({
    x: MARGIN + column * (BOX_WIDTH + GAP.x),
    y: MARGIN + row * (height + GAP.y),
    height,
  });
  const frames = new Map([...places].map(([folder, place]) => [folder, frameOf(place)]));
  const width = MARGIN + Math.max(...[...frames.values()].map(({ x }) => x + BOX_WIDTH));
  const bottom = MARGIN + Math.max(...[...frames.values()].map(({ y }) => y + height));
  const full = largestShare * graph.boxes.reduce((sum, { lines }) => sum + lines, 0);
  const boxes = graph.boxes.map((box) =>
    drawBox(box, { frame: frames.get(box.folder), text: texts.get(box.folder) ?? [], full }),
  );
  const sentences = [...graph.arrows].flatMap(([folder, next]) =>
    next.length === 0 ? [] : `${folder} imports ${next.join(' and ')}.`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${bottom}" width="${width}" height="${bottom}" role="img" aria-labelledby="title description">
  <title id="title">The packages of CertBus and what they import</title>
  <desc id="description">${escapeText(sentences.join(' '))}</desc>
  <style>${STYLE}
  </style>
  <defs>
    <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="head" d="M0 0 8 4 0 8z"/></marker>
  </defs>
  <rect class="page" x="0.5" y="0.5" width="${width - 1}" height="${bottom - 1}" rx="12"/>
${drawLegend(frameOf({ row: 0, column: mainColumns }), largestShare)}
${drawArrows(graph.arrows, frames).join('\n')}
${boxes.join('\n')}
</svg>
`;
}

/** The upper left corner of a box, and its height. */
interface Frame {
  readonly x: number;
  readonly y: number;
  readonly height: number;
}

function drawBox(
  { name, kind, lines }: Box,
  { frame, text, full }: { frame: Frame | undefined; text: readonly string[]; full: number },
): string {
  const { x = 0, y = 0, height = 0 } = frame ?? {};
  const track = BOX_WIDTH - 2 * PADDING - 84;
  // In steps, so that no bar moves when another package grows.
  const share = (track * Math.max(1, Math.round((STEPS * Math.min(lines, full)) / full))) / STEPS;
  return [
    `  <g transform="translate(${x} ${y})">`,
    `    <rect class="box ${kind}" width="${BOX_WIDTH}" height="${height}" rx="8"/>`,
    `    <text class="name" x="${PADDING}" y="27">${escapeText(name)}</text>`,
    ...text.map(
      (line, index) =>
        `    <text class="small" x="${PADDING}" y="${48 + index * LINE_HEIGHT}">${escapeText(line)}</text>`,
    ),
    `    <rect class="track" x="${PADDING}" y="${height - 20}" width="${track}" height="4" rx="2"/>`,
    `    <rect class="share" x="${PADDING}" y="${height - 20}" width="${share}" height="4" rx="2"/>`,
    `    <text class="small" x="${BOX_WIDTH - PADDING}" y="${height - 14}" text-anchor="end">${lines.toLocaleString('en-US')} lines</text>`,
    '  </g>',
  ].join('\n');
}

/** One curve an arrow, from the lower edge of what imports to the upper edge of what is imported. */
function drawArrows(arrows: PackageGraph['arrows'], frames: ReadonlyMap<string, Frame>): string[] {
  const xOf = (folder: string) => frames.get(folder)?.x ?? 0;
  const all = [...arrows].flatMap(([from, next]) => next.map((to) => ({ from, to })));
  /** Where an arrow meets a box: those of one edge stand apart, in the order of their other ends. */
  const meet = (box: string, others: readonly string[], other: string) => {
    const sorted = others.toSorted((a, b) => xOf(a) - xOf(b));
    return xOf(box) + Math.round((BOX_WIDTH * (sorted.indexOf(other) + 1)) / (sorted.length + 1));
  };
  return all.map(({ from, to }) => {
    const { y = 0, height = 0 } = frames.get(from) ?? {};
    const importers = all.flatMap((arrow) => (arrow.to === to ? arrow.from : []));
    const [x1, y1] = [meet(from, arrows.get(from) ?? [], to), y + height];
    const [x2, y2] = [meet(to, importers, from), (frames.get(to)?.y ?? 0) - 1];
    const middle = (y1 + y2) / 2;
    return `  <path class="arrow" marker-end="url(#head)" d="M${x1} ${y1}C${x1} ${middle} ${x2} ${middle} ${x2} ${y2}"/>`;
  });
}

function drawLegend({ x, y }: Frame, largestShare: number): string {
  const swatch = (kind: string) => `<rect class="box ${kind}" y="-7" width="24" height="14" rx="3"/>`;
  const rows = [
    [swatch('package'), 'a package'],
    [swatch('app'), 'an app'],
    [swatch('tests'), 'for tests, benchmarks and the demo'],
    ['<path class="arrow" marker-end="url(#head)" d="M0 0H24"/>', 'imports; implied arrows are left out'],
    [
      '<rect class="track" y="-2" width="24" height="4" rx="2"/><rect class="share" y="-2" width="12" height="4" rx="2"/>',
      `lines, rounded; bar full at ${largestShare * 100} % of all`,
    ],
  ].map(
    ([sign, text], index) =>
      `    <g transform="translate(0 ${54 + index * 26})">${sign}<text class="small" x="36" y="4">${text}</text></g>`,
  );
  return [
    `  <g transform="translate(${x} ${y})">`,
    '    <text class="title" y="22">The packages of CertBus</text>',
    ...rows,
    '  </g>',
  ].join('\n');
}

/** Breaks a text into lines of at most so many characters, where words allow it. */
function wrap(text: string, length: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(' ')) {
    const longer = lines.length === 0 ? word : `${lines.at(-1)} ${word}`;
    if (lines.length > 0 && longer.length <= length) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

const escapeText = (text: string): string => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
