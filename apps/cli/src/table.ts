/** Formats tables for terminals and for programs. */
import { clean } from '@certbus/runtime/local';

/** What needs no cleaning; of a long list, almost all cells are of this. */
const PRINTABLE = /^[ -~]*$/;
/** Between two columns. */
const GAP = 2;
/** Rows that are laid out together: the time that a table takes grows with the square of its rows. */
const AT_A_TIME = 100;
/** A column is cut no further than this. */
const NARROWEST = 8;

/** Widths of columns that fit into a window together: the widest are cut first. */
function fit(widths: readonly number[], window: number): number[] {
  const fitted = [...widths];
  const total = () => fitted.reduce((sum, width) => sum + width, GAP * (fitted.length - 1));
  while (total() > window) {
    const widest = Math.max(...fitted);
    if (widest <= NARROWEST) break;
    fitted[fitted.indexOf(widest)] = widest - 1;
  }
  return fitted;
}

const NO_FRAME = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: ' '.repeat(GAP),
};

/**
 * Rows for people on a terminal, with a header, aligned, and cut to the window, columns; for programs, tab-separated without a header and
 * whole.
 */
export async function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { isTerminal, window = Number.POSITIVE_INFINITY }: { readonly isTerminal: boolean; readonly window?: number },
): Promise<string> {
  const cells = rows.map((row) =>
    row.map((cell) => (PRINTABLE.test(cell) ? cell : clean(cell).replaceAll(/[\n\t]/g, ' '))),
  );
  if (!isTerminal) return cells.map((row) => row.join('\t')).join('\n');
  const [{ default: Table }, { default: widthOf }] = await Promise.all([import('cli-table3'), import('string-width')]);
  const widths = [header, ...cells].reduce<number[]>(
    (widest, row) => row.map((cell, index) => Math.max(widest[index] ?? 0, widthOf(cell))),
    [],
  );
  const options = {
    chars: NO_FRAME,
    colWidths: fit(widths, window),
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  };
  const lines: string[] = [];
  for (let from = 0; from === 0 || from < cells.length; from += AT_A_TIME) {
    const table = new Table({ ...options, head: from === 0 ? [...header] : [] });
    table.push(...cells.slice(from, from + AT_A_TIME));
    for (const line of table.toString().split('\n')) lines.push(line.trimEnd());
  }
  return lines.join('\n');
}
