/** The password of PKCS#12 files. */
import { scryptSync } from 'node:crypto';
import { describeExposure, examineFile } from '@certbus/replica';
import { checkRegular, describeFileProblem, readRegular } from '@certbus/store/sqlite-files';
import { AgentError } from '../../errors.ts';

/** Reads a password: the file's first line. Rejects `CERTBUS_AGENT_CONFIG_INVALID` where others can read it, or programs would read it differently. */
export async function readPassword(path: string): Promise<string> {
  const fail = (why: string) =>
    new AgentError('CERTBUS_AGENT_CONFIG_INVALID', `The password for PKCS#12 in ${path} is not used: ${why}`);
  try {
    // Advice about the mode of a secret would lock up a folder.
    checkRegular(path);
    const { refused } = examineFile(path, { isSecret: true });
    if (refused) throw fail(describeExposure(refused));
    const password = readRegular(path).split(/\r?\n/, 1)[0] ?? '';
    // Loaded where it is used: its ASN.1 is in no other agent's memory.
    const { isPkcs12Password } = await import('@certbus/client/pkcs12');
    if (isPkcs12Password(password)) return password;
  } catch (error) {
    if (error instanceof AgentError) throw error;
    throw fail(`${describeFileProblem(error, path)}.`);
  }
  throw fail('its first line has to be letters, digits and other characters of ASCII.');
}

const MARK_BYTES = 16;

/** What tells one password from another and takes as long to guess from: it is kept where others may read it. */
export const markOf = (password: string): string =>
  scryptSync(password, 'certbus-agent pkcs12', MARK_BYTES).toString('base64url');
