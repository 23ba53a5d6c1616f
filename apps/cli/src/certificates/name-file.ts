/** Reads the file that `--from` names. */
import type { ChallengeType } from '@certbus/events';
import { CliError } from '../errors.ts';
import { type NameSet, parseNameSets } from './name-sets.ts';

/**
 * Reads the certificates that a file asks for, or standard input where `from` is `-`. `command` is how it is called without the file. Throws
 * as {@link parseNameSets}, and `CERTBUS_CLI_USAGE` where standard input is a terminal.
 */
export async function readNameSets(
  from: string,
  { challengeType, command }: { readonly challengeType: ChallengeType; readonly command: string },
): Promise<NameSet[]> {
  if (from !== '-') {
    const { readFile } = await import('node:fs/promises');
    return parseNameSets(await readFile(from, 'utf8'), { source: from, challengeType });
  }
  if (process.stdin.isTTY)
    throw new CliError('CERTBUS_CLI_USAGE', `The names are read from standard input: ${command} --from - < FILE`);
  const { text } = await import('node:stream/consumers');
  return parseNameSets(await text(process.stdin), { source: 'What came on standard input', challengeType });
}
