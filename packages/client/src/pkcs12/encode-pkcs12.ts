/** Writes PKCS#12 files (RFC 7292), as OpenSSL 3 and Java 17 write and read them. */
import type { KeyObject, X509Certificate } from 'node:crypto';
import { BmpString, OctetString } from 'asn1js';
import {
  Attribute,
  AuthenticatedSafe,
  CertBag,
  Certificate,
  PFX,
  PKCS8ShroudedKeyBag,
  PrivateKeyInfo,
  SafeBag,
  SafeContents,
} from 'pkijs';

/** What a PKCS#12 file holds. */
export interface Pkcs12Content {
  /** Leaf first, then its issuers. */
  readonly chain: readonly X509Certificate[];
  readonly key: KeyObject;
  /** Under which name programs list it: the friendly name, which Java calls the alias. */
  readonly name: string;
}

const OID = {
  friendlyName: '1.2.840.113549.1.9.20',
  localKeyId: '1.2.840.113549.1.9.21',
  shroudedKeyBag: '1.2.840.113549.1.12.10.1.2',
  certBag: '1.2.840.113549.1.12.10.1.3',
} as const;

/** As many as Java takes: a password that is a word is a weak one with any number. */
const ITERATIONS = 10_000;
const KEY_ID = Uint8Array.of(1);
const MODE = { password: 0, encrypted: 1, plain: 0 } as const;

const copyOf = (bytes: Uint8Array): ArrayBuffer => Uint8Array.from(bytes).buffer;

/** Binds leaf and key together, under a name. */
const attributesOf = (name: string): Attribute[] => [
  new Attribute({ type: OID.friendlyName, values: [new BmpString({ value: name })] }),
  new Attribute({ type: OID.localKeyId, values: [new OctetString({ valueHex: copyOf(KEY_ID) })] }),
];

function certificateBag({ raw }: X509Certificate, bagAttributes: Attribute[] | undefined): SafeBag {
  const bagValue = new CertBag({ parsedValue: Certificate.fromBER(copyOf(raw)) });
  return new SafeBag({ bagId: OID.certBag, bagValue, ...(bagAttributes ? { bagAttributes } : {}) });
}

/** Whether a password means the same to every program: what is not ASCII is read in one way by OpenSSL and in others elsewhere. */
export const isPkcs12Password = (password: string): boolean => /^[ -~]+$/.test(password);

/**
 * Encodes a certificate with its private key: both encrypted by PBES2 with AES-256-CBC, the whole with an HMAC of SHA-256. Each call makes
 * another file, since salts are random.
 *
 * Throws a `TypeError` for a password that {@link isPkcs12Password} refuses.
 */
export async function encodePkcs12({ chain, key, name }: Pkcs12Content, password: string): Promise<Uint8Array> {
  if (!isPkcs12Password(password)) throw new TypeError('a password of PKCS#12 is one character of ASCII or more');
  const secret = copyOf(Buffer.from(password));
  const encryption = {
    password: secret,
    contentEncryptionAlgorithm: { name: 'AES-CBC', length: 256 },
    hmacHashAlgorithm: 'SHA-256',
    iterationCount: ITERATIONS,
  };
  const keyInfo = PrivateKeyInfo.fromBER(copyOf(key.export({ type: 'pkcs8', format: 'der' })));
  const keyBag = new PKCS8ShroudedKeyBag({ parsedValue: keyInfo });
  await keyBag.makeInternalValues(encryption);
  const keys = [new SafeBag({ bagId: OID.shroudedKeyBag, bagValue: keyBag, bagAttributes: attributesOf(name) })];
  const certificates = chain.map((each, index) => certificateBag(each, index === 0 ? attributesOf(name) : undefined));
  const safe = new AuthenticatedSafe({
    parsedValue: {
      safeContents: [
        { privacyMode: MODE.plain, value: new SafeContents({ safeBags: keys }) },
        { privacyMode: MODE.encrypted, value: new SafeContents({ safeBags: certificates }) },
      ],
    },
  });
  await safe.makeInternalValues({ safeContents: [{}, encryption] });
  const file = new PFX({ parsedValue: { integrityMode: MODE.password, authenticatedSafe: safe } });
  const hash = 'SHA-256';
  await file.makeInternalValues({
    password: secret,
    iterations: ITERATIONS,
    pbkdf2HashAlgorithm: hash,
    hmacHashAlgorithm: hash,
  });
  return new Uint8Array(file.toSchema().toBER(false));
}
