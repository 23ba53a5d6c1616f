/** Tells people of alerts, at all places of the configuration, and records whom that reached. */
import type { NotedAlert } from '@certbus/events/history';
import type { Outgoing } from '@certbus/store/outgoing';
import type { Configuration } from '../../configuration/configuration.ts';
import { type Context, decide } from '../../context.ts';
import {
  ALERT_KINDS,
  type Alert,
  type AlertKind,
  alertKey,
  alertOf,
  FOUND_ELSEWHERE,
  fitAlert,
} from '../../decide/alert.ts';
import {
  type Delivery,
  planDeliveries,
  recordTold,
  type Told,
  tellsAt,
  withUnrecorded,
} from '../../decide/deliveries.ts';
import { findAlerts } from '../../decide/find-alerts.ts';
import type { RenewalOutcome } from '../../renewal/outcome.ts';
import { messageOf, testMessage } from './message.ts';
import { readAlertPicture } from './picture.ts';
import { createPlaceStates } from './place-states.ts';
import { tell } from './places.ts';

/** An Alertmanager is sent what is still raised as often as that, at most. */
const REPEAT_MS = 60_000;
/** While anything is raised, there is a look so often whether it is over. */
const LOOK_AGAIN_MS = 300_000;
/** Nobody has written to the bus for so long: a heartbeat is due after half of it. */
const SILENT_MS = 48 * 3_600_000;

/** What alerts are sent by, and until when. */
export interface AnnounceOptions {
  readonly config: Configuration;
  readonly signal: AbortSignal;
}

/** What a run has met. */
export interface RunAlerts extends AnnounceOptions {
  readonly outcomes: readonly RenewalOutcome[];
  /** When the newest commit was signed that was on the bus as the run began; `undefined` on an empty bus. */
  readonly newestAt: string | undefined;
  /** Whether the bus could be read. Where not, people are told by each manager for itself, and of nothing that it is over. */
  readonly isBusThere: boolean;
}

/** How telling people went. */
export interface AlertsResult {
  /** Why places could not be told, or that could not be recorded; empty where all went well. */
  readonly errors: readonly unknown[];
  /** When there is something to tell again; `undefined` for nothing that is known. */
  readonly next: Date | undefined;
}

/** What became of a test. */
export interface AlertTest {
  /** Name of the place in the configuration. */
  readonly name: string;
  /** Why it did not take the test; `undefined` where it did. */
  readonly error: unknown;
}

/** Tells people what a manager finds. All that it does rejects with the signal's reason, and for nothing else. */
export interface Announcer {
  /** Tells what is found after a run, or in the place of one that could not read the bus. */
  afterRun(run: RunAlerts): Promise<AlertsResult>;
  /** Tells of one kind that is found where it happens; of its alerts that are not in `found`, that they are over. */
  about(kind: AlertKind, found: readonly Alert[], options: AnnounceOptions): Promise<AlertsResult>;
  /** Sends a test to all places, or to those that are named. Nothing is recorded. */
  test(options: AnnounceOptions & { readonly names?: readonly string[] | undefined }): Promise<readonly AlertTest[]>;
}

/** What is to be told. */
interface Announcement extends AnnounceOptions {
  readonly kinds: readonly AlertKind[];
  readonly found: readonly Alert[];
  /** Whether it can be recorded. */
  readonly isBusThere: boolean;
  /** When to look whether alerts of others are recorded. */
  readonly lookAt?: Date | undefined;
}

/** When the newest commit was signed, where that is too long ago. */
function silentSince(newestAt: string | undefined, now: Date): Date | undefined {
  const newest = newestAt === undefined ? undefined : new Date(newestAt);
  return newest && now.getTime() - newest.getTime() > SILENT_MS ? newest : undefined;
}

const earliest = (dates: readonly (Date | undefined)[]): Date | undefined => {
  const times = dates.flatMap((date) => date?.getTime() ?? []);
  return times.length > 0 ? new Date(Math.min(...times)) : undefined;
};

const isRaised = ({ until }: NotedAlert): boolean => until === undefined;

/** Makes the announcer of one manager, which remembers what it could not record. */
export function createAnnouncer(
  context: Context,
  { outgoing }: { readonly outgoing: Outgoing | undefined },
): Announcer {
  const { view, secrets, now, holder } = context;
  const { busId } = context.bus.trust;
  const states = createPlaceStates();
  /** Whom alerts have reached, where the bus does not say so yet. */
  const unrecorded = new Map<string, Told>();
  let last: Promise<unknown> = Promise.resolve();

  const readNoted = () => withUnrecorded(view.state.bus.alerts, [...unrecorded.values()]);

  /** Sends each place what it is to be told; resolves with the names of those that did not take it. */
  async function sendAll(
    deliveries: readonly Delivery[],
    { config, signal, raised }: AnnounceOptions & { readonly raised: readonly Alert[] },
  ): Promise<ReadonlySet<string>> {
    const failed = new Set<string>();
    const at = now();
    const delivered = new Set(deliveries.map(({ alert }) => alertKey(alert)));
    const again = raised.filter((alert) => !delivered.has(alertKey(alert)));
    const sendTo = async ([name, sink]: [string, NonNullable<Configuration['alerts']>[string]]) => {
      const own = deliveries.filter(({ places }) => places.includes(name));
      const { notBefore, sentAt } = states.of(name, at);
      const isRepeated = 'alertmanager' in sink && at.getTime() - (sentAt?.getTime() ?? 0) >= REPEAT_MS;
      const repeated = isRepeated || (own.length > 0 && 'alertmanager' in sink) ? again : [];
      const messages = [
        ...own.map(({ alert, until }) => messageOf(alert, { busId, until })),
        ...repeated.map((alert) => messageOf(alert, { busId, until: undefined })),
      ];
      if (messages.length === 0) return;
      if (notBefore > at) {
        failed.add(name);
        return;
      }
      try {
        await tell({ name, sink }, messages, { secrets, outgoing, busId, now: at, signal });
        states.took(name, at);
      } catch (error) {
        signal.throwIfAborted();
        failed.add(name);
        states.failed(name, error, at);
      }
    };
    await Promise.all(Object.entries(config.alerts ?? {}).map(sendTo));
    return failed;
  }

  async function recordOne(told: Told, signal: AbortSignal): Promise<void> {
    const { events, result } = recordTold(view.state, told);
    const isTaken = events.length > 0 ? await decide(context, (state) => recordTold(state, told), { signal }) : result;
    if (isTaken) unrecorded.delete(alertKey(told.alert));
  }

  /** Records what is not on the bus yet; resolves with why that is not possible. */
  async function record(signal: AbortSignal): Promise<unknown> {
    const told = [...unrecorded.values()];
    // What is over makes room for what is raised.
    const inOrder = [...told.filter(({ until }) => until), ...told.filter(({ until }) => !until)];
    // A decision for each: they share commits as long as these have room, and one that fails keeps no other from the bus.
    const settled = await Promise.allSettled(inOrder.map((each) => recordOne(each, signal)));
    signal.throwIfAborted();
    return settled.find((each) => each.status === 'rejected')?.reason;
  }

  async function announce(announcement: Announcement): Promise<AlertsResult> {
    const { config, kinds, found, isBusThere, signal, lookAt } = announcement;
    const places = Object.keys(config.alerts ?? {});
    const noted = readNoted();
    // Nobody is to be told, and what was said before is not kept.
    const wanted = places.length > 0 ? found : [];
    const deliveries = planDeliveries({ noted, found: wanted, kinds, places, now: now() });
    const over = new Set(deliveries.flatMap(({ alert, until }) => (until ? [alertKey(alert)] : [])));
    const raised = noted.filter(isRaised).flatMap((each) => alertOf(each) ?? []);
    const failed = await sendAll(deliveries, {
      config,
      signal,
      raised: raised.filter((alert) => !over.has(alertKey(alert))),
    });
    for (const { places: asked, ...delivery } of deliveries)
      unrecorded.set(alertKey(delivery.alert), { ...delivery, pending: asked.filter((name) => failed.has(name)) });
    const recordError = isBusThere && unrecorded.size > 0 ? await record(signal) : undefined;
    const failures = [...failed].map((name) => states.of(name, now()));
    const errors = failures.map(({ error }) => error);
    const tryAgain = failures.map(({ notBefore }) => notBefore);
    const look = readNoted().some(isRaised) ? new Date(now().getTime() + LOOK_AGAIN_MS) : undefined;
    return {
      errors: recordError === undefined ? errors : [...errors, recordError],
      next: earliest([...tryAgain, look, lookAt]),
    };
  }

  /** One after the other: what the one before has recorded is not told again. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const own = last.then(work);
    last = own.catch(() => {});
    return own;
  }

  async function afterRun({ outcomes, newestAt, ...run }: RunAlerts): Promise<AlertsResult> {
    const { config, isBusThere } = run;
    const noted = readNoted();
    if (!config.alerts && noted.length === 0) return { errors: [], next: undefined };
    await view.written();
    const at = now();
    const silent = silentSince(newestAt, at);
    const all = findAlerts(readAlertPicture(context, { config, noted, outcomes, silentSince: silent }), at);
    const isOwn = outcomes.some(({ error }) => error !== undefined);
    const known = new Set(noted.filter(isRaised).map(({ alert, subject }) => `${alert} ${subject}`));
    const tells = (alert: Alert) => (isOwn || known.has(alertKey(alert)) ? undefined : tellsAt(alert, holder));
    const later = all.flatMap((alert) => {
      const from = tells(alert);
      return from && from > at ? [from] : [];
    });
    const found = all.filter((alert) => (tells(alert) ?? at) <= at);
    const kinds = isBusThere ? ALERT_KINDS.filter((kind) => !FOUND_ELSEWHERE.has(kind)) : [];
    return announce({ ...run, kinds, found, lookAt: earliest(later) });
  }

  return {
    afterRun: (run) => inTurn(() => afterRun(run)),
    about: (kind, found, options) =>
      inTurn(() => announce({ ...options, kinds: [kind], found: found.map(fitAlert), isBusThere: true })),
    async test({ config, names, signal }) {
      const places = Object.entries(config.alerts ?? {}).filter(([name]) => names?.includes(name) ?? true);
      const message = testMessage({ now: now(), holder });
      return Promise.all(
        places.map(async ([name, sink]): Promise<AlertTest> => {
          try {
            await tell({ name, sink }, [message], { secrets, outgoing, busId, now: now(), signal });
            return { name, error: undefined };
          } catch (error) {
            signal.throwIfAborted();
            return { name, error };
          }
        }),
      );
    },
  };
}
