/** Texts that an option gives: themselves, or the path of a file. */
import { readFileSync, statSync } from 'node:fs';
import { ClientError } from '../errors.ts';

/**
 * The text that an option gives: itself, or what the file of that name holds. A file of a secret key that others may read is
 * refused. Throws `CERTBUS_CLIENT_FILE_UNREADABLE` or `CERTBUS_CLIENT_KEY_FILE_OPEN`.
 */
export function readText(
  pathOrText: string,
  { marks, isSecret }: { readonly marks: string; readonly isSecret: boolean },
): string {
  if (pathOrText.includes(marks)) return pathOrText;
  let mode: number;
  let text: string;
  try {
    mode = statSync(pathOrText).mode;
    text = readFileSync(pathOrText, 'utf8');
  } catch (cause) {
    const what = `The file ${pathOrText.slice(0, 200)} cannot be read: ${cause instanceof Error ? cause.message : 'unknown'}.`;
    throw new ClientError('CERTBUS_CLIENT_FILE_UNREADABLE', what, { cause });
  }
  if (isSecret && process.platform !== 'win32' && (mode & 0o077) !== 0) {
    const what = `The key file ${pathOrText} can be read by others. Make it yours alone with "chmod 600 ${pathOrText}".`;
    throw new ClientError('CERTBUS_CLIENT_KEY_FILE_OPEN', what);
  }
  return text;
}
