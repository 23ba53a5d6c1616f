/** Reads the file that `--from` names. */
import type { ChallengeType } from '@certbus/events';
import { readText } from '../text-input.ts';
import { type NameSet, parseNameSets } from './name-sets.ts';

/**
 * Reads the certificates that a file asks for, or standard input where `from` is `-`. `command` is how it is called without the file. Rejects
 * as {@link readText}, and throws as {@link parseNameSets}.
 */
export async function readNameSets(
  from: string,
  { challengeType, command }: { readonly challengeType: ChallengeType; readonly command: string },
): Promise<NameSet[]> {
  const text = await readText(from, { usage: `${command} --from - < FILE` });
  return parseNameSets(text, { source: from === '-' ? 'What came on standard input' : from, challengeType });
}
