/** The lines that a command logs. */
import { fstatSync, writeSync } from 'node:fs';
import { isatty } from 'node:tty';
import { cleanLine } from '@certbus/events';

/** An output of this process. */
interface Output {
  readonly fd: number;
  write(text: string): unknown;
  emit(event: 'error', error: unknown): unknown;
}

/** Whether an output is a file, as Node sees it: it is written at once, and the first error would close it for good. */
function isFile(fd: number): boolean {
  const stats = fstatSync(fd);
  return stats.isFile() || (stats.isCharacterDevice() && !isatty(fd));
}

/**
 * Makes what writes lines to an output. What it cannot take is lost, as on a full disk, or where nobody reads it any more: that ends no agent, whose
 * balancers need certificates all the same. The output has an `error` for it, see `watchOutput`.
 */
export function lineWriter(output: Output): (line: string) => void {
  const { fd } = output;
  if (!isFile(fd)) return (line) => void output.write(`${cleanLine(line)}\n`);
  return (line) => {
    try {
      writeSync(fd, `${cleanLine(line)}\n`);
    } catch (error) {
      // The next line is tried again.
      output.emit('error', error);
    }
  };
}
