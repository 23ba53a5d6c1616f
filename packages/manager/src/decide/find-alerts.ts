/** Decides what people have to be told of, from what the bus says and the clock. */
import {
  claimantOf,
  type Failure,
  type FailureClass,
  isUrgent,
  type ManagedCertificate,
  urgentAt,
} from '@certbus/events';
import type { NotedAlert } from '@certbus/events/history';
import { type Alert, type AlertKind, fitAlert, fitSubject, MANY } from './alert.ts';
import { isLasting, isShared } from './back-off.ts';
import { describeQuota, isNearlyUsedUp, type Quota, quotaSubject } from './quota.ts';

/** Some of what is alike, and how many there are. */
export interface Sample {
  readonly count: number;
  readonly first: readonly ManagedCertificate[];
}

/** What alerts are found by. */
export interface AlertPicture {
  /** Alerts that people were told of. */
  readonly noted: readonly NotedAlert[];
  certificate(certificateId: string): ManagedCertificate | undefined;
  /** Those that have failed since they were last issued, by the class of the last failure. */
  readonly failing: ReadonlyMap<FailureClass, Sample>;
  /** Those with a sixth of their lifetime or less left, whatever puts their renewal off. */
  readonly urgent: Sample;
  /** Some of those with an open issuance. */
  readonly open: readonly ManagedCertificate[];
  readonly quotas: readonly Quota[];
  /** When the newest commit was signed, where that is too long ago. */
  readonly silentSince: Date | undefined;
}

/** So many certificates at most are told of one by one. */
const SINGLE_MAX = 20;
/** A CA stumbles over single orders, too: a failure of it that lasts so long, or meets so many, is an outage. */
const OUTAGE_MS = 300_000;
const OUTAGE_COUNT = 3;
/** Longer than any order takes. */
const STUCK_MS = 6 * 3_600_000;
/** The same for an order that goes from one process to the next and is never done: one that its CA has for a day counts as failed. */
const LONG_STUCK_MS = 36 * 3_600_000;
const NAMES_SHOWN = 3;

/** Names for a sentence. */
function shown(names: readonly string[]): string {
  const more = names.length - NAMES_SHOWN;
  return `${names.slice(0, NAMES_SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

const describe = ({ detail, problem }: Pick<Failure, 'detail' | 'problem'>): string =>
  detail === '' ? problem : `${detail} (${problem})`;

/** Why a certificate itself fails, which a failure of its CA as a whole does not hide; `undefined` where it does not. */
function ownFailureOf({
  failure,
  removed,
}: ManagedCertificate): Pick<Failure, 'problem' | 'class' | 'detail'> | undefined {
  if (!failure || removed) return undefined;
  return isShared(failure.class) ? failure.own : failure;
}

/** A certificate that fails. One attempt that may be a mishap is not told of, unless there is no time for another. */
function failingAlert(certificate: ManagedCertificate, now: Date): Alert | undefined {
  const { certificateId, names, failure, current } = certificate;
  const own = ownFailureOf(certificate);
  if (!failure || !own) return undefined;
  const isWorthIt =
    failure.attempt > 1 || isLasting(own.class) || (current !== undefined && isUrgent(certificate, now));
  if (!isWorthIt) return undefined;
  const [since, seenAt] = [new Date(failure.since), new Date(failure.failedAt)];
  return { kind: 'failing', subject: certificateId, detail: `${shown(names)}: ${describe(own)}`, since, seenAt };
}

/** Why an urgent certificate is not renewed, as the end of a sentence. */
function whyUnrenewed(certificate: ManagedCertificate, now: Date): string {
  const { failure, lost } = certificate;
  if (lost) return lost.detail;
  if (failure) return describe(failure.own ?? failure);
  const claimant = claimantOf(certificate, now);
  return claimant === undefined ? 'no attempt has failed' : `${claimant} is at work on it`;
}

/** A certificate that has ended, or is about to; `undefined` for any other. */
function endingAlert(kind: AlertKind, certificate: ManagedCertificate, now: Date): Alert | undefined {
  const { certificateId, names, current, removed } = certificate;
  const urgent = urgentAt({ ...certificate, revoked: false });
  if (!current || !urgent || removed || urgent > now) return undefined;
  const end = new Date(current.notAfter);
  const hasEnded = end <= now;
  if (hasEnded !== (kind === 'expired')) return undefined;
  const detail = `${shown(names)} ${hasEnded ? 'ended' : 'ends'} at ${current.notAfter} and is not renewed: ${whyUnrenewed(certificate, now)}`;
  const since = hasEnded ? end : urgent;
  return { kind, subject: certificateId, detail, since, seenAt: since };
}

/** A claim that keeps others from a certificate for longer than any order takes. */
function stuckAlert({ certificateId, names, issuance }: ManagedCertificate, now: Date): Alert | undefined {
  if (issuance?.holder === undefined) return undefined;
  // An order that was begun long ago, such as before an outage, can have been taken over a moment ago.
  const { holder, startedAt, heldSince = startedAt } = issuance;
  const [since, begun] = [new Date(heldSince), new Date(startedAt)];
  const seenAt = new Date(Math.min(since.getTime() + STUCK_MS, begun.getTime() + LONG_STUCK_MS));
  if (seenAt > now) return undefined;
  const isHeld = since.getTime() + STUCK_MS <= now.getTime();
  const detail = isHeld
    ? `${holder} has held the claim on ${shown(names)} since ${heldSince}, and is not done`
    : `the order for ${shown(names)} was begun at ${startedAt}, and is not done; it is with ${holder} now, since ${heldSince}`;
  return { kind: 'claim-stuck', subject: certificateId, detail, since: isHeld ? since : begun, seenAt };
}

const earliest = (dates: readonly Date[]): Date => new Date(Math.min(...dates.map((date) => date.getTime())));
const latest = (dates: readonly Date[]): Date => new Date(Math.max(...dates.map((date) => date.getTime())));

/**
 * Alerts of a kind about certificates: one for each, or one for all those of which people were not told yet, where these are too many. It stays as long as
 * there is any of them, so that they do not become hundreds as the first are renewed.
 */
function certificateAlerts(
  kind: AlertKind,
  picture: AlertPicture,
  {
    samples,
    alertFor,
  }: {
    readonly samples: readonly Sample[];
    readonly alertFor: (certificate: ManagedCertificate) => Alert | undefined;
  },
): Alert[] {
  const raised = new Set(
    picture.noted.flatMap(({ alert, subject, until }) => (alert === kind && until === undefined ? [subject] : [])),
  );
  const known = [...raised]
    .flatMap((subject) => picture.certificate(subject) ?? [])
    .flatMap((each) => alertFor(each) ?? []);
  const seen = samples.flatMap(({ first }) => first);
  const others = seen.flatMap((each) => (raised.has(each.certificateId) ? [] : (alertFor(each) ?? [])));
  const unseen = samples.reduce((sum, { count, first }) => sum + count - first.length, 0);
  const [one] = others;
  if (!one || (!raised.has(MANY) && others.length + unseen <= SINGLE_MAX)) return [...known, ...others];
  const some = others.length + unseen;
  const detail =
    some === 1 ? one.detail : `${some} certificates${unseen > 0 ? ' or so' : ''}, one of them ${one.detail}`;
  const since = earliest(others.map((each) => each.since));
  const seenAt = latest(others.map((each) => each.seenAt ?? each.since));
  return [...known, { kind, subject: MANY, detail, since, seenAt }];
}

/** CAs that fail as a whole: one alert for each, however many certificates wait for it. */
function outageAlerts({ failing, noted }: AlertPicture, now: Date): Alert[] {
  const met = (['authority', 'account'] as const).flatMap((each) => failing.get(each)?.first ?? []);
  const failures = met.flatMap((certificate) =>
    certificate.failure ? [{ certificate, failure: certificate.failure }] : [],
  );
  const byDirectory = Map.groupBy(failures, ({ failure }) => failure.directory);
  return [...byDirectory].flatMap(([directory, alike]) => {
    const isNoted = noted.some((each) => each.alert === 'ca-outage' && each.subject === fitSubject(directory));
    const isOutage = ({ certificate, failure }: (typeof alike)[number]) =>
      failure.class === 'account' ||
      failure.retryAt !== undefined ||
      Date.parse(failure.failedAt) - Date.parse(failure.since) >= OUTAGE_MS ||
      (certificate.current !== undefined && isUrgent(certificate, now));
    if (!isNoted && alike.length < OUTAGE_COUNT && !alike.some(isOutage)) return [];
    const times = alike.map(({ failure }) => failure);
    const newest = times.toSorted((one, other) => Date.parse(other.failedAt) - Date.parse(one.failedAt))[0];
    const since = earliest(times.map((each) => new Date(each.own ? each.failedAt : each.since)));
    const seenAt = latest(times.map(({ failedAt }) => new Date(failedAt)));
    const detail = `${directory} fails for everyone: ${newest ? describe(newest) : 'unknown'}`;
    return [{ kind: 'ca-outage' as const, subject: directory, detail, since, seenAt }];
  });
}

/** Limits of a CA of which little is left, and those that the CA itself says are reached. */
function quotaAlerts({ quotas, failing, noted }: AlertPicture, now: Date): Alert[] {
  const isRaised = (quota: Quota) =>
    noted.some(({ alert, subject }) => alert === 'quota' && subject === fitSubject(quotaSubject(quota)));
  const own = quotas
    .filter((quota) => isNearlyUsedUp(quota, { isRaised: isRaised(quota) }))
    .map((quota): Alert => ({ kind: 'quota', subject: quotaSubject(quota), detail: describeQuota(quota), since: now }));
  const limited = (failing.get('rate-limited')?.first ?? []).flatMap(({ failure }) => (failure ? [failure] : []));
  const byDirectory = Map.groupBy(limited, ({ directory }) => directory);
  const told = [...byDirectory].flatMap(([directory, alike]): Alert[] => {
    const [failure] = alike;
    if (!failure) return [];
    const since = earliest(alike.map((each) => new Date(each.since)));
    const seenAt = latest(alike.map(({ failedAt }) => new Date(failedAt)));
    return [
      { kind: 'quota', subject: directory, detail: `${directory} takes no more: ${describe(failure)}`, since, seenAt },
    ];
  });
  return [...own, ...told];
}

/** What people have to be told of now. Pure. Failures of an archive are found where it is written. */
export function findAlerts(picture: AlertPicture, now: Date): readonly Alert[] {
  const { failing, urgent, open, silentSince } = picture;
  const own = [...failing].flatMap(([failureClass, sample]) =>
    isShared(failureClass) ? [{ count: sample.first.length, first: sample.first }] : [sample],
  );
  const stuck = { count: open.length, first: open };
  const frozen: Alert[] = silentSince
    ? [
        {
          kind: 'frozen-bus',
          subject: 'bus',
          detail: `nothing was written to the bus since ${silentSince.toISOString()}: no manager that can write to it was there`,
          since: silentSince,
        },
      ]
    : [];
  const found = [
    ...certificateAlerts('failing', picture, { samples: own, alertFor: (each) => failingAlert(each, now) }),
    ...certificateAlerts('nearing-floor', picture, {
      samples: [urgent],
      alertFor: (each) => endingAlert('nearing-floor', each, now),
    }),
    ...certificateAlerts('expired', picture, {
      samples: [{ count: urgent.first.length, first: urgent.first }],
      alertFor: (each) => endingAlert('expired', each, now),
    }),
    ...certificateAlerts('claim-stuck', picture, { samples: [stuck], alertFor: (each) => stuckAlert(each, now) }),
    ...outageAlerts(picture, now),
    ...quotaAlerts(picture, now),
    ...frozen,
  ];
  return found.map(fitAlert);
}
