/** What becomes of a command whose output cannot be written: its reader has gone, or a disk is full. */
import { describeFileProblem } from '@certbus/store/sqlite-files';

/**
 * Watches the output of this process. Where its reader has gone, a command that only shows something ends, which is not a failure. One that
 * changes something goes on, as the service does: the balancers need it more than its lines are needed. Output that is lost for another reason is
 * reported on standard error once, and is a failure of both when they end.
 *
 * @param options.goesOn whether the command changes something.
 * @param options.exitStatus that of output which is lost.
 */
export function watchOutput({ goesOn, exitStatus }: { readonly goesOn: boolean; readonly exitStatus: number }): void {
  // oclif's own ends the process with a trace of the stack, whatever is under way.
  process.stdout.removeAllListeners('error');
  let isReported = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') {
      if (!goesOn) process.exit(0);
      return;
    }
    const why = describeFileProblem(error, 'standard output');
    if (!isReported) process.stderr.write(`Error: Standard output: ${why}. Code: CERTBUS_CLI_FILE_PROBLEM.\n`);
    isReported = true;
    process.exitCode ||= exitStatus;
    if (!goesOn) process.exit();
  });
  // Nobody is left who could read of it.
  process.stderr.on('error', () => {});
}
