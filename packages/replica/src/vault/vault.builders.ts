import { createIdentity, parseIdentityFile, seal, sha256 } from '@certbus/events';
import { createIssuer, createKeys, createLeaf } from 'certbus-services';
import type { SealedLeaf } from './calls.ts';

/** A server that opens keys, and a certificate whose key is sealed to it. */
export interface Keyed {
  readonly owner: { readonly identity: string; readonly recipient: string };
  readonly privateKey: string;
  readonly leaf: SealedLeaf;
  /** The same certificate with a key on the bus that nobody can open: only the vault can answer for it. */
  readonly unreadable: SealedLeaf;
}

/** Makes a certificate and seals its key. */
export async function keyedLeaf(owner?: Keyed['owner']): Promise<Keyed> {
  const self = owner ?? (await parseIdentityFile(await createIdentity()));
  const keys = await createKeys();
  const certificate = await createLeaf({
    issuer: await createIssuer('Vault Root'),
    names: ['vault.test'],
    publicKey: keys.publicKey,
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  const privateKey = `-----BEGIN PRIVATE KEY-----\n${pkcs8.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`;
  const sealedKey = await seal(privateKey, [{ name: 'self', ...self }]);
  const der = Buffer.from(certificate.rawData);
  const leaf = { leaf: der.toString('base64'), leafHash: sha256(der), sealedKey };
  return { owner: self, privateKey, leaf, unreadable: { ...leaf, sealedKey: 'AAAA' } };
}
