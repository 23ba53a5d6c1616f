/** One event of each type, with every field that it can have, for test vectors. */
import type { EventOf, EventType } from '../event-types/event-schema.ts';
import type { World } from './world.builders.ts';

/** An event with all its optional fields. */
export type Complete<Event> = { readonly [Field in keyof Event]-?: Exclude<Event[Field], undefined> };

/** Where an event will be: behind this commit, with this place in the root's sequence. */
export interface Place {
  readonly position: number;
  readonly hash: string;
  readonly rootSequence: number;
  /** When its commit is signed. */
  readonly at: Date;
}

const issuanceId = 'q0tCzR3vYl8';
const certificateId = 'UALDUHpdGMs';
const campaignId = 'cA3pQ1zLm0w';
const directory = 'https://ca.example.test/directory';
const fallback = 'https://other-ca.example.test/directory';
const accountUrl = 'https://ca.example.test/account/1';

/** One event of each type, in an order that a bus could have them in. */
export function examplesOf(
  world: World,
  { position, hash, rootSequence, at }: Place,
): { readonly [T in EventType]: Complete<EventOf<T>> } {
  const { trust, alice, bob, recipients, names, leaf, leafHash, issuerHash, notBefore, notAfter } = world;
  const { sealedKey, csr, sealedCsrKey, sealedConfig, sealedAccountKey } = world;
  const inMinutes = (minutes: number) => new Date(at.getTime() + minutes * 60_000).toISOString();
  const account = { directory, accountUrl, thumbprint: leafHash };
  const archived = { hash, manifest: issuerHash, place: `archives/${trust.busId}/000000000001/manifest.json` };
  const profiled = { profile: 'classic', keyType: 'P-256', fallbackFor: directory } as const;
  const content = {
    certificateId,
    names,
    leaf,
    issuers: [issuerHash],
    sealedKey,
    serialNumber: '0A01',
    notBefore,
    notAfter,
  };
  return {
    BusCreated: { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
    ManagersUpdated: {
      type: 'ManagersUpdated',
      rootSequence,
      managers: [alice, bob].map(({ name, signer, recipient }) => ({ name, signingKey: signer.publicKey, recipient })),
    },
    RecipientsUpdated: { type: 'RecipientsUpdated', rootSequence, recipients },
    ConfigUpdated: { type: 'ConfigUpdated', sealed: sealedConfig },
    AccountRegistered: { type: 'AccountRegistered', ...account, sealedKey: sealedAccountKey, stateless: true },
    CampaignStarted: {
      type: 'CampaignStarted',
      campaignId,
      domain: 'example.test',
      pattern: '*.example.test',
      directory,
      profile: 'classic',
      keyType: 'P-256',
      issuer: issuerHash,
      issuedBefore: '2026-11-24T00:00:00.000Z',
      sealedTo: 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p',
      obtainedBy: bob.signer.publicKey,
      obtainedSince: 1,
      certificates: 100_000,
      ordersPerHour: 1_000,
    },
    IssuanceStarted: {
      type: 'IssuanceStarted',
      issuanceId,
      certificateId,
      names,
      reason: 'new',
      challengeType: 'tls-alpn-01',
      ...profiled,
      directory: fallback,
      replaces: 'aYhba4dGQEHhs3uEe6CuLN4ByNQ.AIdlQyE',
      campaignId,
      holder: 'alice on one',
      until: inMinutes(5),
      csr,
      sealedKey: sealedCsrKey,
      recipientsPosition: 1,
    },
    OrderCreated: {
      type: 'OrderCreated',
      issuanceId,
      certificateId,
      holder: 'alice on one',
      orderUrl: 'https://other-ca.example.test/order/1',
    },
    IssuanceReleased: { type: 'IssuanceReleased', issuanceId, certificateId, holder: 'alice on one' },
    IssuanceTakenOver: {
      type: 'IssuanceTakenOver',
      issuanceId,
      certificateId,
      holder: 'bob on two',
      until: inMinutes(5),
    },
    CsrReplaced: {
      type: 'CsrReplaced',
      issuanceId,
      certificateId,
      csr,
      sealedKey: sealedCsrKey,
      recipientsPosition: 1,
    },
    ChallengePresented: {
      type: 'ChallengePresented',
      issuanceId,
      challengeType: 'tls-alpn-01',
      identifier: 'shop.example.test',
      token: 'DGyRejmCefe7v4NfDGDKfA',
      thumbprint: leafHash,
      expiresAt: inMinutes(15),
    },
    IssuerAdded: { type: 'IssuerAdded', hash: issuerHash, certificate: world.issuer },
    CertificateObtained: {
      type: 'CertificateObtained',
      ...content,
      issuanceId,
      reason: 'new',
      challengeType: 'tls-alpn-01',
      ...profiled,
      directory: fallback,
    },
    RenewalInfoUpdated: {
      type: 'RenewalInfoUpdated',
      certificateId,
      leafHash,
      windowStart: '2027-01-20T00:00:00.000Z',
      windowEnd: '2027-01-22T00:00:00.000Z',
      renewAt: '2027-01-21T07:30:00.000Z',
      explanationUrl: 'https://ca.example.test/why',
    },
    NamesLost: {
      type: 'NamesLost',
      certificateId,
      names: ['example.test'],
      loss: 'gone',
      detail: 'example.test does not exist in DNS (NXDOMAIN)',
      notBefore: inMinutes(60),
    },
    NamesRegained: { type: 'NamesRegained', certificateId },
    PrivateKeyResealed: { type: 'PrivateKeyResealed', certificateId, leafHash, sealedKey },
    CertificateRevoked: { type: 'CertificateRevoked', certificateId, leafHash, reason: 4 },
    IssuanceFailed: {
      type: 'IssuanceFailed',
      issuanceId: 'Zk2nPp0aXcE',
      certificateId,
      problem: 'urn:ietf:params:acme:error:rateLimited',
      class: 'rate-limited',
      detail: 'too many certificates for this set of names',
      attempt: 1,
      notBefore: inMinutes(60),
      retryAt: inMinutes(30),
      directory,
      invalidNames: ['example.test'],
    },
    CertificateImported: {
      type: 'CertificateImported',
      ...content,
      certificateId: 'mP3eYh6bK0o',
      issuedBy: fallback,
      directory,
      challengeType: 'dns-01',
      keyType: 'P-256',
    },
    CertificateRemoved: { type: 'CertificateRemoved', certificateId: 'mP3eYh6bK0o' },
    AccountKeyRollOverStarted: {
      type: 'AccountKeyRollOverStarted',
      directory,
      thumbprint: issuerHash,
      sealedKey: sealedAccountKey,
    },
    AccountKeyRolledOver: {
      type: 'AccountKeyRolledOver',
      ...account,
      thumbprint: issuerHash,
      sealedKey: sealedAccountKey,
    },
    AccountKeyRollOverAbandoned: { type: 'AccountKeyRollOverAbandoned', directory, thumbprint: trust.busId },
    AccountDeactivated: { type: 'AccountDeactivated', ...account, thumbprint: issuerHash },
    RangeArchived: { type: 'RangeArchived', first: 1, last: position, ...archived },
    SnapshotTaken: { type: 'SnapshotTaken', position, ...archived },
    CampaignEnded: { type: 'CampaignEnded', campaignId, outcome: 'completed' },
    AlertRaised: {
      type: 'AlertRaised',
      alert: 'failing',
      subject: certificateId,
      detail: 'example.test: the CA refused it (urn:ietf:params:acme:error:dns)',
      since: at.toISOString(),
      pending: ['on-call'],
    },
    AlertCleared: {
      type: 'AlertCleared',
      alert: 'failing',
      subject: certificateId,
      until: inMinutes(5),
      pending: ['on-call'],
    },
    Heartbeat: { type: 'Heartbeat' },
    ManagerExpelled: {
      type: 'ManagerExpelled',
      rootSequence,
      manager: 'bob',
      key: bob.signer.publicKey,
      since: position + 1,
    },
    BusRestored: { type: 'BusRestored', rootSequence, position, hash },
    FormatRaised: { type: 'FormatRaised', rootSequence, format: 2 },
  };
}
