/** Reads what the build makes, which a checkout that was not built lacks. */
import { readFile } from 'node:fs/promises';
import { CliError } from './errors.ts';

/** The bytes of a file of the build. Rejects `CERTBUS_CLI_FILE_PROBLEM` where it is not there, else as `readFile`. */
export async function readBuiltFile(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    const what = `${path} is not there: the build makes it. In the checkout run "npm run install-packed -- FOLDER certbus", which builds everything and installs certbus in FOLDER, then run this command again.`;
    throw new CliError('CERTBUS_CLI_FILE_PROBLEM', what, { cause: error });
  }
}
