/** Reads the acmeIdentifier of a TLS-ALPN-01 certificate (RFC 8737). */
import { createHash, X509Certificate } from 'node:crypto';
import { canonicalName, childOf, type DerValue, readDer } from '@certbus/acme/solver-kit';

/** 1.3.6.1.5.5.7.1.31 in DER: what a TLS-ALPN-01 certificate proves itself with (RFC 8737 §6.1). */
const ACME_IDENTIFIER = Buffer.from([0x2b, 6, 1, 5, 5, 7, 1, 0x1f]);
const OBJECT_IDENTIFIER = 0x06;
const BOOLEAN = 0x01;
const OCTET_STRING = 0x04;
const EXTENSIONS = 0xa3;

function extensionsOf(certificate: Uint8Array): readonly DerValue[][] {
  const fields = readDer(childOf(certificate, 0).content);
  const tagged = fields.find(({ tag }) => tag === EXTENSIONS);
  return tagged ? readDer(childOf(tagged.content).content).map(({ content }) => readDer(content)) : [];
}

/** Why these extensions do not carry the digest of a key authorization; `undefined` where they do. */
function objectionToExtensions(extensions: readonly DerValue[][], keyAuthorization: string): string | undefined {
  const found = extensions.find(
    ([id]) => id?.tag === OBJECT_IDENTIFIER && Buffer.compare(id.content, ACME_IDENTIFIER) === 0,
  );
  if (!found) return 'shows a certificate without acmeIdentifier';
  const [, critical, value] = found;
  const isCritical = critical?.tag === BOOLEAN && critical.content[0] !== 0;
  if (!isCritical || value?.tag !== OCTET_STRING) return 'shows a certificate whose acmeIdentifier is not critical';
  const digest = childOf(value.content).content;
  const expected = createHash('sha256').update(keyAuthorization).digest();
  return Buffer.compare(digest, expected) === 0 ? undefined : 'shows the certificate of another challenge';
}

/** Why a CA would not take a certificate as the answer to a TLS-ALPN-01 challenge (RFC 8737 §3); `undefined` where it would. */
export function objectionToCertificate(
  certificate: Uint8Array,
  { name, keyAuthorization }: { readonly name: string; readonly keyAuthorization: string },
): string | undefined {
  try {
    const { subjectAltName = '' } = new X509Certificate(certificate);
    const shown = canonicalName(subjectAltName.replace(/^(DNS|IP Address):/, ''));
    if (shown !== canonicalName(name)) return 'shows a certificate that is not for this name alone';
    return objectionToExtensions(extensionsOf(certificate), keyAuthorization);
  } catch {
    return 'shows a certificate that does not parse';
  }
}
