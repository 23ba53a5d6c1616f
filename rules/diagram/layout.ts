/** Places the boxes of a graph on a grid of half columns: each below all that import it, and near what it is joined to. */
import type { PackageGraph } from './graph.ts';

/** A box's place: its row from the top, and its column, which may lie half-way between two. */
export interface Place {
  readonly row: number;
  readonly column: number;
}

type Rows = string[][];

const SWEEPS = 4;

/** Where the boxes are, and where there is room for a legend. */
export interface Layout {
  readonly places: ReadonlyMap<string, Place>;
  /** The columns of the largest group. To their right the first two rows are free. */
  readonly mainColumns: number;
}

const LEGEND_ROWS = 2;

/** Places each box. The largest group of boxes that arrows join is on the left; the others stand on the ground beside it. */
export function placeBoxes({ boxes, arrows }: PackageGraph): Layout {
  const groups = groupsOf(
    boxes.map(({ folder }) => folder),
    arrows,
  ).map((group) => {
    const rows = rowsOf(group, arrows);
    untangle(rows, arrows);
    return { rows, columns: Math.max(...rows.map((row) => row.length)) };
  });
  const [main = { rows: [], columns: 0 }, ...others] = groups;
  const places = new Map(align(main.rows, { columns: main.columns, arrows }));
  let left = main.columns;
  for (const { rows, columns } of others) {
    const above = Math.max(LEGEND_ROWS, main.rows.length - rows.length);
    for (const [folder, { row, column }] of align(rows, { columns, arrows }))
      places.set(folder, { row: above + row, column: left + column });
    left += columns;
  }
  return { places, mainColumns: main.columns };
}

/** The connected components, the largest first. */
function groupsOf(folders: readonly string[], arrows: PackageGraph['arrows']): string[][] {
  const groups: string[][] = [];
  const seen = new Set<string>();
  for (const start of folders) {
    if (seen.has(start)) continue;
    const group = [start];
    seen.add(start);
    for (const folder of group)
      for (const next of neighboursOf(folder, arrows))
        if (!seen.has(next)) {
          seen.add(next);
          group.push(next);
        }
    groups.push(group.sort());
  }
  return groups.sort((a, b) => b.length - a.length);
}

/** The rows of a group: each box is one below the lowest of those that import it. */
function rowsOf(group: readonly string[], arrows: PackageGraph['arrows']): Rows {
  const rowOf = (folder: string): number => {
    const importers = group.filter((other) => arrows.get(other)?.includes(folder));
    return importers.length === 0 ? 0 : 1 + Math.max(...importers.map(rowOf));
  };
  const rows: Rows = [];
  for (const folder of group) {
    const row = rowOf(folder);
    rows[row] ??= [];
    rows[row].push(folder);
  }
  return rows;
}

/** Orders each row by the mean place of what its boxes are joined to in the row above, then in the one below, and so on. */
function untangle(rows: Rows, arrows: PackageGraph['arrows']): void {
  const sortBy = (row: string[], other: readonly string[] | undefined) => {
    if (!other) return;
    const mean = (folder: string) => {
      const at = neighboursOf(folder, arrows).flatMap((next) => (other.includes(next) ? other.indexOf(next) : []));
      return at.length === 0 ? row.indexOf(folder) : at.reduce((sum, each) => sum + each, 0) / at.length;
    };
    const means = new Map(row.map((folder) => [folder, mean(folder)]));
    row.sort((a, b) => (means.get(a) ?? 0) - (means.get(b) ?? 0));
  };
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const [index, row] of rows.entries()) sortBy(row, rows[index - 1]);
    for (const [index, row] of [...rows.entries()].reverse()) sortBy(row, rows[index + 1]);
  }
}

/** Slides each row to where its arrows are shortest. */
function align(
  rows: Rows,
  { columns, arrows }: { columns: number; arrows: PackageGraph['arrows'] },
): ReadonlyMap<string, Place> {
  const places = new Map(
    rows.flatMap((row, index) => row.map((folder, column) => [folder, { row: index, column }] as const)),
  );
  const slide = (row: readonly string[]) => {
    const cost = (start: number) =>
      row.reduce((sum, folder, index) => {
        const away = neighboursOf(folder, arrows).map((next) => (places.get(next)?.column ?? 0) - start - index);
        return sum + away.reduce((squares, each) => squares + each ** 2, 0);
      }, 0);
    const starts = Array.from({ length: 2 * (columns - row.length) + 1 }, (_, index) => index / 2);
    const best = starts.reduce((a, b) => (cost(b) < cost(a) ? b : a));
    for (const [index, folder] of row.entries())
      places.set(folder, { row: places.get(folder)?.row ?? 0, column: best + index });
  };
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    for (const row of rows) slide(row);
    for (const row of rows.toReversed()) slide(row);
  }
  return places;
}

const neighboursOf = (folder: string, arrows: PackageGraph['arrows']): string[] => [
  ...(arrows.get(folder) ?? []),
  ...[...arrows].flatMap(([other, next]) => (next.includes(folder) ? other : [])),
];
