/** Decides about certificates whose names left our control: when they are looked at, set aside, and tried in spite of it. */
import { type Loss, type ManagedCertificate, pauseLimit } from '@certbus/events';
import { lostSince } from '@certbus/events/history';
import type { Decision } from '@certbus/store';
import type { ManagerState } from '../state/state.ts';
import { isShared } from './back-off.ts';
import { lifetimeMs } from './lifetime.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What a look at DNS found of a certificate's names; nothing where all of them are ours, or DNS did not answer. */
export interface FoundLoss {
  /** Sorted. */
  readonly names: readonly string[];
  /** Of the first of them. */
  readonly loss: Loss;
  /** For people. */
  readonly detail: string;
}

/** Whether names are lost for good, as far as anybody can tell: one of them was found so twice, at least an hour apart. */
export function isQuarantined({ lost }: Pick<ManagedCertificate, 'lost'>): boolean {
  return lost !== undefined && Date.parse(lost.seenAt) - Date.parse(lost.since) >= HOUR_MS;
}

/** Whether one order is tried whatever DNS shows: the floor of the lifetime has come, and none was tried behind it. */
export function isTriedAnyway({ current, failure }: ManagedCertificate, now: Date): boolean {
  if (!current) return false;
  const floor = pauseLimit(current, { hasFallback: false });
  // An outage of the CA was no order for these names.
  const isTried = failure && !isShared(failure.class) && Date.parse(failure.failedAt) >= floor.getTime();
  return now >= floor && !isTried;
}

/**
 * Until when a certificate is left alone whose names were found lost: an hour first, so that a second look is not at the same mishap; then the longer, the longer they
 * are lost, up to a day, or a twentieth of the lifetime where that is shorter.
 */
function nextLookAt({ current }: Pick<ManagedCertificate, 'current'>, since: string, now: Date): Date {
  const forMs = now.getTime() - Date.parse(since);
  const longest = Math.max(HOUR_MS, Math.min(DAY_MS, lifetimeMs(current) / 20));
  return new Date(now.getTime() + Math.min(Math.max(HOUR_MS, forMs / 4), longest));
}

/** Records what a look found: names that are lost, or that are ours again. What is nothing new about names that are ours is not recorded. */
export function recordLook(
  state: ManagerState,
  now: Date,
  certificateId: string,
  found: FoundLoss | undefined,
): Decision<ManagedCertificate | undefined> {
  const certificate = state.certificate(certificateId);
  if (!certificate || certificate.removed || certificate.issuance) return { events: [], result: undefined };
  if (!found) return { events: certificate.lost ? [{ type: 'NamesRegained', certificateId }] : [], result: undefined };
  const { lost } = certificate;
  // Another manager looked a moment ago; one whose clock was ahead may have done so at any time.
  const seenMs = lost ? now.getTime() - Date.parse(lost.seenAt) : Number.NaN;
  if (lost && seenMs >= 0 && seenMs < HOUR_MS / 2 && now < new Date(lost.notBefore))
    return { events: [], result: certificate };
  const since = lostSince(lost, found.names, now.toISOString());
  const notBefore = nextLookAt(certificate, since, now).toISOString();
  const result = { ...certificate, lost: { ...found, since, seenAt: now.toISOString(), notBefore } };
  return { events: [{ type: 'NamesLost', certificateId, ...found, notBefore }], result };
}
