/** age identities (age-encryption.org/v1), parsed once: X25519 by Node's own cryptography, the others by the library. */
import { createDecipheriv, createPrivateKey, createPublicKey, diffieHellman, hkdfSync } from 'node:crypto';
import { bech32 } from '@scure/base';
import type { Identity, Stanza } from 'age-encryption';
import { KEY_BYTES, LABEL, NONCE, SPKI_X25519, TAG_BYTES } from './x25519.ts';

const PREFIX = 'AGE-SECRET-KEY-';
const PKCS8_X25519 = Buffer.from('302e020100300506032b656e04220420', 'hex');
const WRAPPED_BYTES = 16 + TAG_BYTES;

/** An identity that is ready to unwrap file keys. */
export interface ParsedIdentity {
  /** What others seal to, `age1…`. */
  readonly recipient: string;
  /** What the library takes: itself, or the text of an identity that the library knows better. */
  readonly identity: Identity | string;
}

const isX25519 = (text: string): boolean => text.startsWith(`${PREFIX}1`);

function unwrap(wrapped: Uint8Array, key: Uint8Array): Uint8Array | null {
  const decipher = createDecipheriv('chacha20-poly1305', key, NONCE, { authTagLength: TAG_BYTES });
  decipher.setAuthTag(wrapped.subarray(-TAG_BYTES));
  const fileKey = decipher.update(wrapped.subarray(0, -TAG_BYTES));
  try {
    decipher.final();
    return fileKey;
  } catch {
    // It is for another recipient.
    return null;
  }
}

/** Throws for a text that is damaged. */
function parseX25519(text: string): ParsedIdentity {
  const { prefix, bytes } = bech32.decodeToBytes(text);
  if (prefix.toUpperCase() !== PREFIX || bytes.length !== KEY_BYTES) throw new TypeError('not an X25519 identity');
  const privateKey = createPrivateKey({ key: Buffer.concat([PKCS8_X25519, bytes]), format: 'der', type: 'pkcs8' });
  const own = createPublicKey(privateKey).export({ format: 'der', type: 'spki' }).subarray(SPKI_X25519.length);

  function unwrapStanza({ args, body }: Stanza): Uint8Array | null {
    const share = Buffer.from(args[1] ?? '', 'base64');
    if (args.length !== 2 || share.length !== KEY_BYTES || body.length !== WRAPPED_BYTES)
      throw new TypeError('the stanza is malformed');
    const publicKey = createPublicKey({
      key: { kty: 'OKP', crv: 'X25519', x: share.toString('base64url') },
      format: 'jwk',
    });
    // Throws for a share of low order, whose secret is all zeros.
    const secret = diffieHellman({ privateKey, publicKey });
    const key = hkdfSync('sha256', secret, Buffer.concat([share, own]), LABEL, KEY_BYTES);
    return unwrap(body, new Uint8Array(key));
  }

  /** Where our stanza was last: a manager seals every key to its recipients in one order. */
  let usual = 0;
  function unwrapFileKey(stanzas: Stanza[]): Uint8Array | null {
    const candidates = stanzas.filter(({ args }) => args[0] === 'X25519');
    const first = candidates[usual];
    const found = first && unwrapStanza(first);
    if (found) return found;
    for (const [place, stanza] of candidates.entries()) {
      const fileKey = stanza === first ? null : unwrapStanza(stanza);
      if (!fileKey) continue;
      usual = place;
      return fileKey;
    }
    return null;
  }
  return { recipient: bech32.encodeFromBytes('age', own), identity: { unwrapFileKey } };
}

/** Parses the text of an identity, `AGE-SECRET-KEY-…`. Rejects for one that is damaged, or of a kind that age does not know. */
export async function parseAgeIdentity(text: string): Promise<ParsedIdentity> {
  if (isX25519(text)) return parseX25519(text);
  const { identityToRecipient } = await import('age-encryption');
  return { recipient: await identityToRecipient(text), identity: text };
}
