/** Formats tables for terminals and for programs. */
import { clean } from '@certbus/runtime/local';

/**
 * Rows for people on a terminal, with a header and aligned; for programs, tab-separated without one.
 */
export async function formatTable(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  { isTerminal }: { readonly isTerminal: boolean },
): Promise<string> {
  const cells = rows.map((row) => row.map((cell) => clean(cell).replaceAll(/[\n\t]/g, ' ')));
  if (!isTerminal) return cells.map((row) => row.join('\t')).join('\n');
  const { default: Table } = await import('cli-table3');
  const none = {
    top: '',
    'top-mid': '',
    'top-left': '',
    'top-right': '',
    bottom: '',
    'bottom-mid': '',
    'bottom-left': '',
    'bottom-right': '',
  };
  const lines = { left: '', 'left-mid': '', mid: '', 'mid-mid': '', right: '', 'right-mid': '', middle: '  ' };
  const table = new Table({
    head: [...header],
    chars: { ...none, ...lines },
    style: { 'padding-left': 0, 'padding-right': 0, head: [] },
  });
  table.push(...cells.map((row) => [...row]));
  return table.toString();
}
