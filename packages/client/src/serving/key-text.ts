/** Texts that an option gives: themselves, or the path of a file. */
import { describeExposure, examineFile, type FileExamination } from '@certbus/replica';
import { checkRegular, describeFileProblem, readRegular } from '@certbus/store/sqlite-files';
import { ClientError } from '../errors.ts';

/**
 * The text that an option gives: itself, or what the file of that name holds. A file of a secret key that others can read is refused,
 * as is any that others can change. Throws `CERTBUS_CLIENT_FILE_UNREADABLE` or `CERTBUS_CLIENT_KEY_FILE_OPEN`.
 */
export function readText(
  pathOrText: string,
  { option, marks, isSecret }: { readonly option: string; readonly marks: string; readonly isSecret: boolean },
): string {
  if (pathOrText.includes(marks)) return pathOrText;
  if (pathOrText.trim() === '') {
    const what = `The option "${option}" is empty. Give it the path of a file, or its text. Is a variable of the environment not set?`;
    throw new ClientError('CERTBUS_CLIENT_FILE_UNREADABLE', what);
  }
  let examined: FileExamination;
  let text: string;
  try {
    // Advice about the mode of a secret would lock up a folder. Docker makes one where the file that it is to mount is not there.
    if (isSecret) checkRegular(pathOrText);
    examined = examineFile(pathOrText, { isSecret });
    // Nobody's pipe is waited for, and nobody's endless file is read.
    text = examined.refused ? '' : readRegular(pathOrText);
  } catch (cause) {
    const what = `The file ${pathOrText.slice(0, 200)} cannot be read: ${describeFileProblem(cause, pathOrText)}.`;
    throw new ClientError('CERTBUS_CLIENT_FILE_UNREADABLE', what, { cause });
  }
  if (examined.refused) {
    const what = `The file ${pathOrText} is not used: ${describeExposure(examined.refused)}`;
    throw new ClientError('CERTBUS_CLIENT_KEY_FILE_OPEN', what);
  }
  // Editors on Windows put a byte order mark before it.
  return text.replace(/^\ufeff/, '');
}
