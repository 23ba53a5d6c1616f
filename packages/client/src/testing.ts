/** Entry: a bus in memory, for the tests of those who build on the client. */
import 'reflect-metadata';
import { KeyObject, type webcrypto } from 'node:crypto';
import {
  createBusId,
  createId,
  createIdentity,
  createManagerKey,
  createRootKey,
  formatTrust,
  isAddress,
  nameSetKey,
  normalizeNames,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  type Recipient,
  type Signer,
  seal,
  sha256,
} from '@certbus/events';
import { BEGINNING, type Checkpoint, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { type Bus, openBus, parseAddress } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import * as x509 from '@peculiar/x509';

/** A certificate that a test bus made. */
export interface TestCertificate {
  readonly certificateId: string;
  /** Hexadecimal, upper case. */
  readonly serialNumber: string;
  /** PEM. */
  readonly certificate: string;
  /** PKCS#8 PEM. */
  readonly privateKey: string;
}

/** The type of a certificate's key. */
export type TestKeyType = 'p-256' | 'p-384' | 'rsa-2048';

/** A bus for tests: real events, signatures and seals, and a CA of its own in place of ACME. */
export interface TestBus {
  readonly bus: Bus;
  /** Text of the load balancers' age identity, for `connect`. */
  readonly identity: string;
  /** The trust line, for `connect`; there is no floor below it. */
  readonly trust: string;
  /** PEM of the root of every certificate made here. */
  readonly roots: string;
  /** Makes a certificate for these names, with a P-256 key by default; made before with the same key type, it is renewed, unless it was removed. */
  issue(
    names: readonly string[],
    options?: { readonly days?: number; readonly keyType?: TestKeyType },
  ): Promise<TestCertificate>;
  remove(certificateId: string): Promise<void>;
  /** Appends any events, to see how a client takes them. */
  append(...events: WrittenEvent[]): Promise<void>;
  close(): Promise<void>;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;

/** What WebCrypto makes keys of these types with. */
const KEY_TYPES: Readonly<Record<TestKeyType, webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams>> = {
  'p-256': ALGORITHM,
  'p-384': { ...ALGORITHM, namedCurve: 'P-384' },
  'rsa-2048': {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2_048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
};

const generateKeys = (algorithm: webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams = ALGORITHM) =>
  crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']) as Promise<webcrypto.CryptoKeyPair>;
const toPem = (key: webcrypto.CryptoKey) => KeyObject.from(key).export({ type: 'pkcs8', format: 'pem' }).toString();

async function createAuthority(now: () => Date) {
  const after = (ms: number) => new Date(now().getTime() + ms);
  const keys = await generateKeys();
  const root = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=CertBus test bus',
      keys,
      signingAlgorithm: ALGORITHM,
      notBefore: after(-HOUR_MS),
      notAfter: after(3_650 * DAY_MS),
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    },
    crypto,
  );
  async function issue(names: readonly string[], days: number, keyType: TestKeyType) {
    const own = await generateKeys(KEY_TYPES[keyType]);
    const leaf = await x509.X509CertificateGenerator.create(
      {
        issuer: root.subject,
        publicKey: own.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: ALGORITHM,
        notBefore: after(-HOUR_MS),
        notAfter: after(days * DAY_MS),
        extensions: [
          // Critical, since the subject is empty (RFC 5280 section 4.2.1.6).
          new x509.SubjectAlternativeNameExtension(
            names.map((value) => ({ type: isAddress(value) ? ('ip' as const) : ('dns' as const), value })),
            true,
          ),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
          await x509.AuthorityKeyIdentifierExtension.create(root.publicKey),
        ],
      },
      crypto,
    );
    return { leaf, privateKey: toPem(own.privateKey) };
  }
  return { root, issue };
}

/** Writes one commit after the other; the test bus is the only writer. */
function createWriter(bus: Bus, root: Bus, now: () => Date) {
  let checkpoint: Checkpoint = BEGINNING;
  let last: Promise<void> = Promise.resolve();
  return (events: readonly WrittenEvent[], { asRoot = false } = {}): Promise<void> => {
    last = last.then(async () => {
      ({ checkpoint } = await (asRoot ? root : bus).append(checkpoint, events, { at: now() }));
    });
    return last;
  };
}

function beginning(
  busId: string,
  root: Signer,
  manager: { signer: Signer; recipient: string },
  recipient: Recipient,
): WrittenEvent[] {
  const managers = [{ name: 'test', signingKey: manager.signer.publicKey, recipient: manager.recipient }];
  return [
    { type: 'BusCreated', busId, rootKey: root.publicKey },
    signRootEvent(root, busId, 1, { type: 'ManagersUpdated', managers }),
    signRootEvent(root, busId, 2, { type: 'RecipientsUpdated', recipients: [recipient] }),
  ];
}

/**
 * Makes a bus for the tests of those who build on the client; needs the packages `@peculiar/x509` and `reflect-metadata`.
 * `address` puts it into a store that does not exist yet, such as `sqlite:./test.db`; default this process's memory. `now` is the clock of its
 * manager and its CA; default the system's.
 */
export async function createTestBus({
  address,
  now = () => new Date(),
}: {
  readonly address?: string;
  readonly now?: () => Date;
} = {}): Promise<TestBus> {
  const root = parseRootKey(createRootKey());
  const managerText = await createManagerKey();
  const { signer } = parseManagerKey(managerText);
  const identity = await createIdentity();
  const recipient = { name: 'test', recipient: (await parseIdentityFile(identity)).recipient };
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const place = address ?? `memory:${trust.busId}#test`;
  const { stream } = parseAddress(place);
  const log = await openLog(place, { create: true });
  const bus = openBus(log, stream, { trust, signer });
  const write = createWriter(bus, openBus(log, stream, { trust, signer: root }), now);
  const manager = { signer, recipient: (await parseIdentityFile(managerText)).recipient };
  await write(beginning(trust.busId, root, manager, recipient), { asRoot: true });
  const authority = await createAuthority(now);
  const rootDer = Buffer.from(authority.root.rawData);
  await write([{ type: 'IssuerAdded', hash: sha256(rootDer), certificate: rootDer.toString('base64') }]);
  const ids = new Map<string, string>();

  return {
    bus,
    identity,
    trust: formatTrust(trust),
    roots: authority.root.toString('pem'),
    async issue(typed, { days = 90, keyType = 'p-256' } = {}) {
      const names = normalizeNames(typed);
      const key = `${keyType} ${nameSetKey(names)}`;
      const isRenewal = ids.has(key);
      const certificateId = ids.get(key) ?? createId();
      ids.set(key, certificateId);
      const { leaf, privateKey } = await authority.issue(names, days, keyType);
      const serialNumber = leaf.serialNumber.toUpperCase();
      await write([
        {
          type: 'CertificateObtained',
          issuanceId: createId(),
          certificateId,
          reason: isRenewal ? 'renewal' : 'new',
          names,
          leaf: Buffer.from(leaf.rawData).toString('base64'),
          issuers: [sha256(rootDer)],
          sealedKey: await seal(privateKey, [recipient]),
          serialNumber,
          notBefore: leaf.notBefore.toISOString(),
          notAfter: leaf.notAfter.toISOString(),
          challengeType: 'dns-01',
          directory: 'https://ca.test/directory',
        },
      ]);
      return { certificateId, serialNumber, certificate: leaf.toString('pem'), privateKey };
    },
    async remove(certificateId) {
      // What is issued for its names afterwards is another certificate: one that was removed stays removed.
      for (const [key, id] of ids) if (id === certificateId) ids.delete(key);
      await write([{ type: 'CertificateRemoved', certificateId }]);
    },
    append: (...events) => write(events),
    close: () => log.close(),
  };
}
