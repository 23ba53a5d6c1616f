/** The self-signed certificate that answers a TLS-ALPN-01 challenge. */
import { createHash, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { isAddress } from '@certbus/events';

/** A self-signed certificate with its key, PEM. */
export interface ChallengeCertificate {
  readonly cert: string;
  readonly key: string;
}

/** What the certificate proves, and for how long it is used. */
export interface ChallengeSubject {
  /** DNS name as A-labels, or IP address. */
  readonly identifier: string;
  readonly keyAuthorization: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
}

const SEQUENCE = 0x30;
const SET = 0x31;
const INTEGER = 0x02;
const BIT_STRING = 0x03;
const OCTET_STRING = 0x04;
const UTF8_STRING = 0x0c;
const GENERALIZED_TIME = 0x18;
const UTC_TIME = 0x17;
const TRUE = Buffer.from([0x01, 0x01, 0xff]);
const V3 = Buffer.from([0xa0, 0x03, 0x02, 0x01, 0x02]);

/** Object identifiers in DER. */
const ECDSA_WITH_SHA256 = Buffer.from('06082a8648ce3d040302', 'hex');
const COMMON_NAME = Buffer.from('0603550403', 'hex');
const SUBJECT_ALT_NAME = Buffer.from('0603551d11', 'hex');
/** id-pe-acmeIdentifier, RFC 8737 section 6.1. */
const ACME_IDENTIFIER = Buffer.from('06082b0601050507011f', 'hex');

function lengthOf(size: number): Buffer {
  if (size < 0x80) return Buffer.from([size]);
  return size < 0x100 ? Buffer.from([0x81, size]) : Buffer.from([0x82, size >> 8, size & 0xff]);
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([tag]), lengthOf(content.length), content]);
}

/** RFC 5280 section 4.1.2.5: two digits of the year until 2049. */
function time(instant: Date): Buffer {
  const digits = instant.toISOString().replace(/[-:T]|\.\d+/g, '');
  return instant.getUTCFullYear() < 2050
    ? der(UTC_TIME, Buffer.from(digits.slice(2)))
    : der(GENERALIZED_TIME, Buffer.from(digits));
}

function groupBytes(groups: string): number[] {
  return groups === ''
    ? []
    : groups.split(':').flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
}

/** An IP address in its one form as 4 or 16 bytes. */
function addressBytes(address: string): Buffer {
  if (!address.includes(':')) return Buffer.from(address.split('.').map(Number));
  const [front = [], back = []] = address.split('::').map(groupBytes);
  return Buffer.from([...front, ...Array.from({ length: 16 - front.length - back.length }, () => 0), ...back]);
}

function generalName(identifier: string): Buffer {
  return isAddress(identifier) ? der(0x87, addressBytes(identifier)) : der(0x82, Buffer.from(identifier));
}

const name = der(SEQUENCE, der(SET, der(SEQUENCE, COMMON_NAME, der(UTF8_STRING, Buffer.from('acme-tls/1')))));
const algorithm = der(SEQUENCE, ECDSA_WITH_SHA256);

function toBeSigned(subject: ChallengeSubject, publicKey: KeyObject): Buffer {
  const digest = createHash('sha256').update(subject.keyAuthorization).digest();
  const extensions = [
    der(SEQUENCE, SUBJECT_ALT_NAME, der(OCTET_STRING, der(SEQUENCE, generalName(subject.identifier)))),
    der(SEQUENCE, ACME_IDENTIFIER, TRUE, der(OCTET_STRING, der(OCTET_STRING, digest))),
  ];
  return der(
    SEQUENCE,
    V3,
    der(INTEGER, Buffer.from([1])),
    algorithm,
    name,
    der(SEQUENCE, time(subject.notBefore), time(subject.notAfter)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, der(SEQUENCE, ...extensions)),
  );
}

/**
 * Makes the certificate that answers a TLS-ALPN-01 challenge: self-signed, for this identifier alone, with the digest of the key
 * authorization in a critical acmeIdentifier (RFC 8737 section 3, RFC 8738 section 4). Its key is P-256 and made for it alone.
 */
export function createChallengeCertificate(subject: ChallengeSubject): ChallengeCertificate {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const body = toBeSigned(subject, publicKey);
  const signature = der(BIT_STRING, Buffer.from([0]), sign('sha256', body, privateKey));
  const base64 = der(SEQUENCE, body, algorithm, signature).toString('base64').replace(/.{64}/g, '$&\n');
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${base64.trimEnd()}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
