/** Schemas of the fields that events share with the state that is made of them. */
import * as v from 'valibot';
import { base64, hash } from '../canonical.ts';
import { ANNOUNCED_CHALLENGE_TYPES, type AnnouncedChallengeType, type Manager, type Recipient } from './bus-events.ts';
import type { CampaignStarted } from './campaign-events.ts';
import { KEY_TYPES, type KeyType, MAX_NAMES } from './certificate-events.ts';

/** The schema of a field. */
export type Field<T> = v.GenericSchema<unknown, T>;

const isLeap = (year: number): boolean => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
const DAYS = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** A parser counts a day that the month does not have, and an hour 24, on into the next day. */
function isInCalendar(text: string): boolean {
  // By digits: making a text of an instant takes ten times as long, and every event has some.
  const number = (from: number, length: number) => {
    let value = 0;
    for (let at = from; at < from + length; at += 1) value = value * 10 + text.charCodeAt(at) - 48;
    return value;
  };
  const [month, day] = [number(5, 2), number(8, 2)];
  const days = month === 2 && isLeap(number(0, 4)) ? 29 : (DAYS[month - 1] ?? 0);
  return day >= 1 && day <= days && number(11, 2) < 24 && number(14, 2) < 60 && number(17, 2) < 60;
}

export const id: Field<string> = v.pipe(v.string(), v.regex(/^[A-Za-z0-9_][\w-]{7,31}$/, 'is not an id'));
export const instant: Field<string> = v.pipe(
  v.string(),
  v.regex(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/, 'is not an instant in UTC'),
  v.check(isInCalendar, 'is not an instant in UTC'),
);
export const text: Field<string> = v.pipe(v.string(), v.maxLength(4096));
export const position: Field<number> = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

const ageRecipient = v.pipe(v.string(), v.regex(/^age1[a-z0-9]{20,4000}$/, 'is not an age recipient'));
const identifier: Field<string> = v.pipe(v.string(), v.nonEmpty(), v.maxLength(255));
export const keyType: Field<KeyType> = v.picklist(KEY_TYPES);
/** Of a manager or recipient. */
export const name: Field<string> = v.pipe(text, v.nonEmpty());
const unique = <T extends { readonly name: string }>(items: readonly T[]): boolean =>
  new Set(items.map((item) => item.name)).size === items.length;

/** Every manager of a bus. */
export const managers: Field<readonly Manager[]> = v.pipe(
  v.array(v.object({ name, signingKey: hash, recipient: ageRecipient })),
  v.nonEmpty(),
  v.maxLength(100),
  v.check(unique, 'has a name twice'),
);
/** Whom private keys are sealed to. */
export const recipients: Field<readonly Recipient[]> = v.pipe(
  v.array(v.object({ name, recipient: ageRecipient })),
  v.nonEmpty(),
  v.maxLength(20),
  v.check(unique, 'has a name twice'),
);

/** An ACME account that was given up. */
export const closedAccount: Readonly<Record<'directory' | 'accountUrl' | 'thumbprint', Field<string>>> = {
  directory: text,
  accountUrl: text,
  thumbprint: hash,
};
/** A key for the account at a directory, sealed. */
export const accountKey: Readonly<Record<'directory' | 'thumbprint' | 'sealedKey', Field<string>>> = {
  directory: text,
  thumbprint: hash,
  sealedKey: base64,
};
/** An ACME account, with its key sealed. */
export const account: typeof closedAccount & typeof accountKey = { ...closedAccount, ...accountKey };
/** Whether clients answer HTTP-01 for an account without announcement. */
export const stateless: Field<true | undefined> = v.optional(v.literal(true));
/** A challenge that clients answer. */
export const challenge: Readonly<
  Record<'issuanceId' | 'identifier' | 'token' | 'thumbprint' | 'expiresAt', Field<string>>
> & { readonly challengeType: Field<AnnouncedChallengeType> } = {
  issuanceId: id,
  challengeType: v.picklist(ANNOUNCED_CHALLENGE_TYPES),
  identifier,
  token: v.pipe(v.string(), v.regex(/^[\w-]{1,256}$/, 'is not a token')),
  thumbprint: hash,
  expiresAt: instant,
};
/** A snapshot in the archive. */
export const snapshot: Readonly<Record<'hash' | 'manifest' | 'place', Field<string>>> & {
  readonly position: Field<number>;
} = { position, hash, manifest: hash, place: text };
/** A campaign as it was started. */
export const campaign: { readonly [F in keyof Omit<CampaignStarted, 'type'>]-?: Field<CampaignStarted[F]> } = {
  campaignId: id,
  domain: v.optional(identifier),
  pattern: v.optional(identifier),
  directory: v.optional(text),
  profile: v.optional(text),
  keyType: v.optional(keyType),
  issuer: v.optional(hash),
  issuedBefore: v.optional(instant),
  sealedTo: v.optional(ageRecipient),
  obtainedBy: v.optional(hash),
  obtainedSince: v.optional(position),
  certificates: position,
  ordersPerHour: v.optional(position),
};
/** Names of a certificate, or others. */
export const names: Field<string[]> = v.pipe(
  v.array(v.pipe(v.string(), v.nonEmpty(), v.maxLength(255))),
  v.nonEmpty(),
  v.maxLength(MAX_NAMES),
);
/** Names an alert. */
export const alertKey: Readonly<Record<'alert' | 'subject', Field<string>>> = { alert: text, subject: text };
/** Whom of the places in the configuration an alert is still to reach. */
export const pending: Field<string[] | undefined> = v.optional(names);
/** An alert that people were told of. */
export const raisedAlert: typeof alertKey &
  Readonly<Record<'detail' | 'since', Field<string>>> & { readonly pending: Field<string[] | undefined> } = {
  ...alertKey,
  detail: text,
  since: instant,
  pending,
};
