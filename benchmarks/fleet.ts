import 'reflect-metadata';
import { createHash } from 'node:crypto';
import {
  createBusId,
  createId,
  createIdentity,
  createManagerKey,
  createRootKey,
  type EventOf,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  type Recipient,
  type Signer,
  seal,
  sha256,
  type Trust,
} from '@certbus/events';
import {
  BEGINNING,
  type Checkpoint,
  encodeCommit,
  signRootEvent,
  verifyCommits,
  type WrittenEvent,
} from '@certbus/events/history';
import type { StoredCommit } from '@certbus/store';
import * as x509 from '@peculiar/x509';
import { copy, randomBytes, randomLength, stretch, stretches, type Template } from './template.ts';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DIGITS = '77777777';
const DAY_MS = 86_400_000;
const LIFETIME_DAYS = 45;
/** Days between two renewals. */
const ROUND_DAYS = 30;
/** A prime: with it, those that are renewed once more are spread over all of them. */
const STRIDE = 15_485_863;

/** The keys of a bus that is made up for a measurement. */
export interface FleetKeys {
  readonly trust: Trust;
  readonly root: Signer;
  readonly signer: Signer;
  readonly managerText: string;
  /** The manager's own age recipient. */
  readonly managerRecipient: string;
  /** Text of the load balancers' identity file. */
  readonly identity: string;
  readonly recipients: readonly Recipient[];
}

export interface FleetOptions {
  readonly certificates: number;
  /** How many orders a manager had in hand at once: their events share commits. */
  readonly together: number;
  /** How often each certificate was issued, a month apart; default once. */
  readonly rounds?: number;
  /** How many of them, here and there, are issued once more after that; default none. */
  readonly renewed?: number;
  /** When the first commit was made; default 2026-11-01. */
  readonly began?: Date;
  readonly keys: FleetKeys;
}

/** Makes keys for one manager, the load balancers and an offline backup. */
export async function createFleetKeys(): Promise<FleetKeys> {
  const root = parseRootKey(createRootKey());
  const managerText = await createManagerKey();
  const identity = await createIdentity();
  const recipientOf = async (text: string) => (await parseIdentityFile(text)).recipient;
  return {
    trust: { busId: createBusId(), rootKey: root.publicKey },
    root,
    signer: parseManagerKey(managerText).signer,
    managerText,
    managerRecipient: await recipientOf(managerText),
    identity,
    recipients: [
      { name: 'loadbalancers', recipient: await recipientOf(identity) },
      { name: 'backup', recipient: await recipientOf(await createIdentity()) },
    ],
  };
}

const SCT_LIST = '1.3.6.1.4.1.11129.2.4.2';
/** Two log proofs of 119 bytes, of which all but the log's id, the version and the lengths are random. */
const SCT_BYTES = 242;

/** A leaf as a public CA issues it today: P-256, two names, log proofs, the usual extensions. */
async function leafTemplate(): Promise<Template> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const serial = Buffer.from(randomBytes(16)).fill(0x11, 0, 1);
  const [sct, keyIdentifier, authority] = [SCT_BYTES, 20, 20].map((length) => Buffer.from(randomBytes(length)));
  if (!sct || !keyIdentifier || !authority) throw new TypeError('three were asked for');
  const names = [`n${DIGITS}.fleet.test`, `www.n${DIGITS}.fleet.test`];
  const leaf = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial.toString('hex'),
      issuer: 'C=XX, O=Fleet CA, CN=F1',
      subject: `CN=${names[0]}`,
      publicKey: keys.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: ALGORITHM,
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension(['1.3.6.1.5.5.7.3.1']),
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.SubjectKeyIdentifierExtension(keyIdentifier.toString('hex')),
        new x509.AuthorityKeyIdentifierExtension(authority.toString('hex')),
        new x509.SubjectAlternativeNameExtension(names.map((value) => ({ type: 'dns' as const, value }))),
        new x509.CertificatePolicyExtension(['2.23.140.1.2.1']),
        new x509.Extension(SCT_LIST, false, sct),
      ],
    },
    crypto,
  );
  const bytes = Buffer.from(leaf.rawData);
  const point = Buffer.from(await crypto.subtle.exportKey('raw', keys.publicKey)).subarray(1);
  return {
    bytes,
    random: [
      stretch(bytes, serial.subarray(1)),
      stretch(bytes, point),
      stretch(bytes, keyIdentifier),
      stretch(bytes, sct),
      // The signature, which is the last thing in a certificate.
      [bytes.length - 64, 64],
    ],
    digits: stretches(bytes, DIGITS),
  };
}

/** An age file: its header's random fields are base64 and are drawn again for each. */
async function sealedKeyMaker(recipients: readonly Recipient[]) {
  const { privateKey } = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', privateKey)).toString('base64');
  const pem = `-----BEGIN PRIVATE KEY-----\n${der.match(/.{1,64}/g)?.join('\n')}\n-----END PRIVATE KEY-----\n`;
  const file = Buffer.from(await seal(pem, recipients), 'base64');
  const headerEnd =
    file.indexOf('\n', file.indexOf('\n---')) < 0 ? 0 : file.indexOf('\n', file.indexOf('\n---') + 1) + 1;
  const header = file.toString('latin1', 0, headerEnd);
  const fields = [...header.matchAll(/(?<=[ \n])[\w+/]{43}(?=\n)/g)].map(({ index }) => index);
  const body = file.length - headerEnd;
  return {
    randomBytes: fields.length * 32 + body,
    make(): string {
      const made = Buffer.from(file);
      for (const offset of fields) made.write(randomBytes(32).toString('base64').slice(0, 43), offset, 'latin1');
      randomBytes(body).copy(made, headerEnd);
      return made.toString('base64');
    },
  };
}

/** A bus's whole history, commit by commit, as a manager would have written it for a fleet. */
export interface Fleet {
  /** Random bytes in what a snapshot holds after the first round: no encoding is smaller. */
  readonly randomBytes: number;
  /** The commits, in order; where they end is {@link Fleet.end}. */
  commits(): Iterable<StoredCommit>;
  /** What each certificate was first obtained with, without the history. */
  obtained(): Iterable<EventOf<'CertificateObtained'>>;
  /** The checkpoint behind the last commit that was given. */
  readonly end: Checkpoint;
}

/** The first name of the certificate with a number; the other one is `www.` and this. */
export const fleetName = (number: number): string => `n${String(number).padStart(DIGITS.length, '0')}.fleet.test`;

/** Prepares a history: per certificate a claim, its order and the certificate. */
export async function createFleet({
  certificates,
  together,
  rounds = 1,
  renewed = 0,
  began = new Date('2026-11-01T00:00:00Z'),
  keys,
}: FleetOptions): Promise<Fleet> {
  const leaf = await leafTemplate();
  const sealed = await sealedKeyMaker(keys.recipients);
  const issuer = Buffer.from(randomBytes(800));
  const issuerHash = sha256(issuer);
  const { trust, root, signer } = keys;
  const csrBytes = 330;
  let checkpoint: Checkpoint = BEGINNING;
  let round = 0;
  const ids: string[] = [];

  function commit(events: readonly WrittenEvent[], as: Signer = signer, by = 'fleet'): StoredCommit {
    const position = checkpoint.position + 1;
    const at = new Date(began.getTime() + round * ROUND_DAYS * DAY_MS + position);
    const { hash: previous, format } = checkpoint;
    const bytes = encodeCommit({ format, bus: trust.busId, position, previous, at, by, events }, as);
    // Only the first one changes keys; the others move the position and the hash on.
    checkpoint =
      position === 1
        ? verifyCommits(trust, BEGINNING, [{ position, bytes }]).checkpoint
        : { ...checkpoint, position, hash: createHash('sha256').update(bytes).digest('base64url') };
    return { position, bytes };
  }

  function beginning(): WrittenEvent[] {
    const managers = [{ name: 'fleet', signingKey: signer.publicKey, recipient: keys.managerRecipient }];
    return [
      { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
      signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
      signRootEvent(root, trust.busId, 2, { type: 'RecipientsUpdated', recipients: keys.recipients }),
    ];
  }

  function order(
    number: number,
  ): [EventOf<'IssuanceStarted'>, EventOf<'OrderCreated'>, EventOf<'CertificateObtained'>] {
    ids[number] ??= createId();
    const certificateId = ids[number];
    const [issuanceId, sealedKey, reason] = [createId(), sealed.make(), round === 0 ? 'new' : 'renewal'] as const;
    const name = fleetName(number);
    const names = [name, `www.${name}`];
    const directory = 'https://ca.fleet.test/directory';
    const notBefore = new Date(began.getTime() + round * ROUND_DAYS * DAY_MS + number);
    const notAfter = new Date(notBefore.getTime() + LIFETIME_DAYS * DAY_MS);
    const der = copy(leaf, number);
    return [
      {
        type: 'IssuanceStarted',
        issuanceId,
        certificateId,
        names,
        reason,
        challengeType: 'dns-01',
        directory,
        holder: 'fleet',
        until: notBefore.toISOString(),
        csr: randomBytes(csrBytes).toString('base64'),
        sealedKey,
        recipientsPosition: 1,
      },
      {
        type: 'OrderCreated',
        issuanceId,
        certificateId,
        holder: 'fleet',
        orderUrl: `https://ca.fleet.test/order/${number}`,
      },
      {
        type: 'CertificateObtained',
        issuanceId,
        certificateId,
        reason,
        names,
        leaf: der.toString('base64'),
        issuers: [issuerHash],
        sealedKey,
        serialNumber: der
          .subarray(leaf.random[0]?.[0], (leaf.random[0]?.[0] ?? 0) + 15)
          .toString('hex')
          .toUpperCase(),
        notBefore: notBefore.toISOString(),
        notAfter: notAfter.toISOString(),
        challengeType: 'dns-01',
        directory,
      },
    ];
  }

  /** The orders of so many certificates, of which a manager has some in hand at once. */
  function* ordersOf(count: number, numberOf: (n: number) => number): Iterable<StoredCommit> {
    for (let first = 0; first < count; first += together) {
      const length = Math.min(together, count - first);
      const orders = Array.from({ length }, (_, n) => order(numberOf(first + n)));
      for (const step of [0, 1, 2] as const) yield commit(orders.map((events) => events[step]));
    }
  }

  function* commits(): Iterable<StoredCommit> {
    yield commit(beginning(), root, 'root');
    yield commit([{ type: 'IssuerAdded', hash: issuerHash, certificate: issuer.toString('base64') }]);
    for (round = 0; round < rounds; round += 1) yield* ordersOf(certificates, (n) => n);
    yield* ordersOf(renewed, (n) => (n * STRIDE) % certificates);
  }

  function* obtained(): Iterable<EventOf<'CertificateObtained'>> {
    for (let number = 0; number < certificates; number += 1) yield order(number)[2];
  }

  return {
    // The certificate's id is random, too.
    randomBytes: certificates * (randomLength(leaf) + sealed.randomBytes + 8) + issuer.length,
    commits,
    obtained,
    get end() {
      return checkpoint;
    },
  };
}
