/** Texts that an option gives: themselves, or the path of a file. */
import { describeExposure, examineFile, type FileExamination } from '@certbus/replica';
import { readRegular } from '@certbus/store/sqlite-files';
import { ClientError } from '../errors.ts';

/**
 * The text that an option gives: itself, or what the file of that name holds. A file of a secret key that others can read is refused,
 * as is any that others can change. Throws `CERTBUS_CLIENT_FILE_UNREADABLE` or `CERTBUS_CLIENT_KEY_FILE_OPEN`.
 */
export function readText(
  pathOrText: string,
  { marks, isSecret }: { readonly marks: string; readonly isSecret: boolean },
): string {
  if (pathOrText.includes(marks)) return pathOrText;
  let examined: FileExamination;
  let text: string;
  try {
    examined = examineFile(pathOrText, { isSecret });
    // Nobody's pipe is waited for, and nobody's endless file is read.
    text = examined.refused ? '' : readRegular(pathOrText);
  } catch (cause) {
    const what = `The file ${pathOrText.slice(0, 200)} cannot be read: ${cause instanceof Error ? cause.message : 'unknown'}.`;
    throw new ClientError('CERTBUS_CLIENT_FILE_UNREADABLE', what, { cause });
  }
  if (examined.refused) {
    const what = `The file ${pathOrText} is not used: ${describeExposure(examined.refused)}`;
    throw new ClientError('CERTBUS_CLIENT_KEY_FILE_OPEN', what);
  }
  // Editors on Windows put a byte order mark before it.
  return text.replace(/^\ufeff/, '');
}
