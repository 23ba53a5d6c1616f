/** Finds the passphrase of files: in a file that only this user can read, or asked for once at the terminal. Never an argument. */
import { readPasswordFile } from '../password-file.ts';
import { askSecret, canAsk } from '../prompt.ts';
import type { Passphrase } from './pem.ts';

/** Gives the passphrase when it is first needed, and the same one afterwards; `undefined` where there is no file and nobody to ask. */
export function passphraseFrom(
  file: string | undefined,
  { canPrompt, signal }: { readonly canPrompt: boolean; readonly signal: AbortSignal },
): Passphrase {
  let known: Promise<string | undefined> | undefined;
  return () => {
    known ??= (async () => {
      if (file !== undefined) return readPasswordFile(file);
      return canPrompt && canAsk() ? askSecret('Passphrase of the private key:', signal) : undefined;
    })();
    return known;
  };
}
