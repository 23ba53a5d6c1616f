/** Revokes certificates (RFC 8555 §7.6). */
import { X509Certificate } from 'node:crypto';
import { type AccountKey, readAccountKey } from '../account/account-key.ts';
import type { Acme } from '../acme.ts';
import { engineOf } from '../wire/handles.ts';
import { AcmeProblemError, shortType } from '../wire/problem.ts';

/** Why a certificate is revoked, of RFC 5280 §5.3.1: those that Let's Encrypt takes from subscribers. */
export type RevocationReason = 'unspecified' | 'keyCompromise' | 'superseded' | 'cessationOfOperation';

/** The codes of RFC 5280 §5.3.1. */
export const REVOCATION_REASONS: Readonly<Record<RevocationReason, number>> = {
  unspecified: 0,
  keyCompromise: 1,
  superseded: 4,
  cessationOfOperation: 5,
};

/** How to revoke. */
export interface RevocationOptions {
  readonly reason: RevocationReason;
  /** The certificate's private key, PKCS#8 PEM: it signs in place of the account, and needs none. */
  readonly certificateKey?: string;
  readonly signal: AbortSignal;
}

function readCertificateKey(leaf: Uint8Array, pem: string): AccountKey {
  const key = readAccountKey(pem, 'key of the certificate');
  if (new X509Certificate(leaf).checkPrivateKey(key.key)) return key;
  throw new TypeError('The key is not that of the certificate');
}

/**
 * Revokes a certificate, given in DER (RFC 8555 §7.6). One that is revoked already is a success, so that it can be repeated. With
 * `keyCompromise` Let's Encrypt also bars the key, when the certificate's own key signs. Replace the certificate first. Rejects with
 * an `AcmeProblemError`, such as `unauthorized` for a certificate of another account, `CERTBUS_ACME_ACCOUNT_KEY_INVALID` for a
 * certificate key that cannot sign, or as `readDirectory` does.
 */
export async function revoke(
  ca: Acme,
  leaf: Uint8Array,
  { reason, certificateKey, signal }: RevocationOptions,
): Promise<{ readonly wasRevoked: boolean }> {
  const key = certificateKey === undefined ? undefined : readCertificateKey(leaf, certificateKey);
  const request = { certificate: Buffer.from(leaf).toString('base64url'), reason: REVOCATION_REASONS[reason] };
  using session = await engineOf(ca).open({ signal });
  try {
    await session.revoke(request, key);
    return { wasRevoked: false };
  } catch (error) {
    const isRevoked = error instanceof AcmeProblemError && shortType(error.problem.type) === 'alreadyRevoked';
    if (!isRevoked) throw error;
    return { wasRevoked: true };
  }
}
