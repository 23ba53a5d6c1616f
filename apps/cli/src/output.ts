/** What becomes of a command whose output cannot be written: its reader has gone, or a disk is full. */
import { describeFileProblem } from '@certbus/store/sqlite-files';
import { CliError } from './errors.ts';
import { exitStatusOf } from './exit-status.ts';

const report = (error: Error): CliError =>
  new CliError('CERTBUS_CLI_FILE_PROBLEM', `Standard output: ${describeFileProblem(error, 'standard output')}.`, {
    cause: error,
  });

/**
 * Watches the output of this process. Where its reader has gone, a command that only shows something ends, which is not a failure. One that
 * changes something goes on, since to end in the middle would leave claims behind, and so does one whose status is what it is called for. Output that is lost for another reason is a failure of both.
 *
 * @param options.goesOn whether the command changes something, or is called for its status.
 * @param options.tell writes the failure to standard error.
 */
export function watchOutput({
  goesOn,
  tell,
}: {
  readonly goesOn: boolean;
  readonly tell: (error: CliError) => void;
}): void {
  // oclif's own ends the process with a trace of the stack, whatever is under way.
  process.stdout.removeAllListeners('error');
  let isTold = false;
  process.stdout.on('error', (cause: NodeJS.ErrnoException) => {
    if (cause.code === 'EPIPE') {
      if (!goesOn) process.exit(0);
      return;
    }
    const error = report(cause);
    if (!isTold) tell(error);
    isTold = true;
    process.exitCode ||= exitStatusOf(error);
    if (!goesOn) process.exit();
  });
  // Nobody is left to be told.
  process.stderr.on('error', () => {});
}
