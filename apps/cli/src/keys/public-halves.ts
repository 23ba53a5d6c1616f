/** Reads the public halves of keys, as people hand them over. */
import { isHash, type Manager } from '@certbus/events';
import { readFile } from '@certbus/runtime/local';
import { CliError } from '../errors.ts';

/** Where the halves are: a file, or as they are given. */
interface Given {
  readonly file: string | undefined;
  readonly signingKey: string | undefined;
  readonly recipient: string | undefined;
}

const SIGNING_KEY = /^# signing key: (\S+)\s*$/m;
const RECIPIENT = /^# recipient: (\S+)\s*$/m;
/** As "certbus keygen loadbalancer" and age-keygen write it. */
const PUBLIC_KEY = /^# public key: (age1\S+)\s*$/im;

/** An age recipient in its one form: in capitals, as QR codes have it, it is the same key (BIP 173). */
function normalized(recipient: string): string {
  const text = recipient.trim();
  return /^AGE1[^a-z]*$/.test(text) ? text.toLowerCase() : text;
}

/** The halves in the text of a file. What else it holds, such as the secret ones, is not looked at. */
function inText(text: string): Pick<Given, 'signingKey' | 'recipient'> {
  return { signingKey: SIGNING_KEY.exec(text)?.[1], recipient: RECIPIENT.exec(text)?.[1] };
}

/** The public halves of a manager's keys. Rejects `CERTBUS_CLI_USAGE` for what is not one, and `CERTBUS_CLI_FILE_UNREADABLE`. */
export async function publicHalvesOf({ file, ...given }: Given): Promise<Pick<Manager, 'signingKey' | 'recipient'>> {
  const { signingKey, recipient } = file === undefined ? given : inText(readFile(file, 'The public key'));
  if (signingKey === undefined || recipient === undefined) {
    const what =
      file === undefined
        ? 'Give the public halves of its keys: --key FILE, or --signing-key and --recipient.'
        : `${file} lacks the lines "# signing key: …" and "# recipient: age1…", which "certbus keygen manager" writes.`;
    throw new CliError('CERTBUS_CLI_USAGE', what);
  }
  if (!isHash(signingKey))
    throw new CliError('CERTBUS_CLI_USAGE', 'The signing key is not 43 characters of base64url: copy it again.');
  return { signingKey, recipient: normalized(recipient) };
}

/**
 * The recipient of an identity, in small letters: as it is given, or in the comments of its file. Throws `CERTBUS_CLI_USAGE` where neither is given, or both, or the
 * file has none, and `CERTBUS_CLI_FILE_UNREADABLE`.
 */
export function recipientOf({ file, recipient }: Pick<Given, 'file' | 'recipient'>): string {
  if ((file === undefined) === (recipient === undefined))
    throw new CliError('CERTBUS_CLI_USAGE', 'Give the recipient, age1…, or --key FILE, not both.');
  if (recipient !== undefined) return normalized(recipient);
  const found = PUBLIC_KEY.exec(readFile(file ?? '', 'The public key'))?.[1];
  if (found !== undefined) return normalized(found);
  const what = `${file} lacks the line "# public key: age1…", which "certbus keygen loadbalancer" and age-keygen write.`;
  throw new CliError('CERTBUS_CLI_USAGE', what);
}
