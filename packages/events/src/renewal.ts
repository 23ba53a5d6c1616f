/** When a certificate is due for renewal, and how urgent that is. */
import type { Failure, IssuedCertificate, LostNames, ManagedCertificate } from './managed-certificate.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const SHORTEST_PAUSE_MS = 300_000;
/** A Retry-After of up to so long is always kept. */
export const KEPT_PAUSE_MS: number = HOUR_MS;

/** The instants of a certificate's lifetime at which a manager acts, milliseconds since 1970. */
interface RenewalInstants {
  /** The earliest that a CA may ask for: a CA that answers "now" for everything it has just issued must not cause endless renewals. */
  readonly earliest: number;
  /** When to renew where the CA names no instant. */
  readonly ordinary: number;
  /** From here on an outage of its own CA is not waited out, where there is a second one. */
  readonly urgent: number;
  /** The last instant, which nothing may postpone. */
  readonly floor: number;
}

/** What the instants depend on. */
type Lifetime = Pick<IssuedCertificate, 'notBefore' | 'notAfter'>;

function instantsOf({ notBefore, notAfter }: Lifetime): RenewalInstants {
  const [from, to] = [Date.parse(notBefore), Date.parse(notAfter)];
  const lifetime = to - from;
  const urgent = to - lifetime / 6;
  return {
    earliest: from + Math.min(lifetime / 50, 6 * HOUR_MS),
    // A third of the lifetime left, or half of it below 10 days: what Let's Encrypt asks of integrators.
    ordinary: from + (lifetime < 10 * DAY_MS ? lifetime / 2 : (lifetime * 2) / 3),
    urgent,
    floor: Math.max(urgent, to - DAY_MS),
  };
}

/**
 * Until when a certificate that has just been obtained is not renewed again, milliseconds since 1970. One can come back past its half-life or
 * its floor, where its CA fixed the dates with an order that waited: then a third of what was left passes first, an hour at most
 * where its CA wants it renewed.
 */
function settledAt({ notBefore, notAfter, obtainedAt = notBefore }: IssuedCertificate, isAsked: boolean): number {
  const [from, to, obtained] = [Date.parse(notBefore), Date.parse(notAfter), Date.parse(obtainedAt)];
  // A manager whose clock is wrong says nothing of when that was.
  if (obtained < from || obtained >= to) return from;
  const left = to - obtained;
  return obtained + Math.min(left / 3, isAsked ? HOUR_MS : left);
}

function wantedAt({ current, renewalInfo, revoked, failure }: ManagedCertificate): number {
  // What an expelled manager obtained says of itself what it likes.
  if (!current || revoked || current.distrusted) return 0;
  const { ordinary, floor, earliest } = instantsOf(current);
  const wanted = renewalInfo ? Math.max(Date.parse(renewalInfo.renewAt), earliest) : ordinary;
  const atTheLatest = Math.min(wanted, floor);
  // A renewal that was tried since then goes on by its back-off.
  return failure ? atTheLatest : Math.max(atTheLatest, settledAt(current, renewalInfo !== undefined));
}

/** `notBefore` of a failure after which a manager makes no further attempt by itself, ISO 8601. */
export const NEVER = '9999-12-31T23:59:59.000Z';

/** Longer than any pause, milliseconds: a CA's own Retry-After counts for seven days at most, a claim for minutes. */
export const LONGEST_PAUSE_MS: number = 8 * DAY_MS;

/**
 * The instant that no back-off passes, since a certificate would end without having been tried again: the emergency floor of its
 * lifetime; with a second CA, which can be asked at once, where it becomes urgent.
 */
export function pauseLimit(current: Lifetime, { hasFallback }: { readonly hasFallback: boolean }): Date {
  const { floor, urgent } = instantsOf(current);
  return new Date(hasFallback ? urgent : floor);
}

/** The shortest pause behind that limit, milliseconds: a twentieth of the lifetime that is left, 5 minutes at least. */
export function shortestPauseMs({ notAfter }: Lifetime, now: Date): number {
  return Math.max(SHORTEST_PAUSE_MS, (Date.parse(notAfter) - now.getTime()) / 20);
}

/** Whether no further attempt is made by itself: not where a certificate that was valid then was given up by mistake. */
function isGivenUp({ notBefore, failedAt }: Failure, current: Lifetime | undefined): boolean {
  return notBefore === NEVER && (!current || Date.parse(failedAt) >= Date.parse(current.notAfter));
}

/**
 * Until when a failure puts a certificate off. What the bus says is kept up to an hour, up to the emergency floor, and behind it up to
 * the longest back-off that this lifetime has; a day where a person has to act, as CAs ask behind an unpause link.
 */
function pauseEnd({ notBefore, failedAt: at, class: failureClass }: Failure, current: Lifetime | undefined): number {
  const until = Date.parse(notBefore);
  if (!current) return until;
  const failedAt = Date.parse(at);
  const { floor } = instantsOf(current);
  const lifetime = Date.parse(current.notAfter) - Date.parse(current.notBefore);
  const backOff = failureClass === 'operator-action' ? DAY_MS : Math.min(DAY_MS, lifetime / 20);
  const longest = failedAt >= floor || failureClass === 'operator-action' ? Math.max(backOff, SHORTEST_PAUSE_MS) : 0;
  const latest = Math.max(floor, failedAt + Math.max(longest, SHORTEST_PAUSE_MS));
  return until - failedAt <= KEPT_PAUSE_MS ? until : Math.min(until, latest);
}

/** When a manager should next act on a certificate, and what puts that off. */
export interface Duty {
  /** When it should be renewed, or what was left open taken up. */
  readonly wantedAt: Date;
  /** End of the claim that is held, or of the back-off after a failure or a look that found names lost; `undefined` where there is none of them. */
  readonly pausedUntil: Date | undefined;
}

/** Until when names that left our control put a certificate off: not beyond its floor, where an order is tried in spite of it. */
function lossEnd({ notBefore, seenAt }: LostNames, current: Lifetime | undefined): number {
  const until = Date.parse(notBefore);
  if (!current) return until;
  const { floor } = instantsOf(current);
  return Date.parse(seenAt) < floor ? Math.min(until, floor) : until;
}

const instant = (text: string | undefined): Date | undefined => (text === undefined ? undefined : new Date(text));

/** Who is at work on a certificate at an instant; `undefined` where nobody is, also because a claim has ended. */
export function claimantOf({ issuance }: Pick<ManagedCertificate, 'issuance'>, now: Date): string | undefined {
  return issuance && Date.parse(issuance.until) > now.getTime() ? issuance.holder : undefined;
}

/** What a manager has to do for a certificate. `undefined`: nothing, since it was removed, was given up, or did not come from a CA here. */
export function dutyOf(certificate: ManagedCertificate): Duty | undefined {
  const { removed, directory, issuance, failure, current, lost } = certificate;
  if (removed || directory === undefined) return undefined;
  if (issuance) {
    const until = issuance.holder === undefined ? undefined : issuance.until;
    return { wantedAt: new Date(0), pausedUntil: instant(until) };
  }
  if (failure && isGivenUp(failure, current)) return undefined;
  const pauses = [...(failure ? [pauseEnd(failure, current)] : []), ...(lost ? [lossEnd(lost, current)] : [])];
  const pausedUntil = pauses.length > 0 ? new Date(Math.max(...pauses)) : undefined;
  return { wantedAt: new Date(wantedAt(certificate)), pausedUntil };
}

/**
 * When a manager should next act on a certificate: renew it, or resume an open issuance. In the past when it is due.
 *
 * The CA's chosen instant counts before the lifetime's ratio, an emergency floor before both; a claim that is held and the
 * back-off after a failure postpone it, the back-off not beyond that floor. `undefined`: never, as in {@link dutyOf}.
 *
 * With `now`, a claim or a back-off that would last longer than any real one is ignored: the clock of the manager that wrote it was
 * wrong.
 */
export function nextActionAt(certificate: ManagedCertificate, now?: Date): Date | undefined {
  const duty = dutyOf(certificate);
  if (!duty) return undefined;
  const until = duty.pausedUntil?.getTime() ?? 0;
  const isSound = !now || until - now.getTime() <= LONGEST_PAUSE_MS;
  return new Date(Math.max(duty.wantedAt.getTime(), isSound ? until : 0));
}

/** Since when a certificate that is due is; `undefined` where the bus does not say, as for names that were never issued. */
export function dueSince(certificate: ManagedCertificate, now: Date): Date | undefined {
  const at = nextActionAt(certificate, now);
  if (at === undefined || at.getTime() > 0) return at;
  return instant(certificate.failure?.since ?? certificate.issuance?.until);
}

/** How urgent a certificate that is due is, the most urgent first. */
export const URGENCIES = ['lapsed', 'emergency', 'window-over', 'due'] as const;

/**
 * `lapsed`: nothing valid is served. `emergency`: the floor is passed that nothing may postpone. `window-over`: the CA wanted it renewed
 * before now, as in a mass revocation. `due`: all others.
 */
export type Urgency = (typeof URGENCIES)[number];

/** How urgent a certificate is at an instant. */
export function urgencyOf({ current, renewalInfo, revoked }: ManagedCertificate, now: Date): Urgency {
  const at = now.getTime();
  if (!current || revoked) return 'lapsed';
  if (Date.parse(current.notAfter) <= at) return 'lapsed';
  if (instantsOf(current).floor <= at) return 'emergency';
  return renewalInfo && Date.parse(renewalInfo.windowEnd) <= at ? 'window-over' : 'due';
}

/**
 * From when on a certificate that is served is urgent, as in {@link isUrgent}, whatever puts its renewal off, also where it is imported and
 * not renewed here; the beginning of time for one that was revoked. `undefined` where nothing is served.
 */
export function urgentAt({ current, removed, revoked }: ManagedCertificate): Date | undefined {
  if (!current || removed) return undefined;
  return new Date(revoked ? 0 : instantsOf(current).urgent);
}

/**
 * Whether a certificate cannot wait for the end of an outage of its own CA: nothing valid is served, or a sixth of the
 * lifetime or less is left. Every certificate of the urgencies `lapsed` and `emergency` is urgent.
 */
export function isUrgent(certificate: ManagedCertificate, now: Date): boolean {
  const { current } = certificate;
  if (!current || urgencyOf(certificate, now) === 'lapsed') return true;
  return instantsOf(current).urgent <= now.getTime();
}
