/** Makes the certificates and CSRs of test vectors: DER by hand, of keys that nobody keeps. */
import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** A certificate or CSR, and the private key that belongs to it, PKCS#8 PEM. */
export interface Made {
  readonly der: Buffer;
  readonly key: KeyObject;
  readonly privateKey: string;
}

function der(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

const sequence = (...parts: readonly Uint8Array[]) => der(0x30, ...parts);
const oid = (hex: string) => der(0x06, Buffer.from(hex, 'hex'));
const integer = (...bytes: readonly number[]) => der(0x02, Buffer.from(bytes));
const time = (at: Date) => der(0x18, Buffer.from(at.toISOString().replace(/[-:T]|\.\d+/g, '')));
const bits = (bytes: Uint8Array) => der(0x03, Buffer.from([0]), bytes);

const ECDSA_WITH_SHA256 = sequence(oid('2a8648ce3d040302'));
const COMMON_NAME = '550403';
const SUBJECT_ALT_NAME = '551d11';
const EXTENSION_REQUEST = '2a864886f70d01090e';

const nameOf = (common: string) => sequence(der(0x31, sequence(oid(COMMON_NAME), der(0x0c, Buffer.from(common)))));
const extensionsOf = (names: readonly string[]) =>
  sequence(sequence(oid(SUBJECT_ALT_NAME), der(0x04, sequence(...names.map((name) => der(0x82, Buffer.from(name)))))));

const generate = () => generateKeyPairSync('ec', { namedCurve: 'P-256' });
const spkiOf = (key: KeyObject) => key.export({ type: 'spki', format: 'der' });
const pemOf = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const signed = (content: Buffer, key: KeyObject) =>
  sequence(content, ECDSA_WITH_SHA256, bits(sign('sha256', content, key)));

/** A certificate for these names, by an issuer or by itself. */
export function makeCertificate(
  names: readonly string[],
  { notBefore, notAfter, issuer }: { readonly notBefore: Date; readonly notAfter: Date; readonly issuer?: Made },
): Made {
  const { publicKey, privateKey } = generate();
  const content = sequence(
    der(0xa0, integer(2)),
    integer(0x0a, 0x01),
    ECDSA_WITH_SHA256,
    nameOf('CertBus test vectors'),
    sequence(time(notBefore), time(notAfter)),
    nameOf(names[0] ?? 'CertBus test vectors'),
    spkiOf(publicKey),
    ...(names.length > 0 ? [der(0xa3, extensionsOf(names))] : []),
  );
  return { der: signed(content, issuer?.key ?? privateKey), key: privateKey, privateKey: pemOf(privateKey) };
}

/** A CSR for these names (RFC 2986). */
export function makeCsr(names: readonly string[]): Made {
  const { publicKey, privateKey } = generate();
  const request = sequence(oid(EXTENSION_REQUEST), der(0x31, extensionsOf(names)));
  const content = sequence(integer(0), nameOf(names[0] ?? ''), spkiOf(publicKey), der(0xa0, request));
  return { der: signed(content, privateKey), key: privateKey, privateKey: pemOf(privateKey) };
}
