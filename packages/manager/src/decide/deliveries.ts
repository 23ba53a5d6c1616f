/** Decides whom an alert is still to reach, and what of that is recorded. */
import { sha256 } from '@certbus/events';
import { MAX_ALERTS, type NotedAlert, type WrittenEvent } from '@certbus/events/history';
import type { ManagerState } from '../state/state.ts';
import { ALERT_KINDS, type Alert, type AlertKind, alertKey, alertOf, FOUND_ELSEWHERE } from './alert.ts';

/** An alert that places are to be told of. */
export interface Delivery {
  readonly alert: Alert;
  /** When it was found to be over; `undefined` while it is raised. */
  readonly until: Date | undefined;
  /** Names of the places that are to be told. */
  readonly places: readonly string[];
}

/** An alert after places were told of it. */
export interface Told extends Omit<Delivery, 'places'> {
  /** Names of the places that could not be told. */
  readonly pending: readonly string[];
}

/** What deliveries are decided by. */
export interface DeliveryOptions {
  readonly noted: readonly NotedAlert[];
  /** What people have to be told of now. */
  readonly found: readonly Alert[];
  /** The kinds that were looked for: of others nothing is over. */
  readonly kinds: readonly AlertKind[];
  /** Names of all places. */
  readonly places: readonly string[];
  readonly now: Date;
}

/** A place that could not be told for so long is not told what is over. */
const GIVE_UP_MS = 7 * 86_400_000;
/** Managers who did not meet an alert themselves leave it to the one that did for so long at most. */
const PATIENCE_MS = 30_000;

const keyOf = ({ alert, subject }: Pick<NotedAlert, 'alert' | 'subject'>): string => `${alert} ${subject}`;

/** What of an alert that is over is still to be told: nothing, where its places are gone or were away for too long. */
function leftOver(noted: NotedAlert, until: string, { places, now }: DeliveryOptions): readonly string[] {
  if (now.getTime() - Date.parse(until) > GIVE_UP_MS) return [];
  return noted.pending.filter((place) => places.includes(place));
}

/** What places are to be told now: of each alert that is new or over all of them, and of any other those that could not be told before. */
export function planDeliveries(options: DeliveryOptions): readonly Delivery[] {
  const { noted, found, kinds, places, now } = options;
  const known = new Map(noted.map((each) => [keyOf(each), each]));
  const raised = found.flatMap((alert): Delivery[] => {
    const before = known.get(alertKey(alert));
    if (!before || before.until !== undefined) return [{ alert, until: undefined, places }];
    const pending = before.pending.filter((place) => places.includes(place));
    const same = alertOf(before) ?? alert;
    return pending.length > 0 ? [{ alert: same, until: undefined, places: pending }] : [];
  });
  const isFound = new Set(found.map(alertKey));
  const over = noted.flatMap((each): Delivery[] => {
    const alert = alertOf(each);
    if (!alert || !kinds.includes(alert.kind) || isFound.has(alertKey(alert))) return [];
    if (each.until === undefined) return [{ alert, until: now, places }];
    return [{ alert, until: new Date(each.until), places: leftOver(each, each.until, options) }];
  });
  return [...raised, ...over];
}

/**
 * From when on a manager tells of an alert that it did not meet itself: a moment after anyone could see it, another one for each manager, so
 * that one is first and the others find it recorded.
 */
export function tellsAt({ seenAt, ...alert }: Alert, holder: string): Date | undefined {
  if (!seenAt) return undefined;
  const lot = Buffer.from(sha256(Buffer.from(`${holder} ${alertKey(alert)}`)), 'base64url').readUInt32BE();
  return new Date(seenAt.getTime() + (lot / 2 ** 32) * PATIENCE_MS);
}

const isSame = (one: readonly string[], other: readonly string[]): boolean =>
  one.length === other.length && one.every((each) => other.includes(each));

const pendingOf = (pending: readonly string[]) => (pending.length > 0 ? { pending } : {});

/** What makes the bus say whom an alert has reached; nothing where it says so already. */
function changesFor({ bus }: ManagerState, { alert, until, pending }: Told): WrittenEvent[] {
  const { kind, subject, detail, since } = alert;
  const before = bus.alerts.find((each) => keyOf(each) === alertKey(alert));
  if (until === undefined) {
    const isRaised = before && before.until === undefined;
    // Another manager may have told some of them meanwhile.
    const left = isRaised ? before.pending.filter((place) => pending.includes(place)) : pending;
    if (isRaised && isSame(left, before.pending)) return [];
    const what = isRaised ? { detail: before.detail, since: before.since } : { detail, since: since.toISOString() };
    return [{ type: 'AlertRaised', alert: kind, subject, ...what, ...pendingOf(left) }];
  }
  if (!before) return [];
  const left = before.until === undefined ? pending : before.pending.filter((place) => pending.includes(place));
  if (before.until !== undefined && left.length > 0 && isSame(left, before.pending)) return [];
  return [{ type: 'AlertCleared', alert: kind, subject, until: until.toISOString(), ...pendingOf(left) }];
}

/** Whether no run of this release finds that an alert is over: it does not know the kind, or looks for it elsewhere. */
const isUnwatched = ({ alert }: NotedAlert): boolean =>
  FOUND_ELSEWHERE.has(alert) || !ALERT_KINDS.some((known) => known === alert);

/**
 * Records whom an alert has reached. Where the bus has as many alerts as it takes, one that no run would find to be over makes room. The result says
 * whether the bus says it then: not where none makes room.
 */
export function recordTold(state: ManagerState, told: Told): { events: WrittenEvent[]; result: boolean } {
  const changes = changesFor(state, told);
  const { alerts } = state.bus;
  const isNew = told.until === undefined && !alerts.some((each) => keyOf(each) === alertKey(told.alert));
  if (!isNew || alerts.length < MAX_ALERTS) return { events: changes, result: true };
  const inTheWay = alerts.find(isUnwatched);
  if (!inTheWay) return { events: [], result: false };
  const { alert, subject } = inTheWay;
  const until = told.alert.since.toISOString();
  return { events: [{ type: 'AlertCleared', alert, subject, until }, ...changes], result: true };
}

/** What is noted of an alert after places were told. */
function notedAs({ alert, until, pending }: Told): NotedAlert {
  const { kind, subject, detail, since } = alert;
  const end = until === undefined ? {} : { until: until.toISOString() };
  return { alert: kind, subject, detail, since: since.toISOString(), pending, ...end };
}

/** What is noted, with what could not be recorded yet in its place. */
export function withUnrecorded(noted: readonly NotedAlert[], unrecorded: readonly Told[]): readonly NotedAlert[] {
  const changed = new Map(unrecorded.map((told) => [alertKey(told.alert), told]));
  const kept = noted.filter((each) => !changed.has(keyOf(each)));
  const own = [...changed.values()].filter(({ until, pending }) => until === undefined || pending.length > 0);
  return [...kept, ...own.map(notedAs)];
}
