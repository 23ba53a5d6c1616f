/** What an event may say where it stands: a rule that it breaks makes it void, for everyone who reads the bus. */
import type { BusEvent } from '../event-types/event-schema.ts';
import { sha256 } from '../hash.ts';

/** Where an event stands: the position of its commit, and when that was signed. */
export interface EventPlace {
  readonly position: number;
  readonly at: Date;
}

const HOUR_MS = 3_600_000;
/** Longer than any claim, which lasts minutes and is renewed. */
const LONGEST_CLAIM_MS = 24 * HOUR_MS;

/** Whether an instant is at most this long after a commit was signed. */
const isWithin = (text: string, { at }: EventPlace, ms: number): boolean => Date.parse(text) - at.getTime() <= ms;

/**
 * Which rule an event breaks, in words; `undefined` where it breaks none.
 *
 * A manager signed it, so its commit stays: refusing it would let one stolen key stop every follower with one event. The event itself
 * counts as if it had never been written.
 */
export function brokenRule(event: BusEvent, place: EventPlace): string | undefined {
  const { position } = place;
  switch (event.type) {
    case 'IssuerAdded':
      return sha256(Buffer.from(event.certificate, 'base64')) === event.hash
        ? undefined
        : 'its hash is not that of its certificate';
    case 'ChallengePresented':
      return isWithin(event.expiresAt, place, HOUR_MS) ? undefined : 'it expires more than an hour after its commit';
    case 'IssuanceStarted':
      if (event.recipientsPosition > position) return 'its recipients are named later';
      return isWithin(event.until, place, LONGEST_CLAIM_MS) ? undefined : 'its claim lasts more than a day';
    case 'IssuanceTakenOver':
      return isWithin(event.until, place, LONGEST_CLAIM_MS) ? undefined : 'its claim lasts more than a day';
    case 'CsrReplaced':
      return event.recipientsPosition > position ? 'its recipients are named later' : undefined;
    case 'RangeArchived':
      return event.first <= event.last && event.last < position ? undefined : 'its range is not before it';
    case 'SnapshotTaken':
      return event.position < position ? undefined : 'its snapshot is not before it';
    case 'CampaignStarted':
      return (event.obtainedSince ?? 1) > position ? 'it is for what comes later' : undefined;
    default:
      return undefined;
  }
}
