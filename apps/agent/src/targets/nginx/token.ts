/** The token by which nginx knows the agent: an entry of a `map` in nginx's configuration, which both read from one file. */
import { describeExposure, examineFile } from '@certbus/replica';
import { checkRegular, describeFileProblem, readRegular } from '@certbus/store/sqlite-files';
import { AgentError } from '../../errors.ts';

const LINE = /^\s*default\s+"?([\w-]{16,})"?\s*;/m;

/**
 * The file for a token. nginx includes it as root inside a `map` block, where it obeys no directive: the file belongs to those who can read the agent's
 * identity, which may be the agent's own user.
 */
export const formatToken = (token: string): string => `default "${token}";\n`;

/** Reads the token. Throws `CERTBUS_AGENT_CONFIG_INVALID` where there is none, or others can read it. */
export function readToken(path: string): string {
  const fail = (why: string) =>
    new AgentError('CERTBUS_AGENT_CONFIG_INVALID', `The token for nginx in ${path} is not used: ${why}`);
  try {
    // Advice about the mode of a secret would lock up a folder.
    checkRegular(path);
    const { refused } = examineFile(path, { isSecret: true });
    if (refused) throw fail(describeExposure(refused));
    const token = LINE.exec(readRegular(path))?.[1];
    if (token !== undefined) return token;
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw fail(`${describeFileProblem(error, path)}.`);
  }
  throw fail('it has no line such as default "…"; with 16 letters or digits at least.');
}
