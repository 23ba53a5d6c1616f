/** Sealing: private keys as age files for their recipients. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { Decrypter, Encrypter } from 'age-encryption';
import { isBase64 } from './canonical.ts';
import { EventsError } from './errors.ts';
import type { Recipient } from './event-types/bus-events.ts';
import { parseAgeIdentity } from './identity.ts';
import type { IssuedCertificate } from './managed-certificate.ts';
import { parseAgeRecipient } from './recipient.ts';

const MAX_RECIPIENTS = 20;
const MAX_WITH_HYBRID = 5;

/** 20 MB: loaded where something is sealed or opened, and nowhere else. */
const loadAge = () => import('age-encryption');
type Age = Awaited<ReturnType<typeof loadAge>>;

const isHybrid = ({ recipient }: Recipient): boolean => recipient.startsWith('age1pq1');

/**
 * Checks a list of recipients: age can seal to each; at most 20, or 5 where one is post-quantum hybrid; hybrid and classic
 * ones are not mixed, since the classic one would void the other. Rejects `CERTBUS_EVENTS_RECIPIENTS_INVALID`.
 */
export async function checkRecipients(recipients: readonly Recipient[]): Promise<void> {
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
  const age = await loadAge();
  for (const each of recipients) addRecipient(new age.Encrypter(), each, age);
}

/** Recipients as the library takes them, by their text: a bus has a few, and seals to all of them each time. */
const parsed = new Map<string, ReturnType<typeof parseAgeRecipient>>();

function parse(recipient: string, { Stanza: stanza }: Age): ReturnType<typeof parseAgeRecipient> {
  const known = parsed.get(recipient) ?? parseAgeRecipient(recipient, stanza);
  if (parsed.size > 10 * MAX_RECIPIENTS) parsed.clear();
  parsed.set(recipient, known);
  return known;
}

function addRecipient(encrypter: Encrypter, { name, recipient }: Recipient, age: Age): void {
  try {
    encrypter.addRecipient(parse(recipient, age));
  } catch (cause) {
    throw new EventsError('CERTBUS_EVENTS_RECIPIENTS_INVALID', `Recipient "${name}" is not an age recipient (age1…).`, {
      cause,
    });
  }
}

/** Seals a text to every recipient as an age file, base64; `base64 -d | age -d -i KEYFILE` opens it. */
export async function seal(text: string, recipients: readonly Recipient[]): Promise<string> {
  const age = await loadAge();
  const encrypter = new age.Encrypter();
  for (const each of recipients) addRecipient(encrypter, each, age);
  return Buffer.from(await encrypter.encrypt(text)).toString('base64');
}

/** What of a certificate its private key is opened by. */
type SealedLeafKey = Pick<IssuedCertificate, 'leaf' | 'sealedKey' | 'formerSealedKey'>;

/** Opens what was sealed to one identity. */
export interface Opener {
  /** The text that {@link seal} sealed. Rejects `CERTBUS_EVENTS_NOT_OPENED`. */
  open(sealed: string): Promise<string>;
  /**
   * The private key of a certificate with this leaf in DER, as PKCS#8 PEM. Rejects `CERTBUS_EVENTS_NOT_OPENED`, and
   * `CERTBUS_EVENTS_KEY_MISMATCH` when the key opens but belongs to another leaf.
   */
  openPrivateKey(sealed: string, leaf: Uint8Array): Promise<string>;
  /** The same of what the bus has of a certificate: of a key that was sealed again the newer text, and the former one where that fails. */
  openKeyOf(issued: SealedLeafKey): Promise<string>;
}

/** The library takes a stream as it comes; of bytes it would make a `Response`, which loads Node's HTTP client. */
async function decrypt(decrypter: Decrypter, file: Uint8Array): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of await decrypter.decrypt(ReadableStream.from([file]))) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

/** Makes an opener of an age identity, which is parsed at the first opening and then kept. */
export function createOpener(identity: string): Opener {
  let ready: Promise<Decrypter> | undefined;
  async function makeReady(): Promise<Decrypter> {
    const [age, parsed] = await Promise.all([loadAge(), parseAgeIdentity(identity)]);
    const decrypter = new age.Decrypter();
    decrypter.addIdentity(parsed.identity);
    return decrypter;
  }

  async function open(sealed: string): Promise<string> {
    try {
      if (!isBase64(sealed)) throw new TypeError('the sealed text is not base64');
      ready ??= makeReady();
      return await decrypt(await ready, Buffer.from(sealed, 'base64'));
    } catch {
      // The library's error is dropped: it quotes its input, which must not be logged.
      throw new EventsError(
        'CERTBUS_EVENTS_NOT_OPENED',
        'This identity cannot open what is sealed on the bus: it was sealed to other recipients, or it is damaged. Give the identity that it was sealed to.',
      );
    }
  }

  async function openPrivateKey(sealed: string, leaf: Uint8Array): Promise<string> {
    const privateKey = await open(sealed);
    if (isKeyOf(leaf, privateKey)) return privateKey;
    throw new EventsError('CERTBUS_EVENTS_KEY_MISMATCH', 'The sealed private key belongs to another certificate.');
  }

  return {
    open,
    openPrivateKey,
    async openKeyOf({ leaf, sealedKey, formerSealedKey }) {
      const der = Buffer.from(leaf, 'base64');
      try {
        return await openPrivateKey(sealedKey, der);
      } catch (error) {
        if (formerSealedKey === undefined) throw error;
        return openPrivateKey(formerSealedKey, der).catch(() => Promise.reject(error));
      }
    },
  };
}

/** Opens what {@link seal} made with an age identity, once. Rejects `CERTBUS_EVENTS_NOT_OPENED`. */
export const open = (sealed: string, identity: string): Promise<string> => createOpener(identity).open(sealed);

/** Whether a PKCS#8 PEM is the private key of a leaf in DER. */
export function isKeyOf(leaf: Uint8Array, privateKey: string): boolean {
  try {
    return new X509Certificate(leaf).checkPrivateKey(createPrivateKey(privateKey));
  } catch {
    return false;
  }
}
