/** Makes certificate requests (PKCS#10). */
import { createPublicKey, type KeyObject, sign } from 'node:crypto';
import { identifierOf } from '../order/identifier.ts';
import { writeDer } from './der.ts';

const SEQUENCE = 0x30;
const SET = 0x31;
const UTF8_STRING = 0x0c;
const VERSION = Buffer.from('020100', 'hex');
const NO_SUBJECT = writeDer(SEQUENCE);
/** extensionRequest (RFC 2985 §5.4.2). */
const EXTENSION_REQUEST = Buffer.from('06092a864886f70d01090e', 'hex');
/** subjectAltName (RFC 5280 §4.2.1.6). */
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex');

/** commonName (RFC 5280 appendix A.1), and its upper bound there. */
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const MAX_COMMON_NAME = 64;

/** How each kind of key signs, and the algorithm's identifier (RFC 5758 §3.2, RFC 4055 §5). */
const SCHEMES = {
  prime256v1: { hash: 'sha256', algorithm: Buffer.from('300a06082a8648ce3d040302', 'hex') },
  secp384r1: { hash: 'sha384', algorithm: Buffer.from('300a06082a8648ce3d040303', 'hex') },
  rsa: { hash: 'sha256', algorithm: Buffer.from('300d06092a864886f70d01010b0500', 'hex') },
} as const;

function schemeOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject) {
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) return SCHEMES.rsa;
  const curve = asymmetricKeyDetails?.namedCurve;
  if (curve === 'prime256v1' || curve === 'secp384r1') return SCHEMES[curve];
  throw new TypeError('A certificate key must be P-256, P-384 or RSA with 2048 bits and more');
}

/** Four or sixteen bytes of an address in canonical form. */
function addressBytes(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [head = [], tail = []] = address.split('::').map((half) => half.split(':').filter((group) => group !== ''));
  const gap = Array.from({ length: 8 - head.length - tail.length }, () => '0');
  const groups = [...head, ...gap, ...tail].map((group) => group.padStart(4, '0'));
  return Buffer.from(groups.join(''), 'hex');
}

function generalName(name: string): Buffer {
  const { type, value } = identifierOf(name);
  if (type === 'ip') return writeDer(0x87, addressBytes(value));
  if (!/^[a-z0-9*._-]{1,253}$/.test(value)) throw new TypeError(`"${name}" is not a DNS name in ASCII`);
  return writeDer(0x82, Buffer.from(value, 'latin1'));
}

/** What a request has in its subject. */
export interface CsrOptions {
  /**
   * `first`: the first of the names that can be one, a DNS name of up to 64 characters, is the common name as well, for a CA that wants one.
   * Default: there is no subject, since public CAs ignore it.
   */
  readonly commonName?: 'first' | undefined;
}

function subjectFor(names: readonly string[]): Buffer {
  const name = names.map(identifierOf).find(({ type, value }) => type === 'dns' && value.length <= MAX_COMMON_NAME);
  if (name === undefined) return NO_SUBJECT;
  const attribute = writeDer(SEQUENCE, COMMON_NAME, writeDer(UTF8_STRING, Buffer.from(name.value, 'latin1')));
  return writeDer(SEQUENCE, writeDer(SET, attribute));
}

/**
 * Makes a certificate request (PKCS#10 of RFC 2986, in DER) for DNS names and IP addresses. All of them stand in the subject
 * alternative name; see {@link CsrOptions} for the subject. The key is P-256, P-384 or RSA of 2048 bits and more.
 * Throws `TypeError` for any other key, and for a name that is not ASCII.
 */
export function createCsr(
  names: readonly string[],
  privateKey: KeyObject,
  { commonName }: CsrOptions = {},
): Uint8Array {
  const { hash, algorithm } = schemeOf(privateKey);
  const alternatives = writeDer(SEQUENCE, ...names.map(generalName));
  const extension = writeDer(SEQUENCE, SUBJECT_ALT_NAME, writeDer(0x04, alternatives));
  const attribute = writeDer(SEQUENCE, EXTENSION_REQUEST, writeDer(SET, writeDer(SEQUENCE, extension)));
  const subject = commonName === 'first' ? subjectFor(names) : NO_SUBJECT;
  const spki = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const request = writeDer(SEQUENCE, VERSION, subject, spki, writeDer(0xa0, attribute));
  const signature = writeDer(0x03, Buffer.of(0), sign(hash, request, privateKey));
  return writeDer(SEQUENCE, request, algorithm, signature);
}
