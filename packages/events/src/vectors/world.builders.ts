/** The keys and certificates that test vectors are made of: fresh each time, and the private ones stay in memory. */
import type { Recipient } from '../event-types/bus-events.ts';
import { sha256 } from '../hash.ts';
import {
  createIdentity,
  createManagerKey,
  createRootKey,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  type Signer,
} from '../keys.ts';
import { seal } from '../sealed-key.ts';
import { createBusId, type Trust } from '../trust.ts';
import { makeCertificate, makeCsr } from './certificates.builders.ts';

/** Who signs commits: a manager, or the root. */
export interface Party {
  readonly name: string;
  readonly signer: Signer;
  /** age recipient. */
  readonly recipient: string;
}

/** All that events of test vectors speak of. */
export interface World {
  readonly trust: Trust;
  readonly root: Party;
  readonly alice: Party;
  readonly bob: Party;
  readonly recipients: readonly Recipient[];
  /** Text of the identity file of the first recipient. */
  readonly identity: string;
  readonly names: readonly string[];
  readonly notBefore: string;
  readonly notAfter: string;
  /** DER, base64. */
  readonly leaf: string;
  readonly leafHash: string;
  /** DER, base64. */
  readonly issuer: string;
  readonly issuerHash: string;
  /** PKCS#8 PEM of the leaf's private key. */
  readonly privateKey: string;
  /** Sealed to the recipients: the leaf's key, and that of the CSR. */
  readonly sealedKey: string;
  readonly csr: string;
  readonly sealedCsrKey: string;
  /** Sealed to the managers. */
  readonly sealedConfig: string;
  readonly sealedAccountKey: string;
}

async function createParty(name: string): Promise<Party> {
  const { signer, identity } = parseManagerKey(await createManagerKey());
  return { name, signer, recipient: (await parseIdentityFile(identity)).recipient };
}

/** Draws all keys. */
export async function createWorld(): Promise<World> {
  const [alice, bob, unused, identity, backup] = await Promise.all([
    createParty('alice'),
    createParty('bob'),
    createParty('root'),
    createIdentity(),
    createIdentity().then(parseIdentityFile),
  ]);
  const root = { ...unused, signer: parseRootKey(createRootKey()) };
  const recipients = [
    { name: 'edge', recipient: (await parseIdentityFile(identity)).recipient },
    { name: 'backup', recipient: backup.recipient },
  ];
  const names = ['shop.example.test', 'www.shop.example.test'];
  const [notBefore, notAfter] = [new Date('2026-11-24T03:00:00Z'), new Date('2027-02-22T03:00:00Z')];
  const issuer = makeCertificate([], { notBefore, notAfter });
  const leaf = makeCertificate(names, { notBefore, notAfter, issuer });
  const csr = makeCsr(names);
  const managers = [alice, bob];
  const accountKey = makeCsr(names).privateKey;
  return {
    trust: { busId: createBusId(), rootKey: root.signer.publicKey },
    root,
    alice,
    bob,
    recipients,
    identity,
    names,
    notBefore: notBefore.toISOString(),
    notAfter: notAfter.toISOString(),
    leaf: leaf.der.toString('base64'),
    leafHash: sha256(leaf.der),
    issuer: issuer.der.toString('base64'),
    issuerHash: sha256(issuer.der),
    privateKey: leaf.privateKey,
    sealedKey: await seal(leaf.privateKey, recipients),
    csr: csr.der.toString('base64'),
    sealedCsrKey: await seal(csr.privateKey, recipients),
    sealedConfig: await seal('{"version":1}', managers),
    sealedAccountKey: await seal(accountKey, [...managers, ...recipients.slice(1)]),
  };
}
