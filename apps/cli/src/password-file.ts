/** Reads a password of files from a file that only this user can read. */
import { readKeyFile } from '@certbus/runtime/local';

/** The first line of a file, without what ends it. Throws as `readKeyFile`. */
export const readPasswordFile = (path: string): string => readKeyFile(path, 'The password').split(/\r?\n/, 1)[0] ?? '';
