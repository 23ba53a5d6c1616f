/** Checks events as they are read: one schema for each type. */
import * as v from 'valibot';
import { base64, hash } from '../canonical.ts';
import { sha256 } from '../hash.ts';
import type { BusLevelEvent } from './bus-events.ts';
import { CAMPAIGN_OUTCOMES } from './campaign-events.ts';
import {
  type CertificateEvent,
  CHALLENGE_TYPES,
  FAILURE_CLASSES,
  type FailureClass,
  LOSSES,
  MAX_ISSUERS,
  SERIAL_NUMBER,
} from './certificate-events.ts';
import {
  account,
  accountKey,
  alertKey,
  campaign,
  challenge,
  closedAccount,
  id,
  instant,
  keyType,
  managers,
  name,
  names,
  pending,
  position,
  raisedAlert,
  recipients,
  snapshot,
  stateless,
  text,
} from './fields.ts';

/** Any event that this release knows. */
export type BusEvent = BusLevelEvent | CertificateEvent;

/** The name of an event that this release knows. */
export type EventType = BusEvent['type'];

/** The event of a name: `EventOf<'CertificateObtained'>`. */
export type EventOf<Type extends EventType> = Extract<BusEvent, { readonly type: Type }>;

const challengeType = v.picklist(CHALLENGE_TYPES);
const failureClass = v.pipe(
  text,
  // A follower must not fail on what a later release writes.
  v.transform((written): FailureClass => FAILURE_CLASSES.find((known) => known === written) ?? 'unknown'),
);
const reason = v.picklist(['new', 'renewal']);
const rootSequence = position;
const content = {
  certificateId: id,
  names,
  leaf: base64,
  issuers: v.pipe(v.array(hash), v.maxLength(MAX_ISSUERS)),
  sealedKey: base64,
  serialNumber: v.pipe(v.string(), v.regex(SERIAL_NUMBER, 'is not a serial number')),
  notBefore: instant,
  notAfter: instant,
};

type EventSchema<T extends EventType> = v.GenericSchema<unknown, EventOf<T>> & {
  readonly entries: Readonly<Record<string, unknown>>;
};

/** One schema for each type of event. */
export const schemas: { readonly [T in EventType]: EventSchema<T> } = {
  BusCreated: v.object({ type: v.literal('BusCreated'), busId: hash, rootKey: hash }),
  ManagersUpdated: v.object({
    type: v.literal('ManagersUpdated'),
    rootSequence,
    managers,
  }),
  ManagerExpelled: v.object({
    type: v.literal('ManagerExpelled'),
    rootSequence,
    manager: name,
    key: hash,
    since: position,
  }),
  RecipientsUpdated: v.object({
    type: v.literal('RecipientsUpdated'),
    rootSequence,
    recipients,
  }),
  FormatRaised: v.object({ type: v.literal('FormatRaised'), rootSequence, format: position }),
  BusRestored: v.object({ type: v.literal('BusRestored'), rootSequence, position, hash }),
  ConfigUpdated: v.object({ type: v.literal('ConfigUpdated'), sealed: base64 }),
  AccountRegistered: v.object({ type: v.literal('AccountRegistered'), ...account, stateless }),
  AccountKeyRollOverStarted: v.object({ type: v.literal('AccountKeyRollOverStarted'), ...accountKey }),
  AccountKeyRolledOver: v.object({ type: v.literal('AccountKeyRolledOver'), ...account }),
  AccountKeyRollOverAbandoned: v.object({
    type: v.literal('AccountKeyRollOverAbandoned'),
    directory: text,
    thumbprint: hash,
  }),
  AccountDeactivated: v.object({
    type: v.literal('AccountDeactivated'),
    ...closedAccount,
  }),
  ChallengePresented: v.object({
    type: v.literal('ChallengePresented'),
    ...challenge,
  }),
  IssuerAdded: v.object({ type: v.literal('IssuerAdded'), hash, certificate: base64 }),
  RangeArchived: v.object({
    type: v.literal('RangeArchived'),
    first: position,
    last: position,
    hash,
    manifest: hash,
    place: text,
  }),
  SnapshotTaken: v.object({ type: v.literal('SnapshotTaken'), ...snapshot }),
  CampaignStarted: v.object({ type: v.literal('CampaignStarted'), ...campaign }),
  CampaignEnded: v.object({
    type: v.literal('CampaignEnded'),
    campaignId: id,
    outcome: v.picklist(CAMPAIGN_OUTCOMES),
  }),
  AlertRaised: v.object({ type: v.literal('AlertRaised'), ...raisedAlert }),
  AlertCleared: v.object({ type: v.literal('AlertCleared'), ...alertKey, until: instant, pending }),
  Heartbeat: v.object({ type: v.literal('Heartbeat') }),
  IssuanceStarted: v.object({
    type: v.literal('IssuanceStarted'),
    issuanceId: id,
    certificateId: id,
    names,
    reason,
    challengeType,
    profile: v.optional(text),
    keyType: v.optional(keyType),
    directory: text,
    fallbackFor: v.optional(text),
    replaces: v.optional(text),
    campaignId: v.optional(id),
    holder: text,
    until: instant,
    csr: base64,
    sealedKey: base64,
    recipientsPosition: position,
  }),
  OrderCreated: v.object({
    type: v.literal('OrderCreated'),
    issuanceId: id,
    certificateId: id,
    holder: text,
    orderUrl: text,
  }),
  IssuanceTakenOver: v.object({
    type: v.literal('IssuanceTakenOver'),
    issuanceId: id,
    certificateId: id,
    holder: text,
    until: instant,
  }),
  CsrReplaced: v.object({
    type: v.literal('CsrReplaced'),
    issuanceId: id,
    certificateId: id,
    csr: base64,
    sealedKey: base64,
    recipientsPosition: position,
  }),
  IssuanceReleased: v.object({ type: v.literal('IssuanceReleased'), issuanceId: id, certificateId: id, holder: text }),
  IssuanceFailed: v.object({
    type: v.literal('IssuanceFailed'),
    issuanceId: id,
    certificateId: id,
    problem: text,
    class: failureClass,
    detail: text,
    attempt: position,
    notBefore: instant,
    retryAt: v.optional(instant),
    directory: v.optional(text),
    invalidNames: v.optional(names),
  }),
  CertificateObtained: v.object({
    type: v.literal('CertificateObtained'),
    ...content,
    issuanceId: id,
    reason,
    challengeType,
    profile: v.optional(text),
    keyType: v.optional(keyType),
    directory: text,
    fallbackFor: v.optional(text),
  }),
  CertificateImported: v.object({
    type: v.literal('CertificateImported'),
    ...content,
    issuedBy: v.optional(text),
    directory: v.optional(text),
    challengeType: v.optional(challengeType),
    keyType: v.optional(keyType),
  }),
  PrivateKeyResealed: v.object({
    type: v.literal('PrivateKeyResealed'),
    certificateId: id,
    leafHash: hash,
    sealedKey: base64,
  }),
  RenewalInfoUpdated: v.object({
    type: v.literal('RenewalInfoUpdated'),
    certificateId: id,
    leafHash: hash,
    windowStart: instant,
    windowEnd: instant,
    renewAt: instant,
    explanationUrl: v.optional(text),
  }),
  NamesLost: v.object({
    type: v.literal('NamesLost'),
    certificateId: id,
    names,
    loss: v.picklist(LOSSES),
    detail: text,
    notBefore: instant,
  }),
  NamesRegained: v.object({ type: v.literal('NamesRegained'), certificateId: id }),
  CertificateRemoved: v.object({ type: v.literal('CertificateRemoved'), certificateId: id }),
  CertificateRevoked: v.object({
    type: v.literal('CertificateRevoked'),
    certificateId: id,
    leafHash: hash,
    reason: v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(10)),
  }),
};

/** One event after its check: accepted, or what is wrong with it. */
export type ParsedEvent =
  | { readonly event: BusEvent; readonly unknownFields: readonly string[] }
  | { readonly event: undefined; readonly problem: string };

/** Every type of event that this release knows. */
export const EVENT_TYPES: readonly string[] = Object.keys(schemas);

/** Whether this release knows what an event of this type means. */
export function isKnownType(type: string): type is EventType {
  return Object.hasOwn(schemas, type);
}

/** Names the types and fields of this release: it is another one's where that knows others. */
export const vocabulary: string = sha256(
  Buffer.from(
    Object.entries(schemas)
      .map(([type, { entries }]) => `${type} ${Object.keys(entries).sort().join(' ')}`)
      .sort()
      .join('\n'),
  ),
).slice(0, 16);

/**
 * Whether this release knows what was noted as `Type` or `Type.field` when another one met it. Of what found no room in the note,
 * `*.VOCABULARY`, it may know something where its vocabulary is another.
 */
export function isKnown(what: string): boolean {
  if (what.startsWith('*.')) return what !== `*.${vocabulary}`;
  const [type = '', field, ...more] = what.split('.');
  return more.length === 0 && isKnownType(type) && (field === undefined || Object.hasOwn(schemas[type].entries, field));
}

/** Longer than any field that a release has: what is cut off makes nothing known. */
const MAX_FIELD = 80;

/** Checks one event of a known type. Fields that this release does not know are left out and named. */
export function parseEvent(type: EventType, value: object): ParsedEvent {
  const parsed = v.safeParse(schemas[type], value, { abortEarly: true });
  if (!parsed.success) {
    const [issue] = parsed.issues;
    return { event: undefined, problem: `${type}.${v.getDotPath(issue) ?? ''} ${issue.message}` };
  }
  const unknownFields = Object.keys(value)
    .filter((key) => !Object.hasOwn(parsed.output, key))
    .map((key) => `${type}.${key.slice(0, MAX_FIELD)}`);
  return { event: parsed.output, unknownFields };
}
