/** Reads PEM as other programs write it: with CR LF, a byte order mark, text between the blocks, keys of any form, encrypted ones too. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { withoutMark } from '@certbus/runtime/local';

/** What a PEM text has. */
export interface PemBlocks {
  /** Each PEM, in order. */
  readonly certificates: readonly string[];
  readonly keys: readonly string[];
}

const BEGIN = '-----BEGIN ';

/**
 * Finds certificates and private keys in a text, without a pattern that a hostile one could keep busy. A block that does not end is among them: it
 * does not parse.
 */
export function blocksOf(text: string): PemBlocks {
  const certificates: string[] = [];
  const keys: string[] = [];
  for (const rest of withoutMark(text).replaceAll(/\r\n?/g, '\n').split(BEGIN).slice(1)) {
    const label = rest.slice(0, Math.max(0, rest.indexOf('-----')));
    const end = `-----END ${label}-----`;
    const at = rest.indexOf(end);
    const block = `${BEGIN}${at < 0 ? rest : rest.slice(0, at) + end}\n`;
    if (/^(?:X509 |TRUSTED )?CERTIFICATE$/.test(label)) certificates.push(block);
    else if (/^(?:[A-Z0-9 ]+ )?PRIVATE KEY$/.test(label)) keys.push(block);
  }
  return { certificates, keys };
}

/** A private key, or why it is not read; never a part of it. */
export type KeyRead = { readonly key: KeyObject } | { readonly why: string };

/** Gives the passphrase of encrypted keys; `undefined` where there is none. */
export type Passphrase = () => Promise<string | undefined>;

const isEncrypted = (pem: string): boolean => /BEGIN ENCRYPTED |\nProc-Type: 4,ENCRYPTED/.test(pem);

/** Reads a private key, PEM. */
export async function readPrivateKey(pem: string, passphrase: Passphrase): Promise<KeyRead> {
  const secret = isEncrypted(pem) ? await passphrase() : undefined;
  if (isEncrypted(pem) && secret === undefined)
    return { why: 'its private key is encrypted; name the file with its passphrase: --password-file FILE' };
  try {
    return { key: createPrivateKey({ key: pem, ...(secret === undefined ? {} : { passphrase: secret }) }) };
  } catch {
    // The library's error is dropped: it can quote its input.
    return {
      why: secret === undefined ? 'its private key does not parse' : 'the passphrase does not open its private key',
    };
  }
}

/** Reads certificates, PEM; `undefined` where one does not parse. */
export function readCertificates(blocks: readonly string[]): readonly X509Certificate[] | undefined {
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return undefined;
  }
}
