/** Sealing: private keys as age files for their recipients. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { Decrypter, Encrypter } from 'age-encryption';
import { isBase64 } from './canonical.ts';
import { EventsError } from './errors.ts';
import type { Recipient } from './event-types/bus-events.ts';

const MAX_RECIPIENTS = 20;
const MAX_WITH_HYBRID = 5;

const isHybrid = ({ recipient }: Recipient): boolean => recipient.startsWith('age1pq1');

/**
 * Checks a list of recipients: age can seal to each; at most 20, or 5 where one is post-quantum hybrid; hybrid and classic
 * ones are not mixed, since the classic one would void the other. Throws `CERTBUS_EVENTS_RECIPIENTS_INVALID`.
 */
export function checkRecipients(recipients: readonly Recipient[]): void {
  const hybrids = recipients.filter(isHybrid).length;
  const problem =
    recipients.length === 0
      ? 'a private key needs at least one recipient'
      : hybrids > 0 && hybrids < recipients.length
        ? 'post-quantum hybrid and classic recipients cannot be mixed: the classic ones would void the others'
        : recipients.length > (hybrids ? MAX_WITH_HYBRID : MAX_RECIPIENTS)
          ? `at most ${hybrids ? MAX_WITH_HYBRID : MAX_RECIPIENTS} recipients; give the servers of a group one identity`
          : undefined;
  if (problem) throw new EventsError('CERTBUS_EVENTS_RECIPIENTS_INVALID', `Recipients refused: ${problem}.`);
  for (const { name, recipient } of recipients) addRecipient(new Encrypter(), name, recipient);
}

function addRecipient(encrypter: Encrypter, name: string, recipient: string): void {
  try {
    encrypter.addRecipient(recipient);
  } catch (cause) {
    throw new EventsError('CERTBUS_EVENTS_RECIPIENTS_INVALID', `Recipient "${name}" is not an age recipient (age1…).`, {
      cause,
    });
  }
}

/** Seals a text to every recipient as an age file, base64; `base64 -d | age -d -i KEYFILE` opens it. */
export async function seal(text: string, recipients: readonly Recipient[]): Promise<string> {
  const encrypter = new Encrypter();
  for (const { name, recipient } of recipients) addRecipient(encrypter, name, recipient);
  return Buffer.from(await encrypter.encrypt(text)).toString('base64');
}

/** Opens what {@link seal} made with an age identity. Rejects `CERTBUS_EVENTS_NOT_OPENED`. */
export async function open(sealed: string, identity: string): Promise<string> {
  try {
    if (!isBase64(sealed)) throw new TypeError('the sealed text is not base64');
    const decrypter = new Decrypter();
    decrypter.addIdentity(identity);
    return await decrypter.decrypt(Buffer.from(sealed, 'base64'), 'text');
  } catch {
    // The library's error is dropped: it quotes its input, which must not be logged.
    throw new EventsError(
      'CERTBUS_EVENTS_NOT_OPENED',
      'This identity does not open the sealed text: it was sealed to other recipients, or it is damaged.',
    );
  }
}

/** Whether a PKCS#8 PEM is the private key of a leaf in DER. */
export function isKeyOf(leaf: Uint8Array, privateKey: string): boolean {
  try {
    return new X509Certificate(leaf).checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    return false;
  }
}

/**
 * Opens the private key of a certificate and returns its PKCS#8 PEM. Rejects `CERTBUS_EVENTS_NOT_OPENED`, and
 * `CERTBUS_EVENTS_KEY_MISMATCH` when the key opens but belongs to another leaf.
 */
export async function openPrivateKey(sealed: string, leaf: Uint8Array, identity: string): Promise<string> {
  const privateKey = await open(sealed, identity);
  if (isKeyOf(leaf, privateKey)) return privateKey;
  throw new EventsError('CERTBUS_EVENTS_KEY_MISMATCH', 'The sealed private key belongs to another certificate.');
}
