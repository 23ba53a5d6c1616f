/** The state that a manager decides on, and layers of changes on top of it. */
import {
  type CertificateEvent,
  dutyOf,
  type IssuedCertificate,
  type ManagedCertificate,
  nameSetKey,
  nextActionAt,
} from '@certbus/events';
import { type BusState, evolve, evolveBus, ledgerEntries, type ReadEvent } from '@certbus/events/history';
import type { ListedCertificate, SpendingStretch } from '@certbus/replica';
import { createSpendingLayer, type Spending } from './spending.ts';

/** Which certificates are put off. */
export interface PauseRange {
  readonly until: Date;
  readonly wantedBy: Date;
}

/** Which instant is looked for. */
export interface NextDueOptions {
  /** It is behind this one. Default: anywhere, also in the past. */
  readonly after?: Date;
  /** Certificates that do not count. Default none. */
  readonly isExcepted?: (certificateId: string) => boolean;
}

/** What a manager's decisions look at. */
export interface ManagerState {
  readonly bus: BusState;
  /** A managed certificate, removed ones included; `undefined` when the id is unknown. */
  certificate(certificateId: string): ManagedCertificate | undefined;
  /** Those that cover exactly this set of names and are not removed; the key is `nameSetKey`'s. */
  withNames(key: string): readonly ManagedCertificate[];
  /** Those on which a manager should act by `at`, the longest due first, read as they are asked for. */
  due(at: Date): Iterable<ManagedCertificate>;
  /** The first instant at which a manager should act on any certificate; `undefined` for none. MUST be read from an index. */
  nextDue(options?: NextDueOptions): Date | undefined;
  /** Those that are wanted by `wantedBy` and that a claim or a back-off puts off until after `until`, read as they are asked for. */
  paused(range: PauseRange): Iterable<ManagedCertificate>;
  /** All that are not removed. */
  all(): Iterable<ManagedCertificate>;
  /** The same for lists, which do not need all that there is of them: in no order, and many times as fast where there are many. */
  listed(): Iterable<ListedCertificate>;
  /** Removed ones of which a leaf that was not revoked ends after `at`, read as they are asked for. */
  retired(at: Date): Iterable<ManagedCertificate>;
  /** Those whose names were first found lost after an instant and are lost still. */
  lostSince(after: Date): Iterable<ManagedCertificate>;
  /** DER of an issuer that the bus has said; `undefined` before. */
  issuer(hash: string): Uint8Array | undefined;
  /** What was spent of a CA's limit in a stretch of time, which begins 15 days ago at most; the key is `ledgerKey`'s. */
  spending(key: string, stretch: SpendingStretch): Spending;
}

/** A state on top of another, which takes events without touching the one below. */
export interface Layer extends ManagerState {
  apply(
    events: readonly ReadEvent[],
    commit: { readonly at: Date; readonly position: number; readonly keyId?: string | undefined },
  ): void;
  /** How many events of certificates this layer has taken. */
  readonly size: number;
  /** Whether this certificate has changed on this layer. */
  has(certificateId: string): boolean;
}

const isCertificateEvent = (event: object): event is CertificateEvent => 'certificateId' in event;

const dueAt = (certificate: ManagedCertificate): number =>
  nextActionAt(certificate)?.getTime() ?? Number.POSITIVE_INFINITY;

function isPaused(certificate: ManagedCertificate, { until, wantedBy }: PauseRange): boolean {
  const duty = dutyOf(certificate);
  return duty?.pausedUntil !== undefined && duty.pausedUntil > until && duty.wantedAt <= wantedBy;
}

/** Puts an empty layer on `base`. */
export function layerOn(base: ManagerState): Layer {
  const changed = new Map<string, ManagedCertificate>();
  const issuers = new Map<string, Uint8Array>();
  const spending = createSpendingLayer();
  let bus: BusState | undefined;
  let size = 0;

  const changedThat = (fits: (certificate: ManagedCertificate) => boolean): ManagedCertificate[] =>
    [...changed.values()].filter((certificate) => !certificate.removed && fits(certificate));

  /** What `base` found and has not changed here. */
  function* unchanged<T extends Pick<ManagedCertificate, 'certificateId'>>(found: Iterable<T>): Iterable<T> {
    for (const certificate of found) if (!changed.has(certificate.certificateId)) yield certificate;
  }

  const layer: Layer = {
    get bus() {
      return bus ?? base.bus;
    },
    get size() {
      return size;
    },
    has: (certificateId) => changed.has(certificateId),
    certificate: (certificateId) => changed.get(certificateId) ?? base.certificate(certificateId),
    withNames: (key) => [...unchanged(base.withNames(key)), ...changedThat(({ names }) => nameSetKey(names) === key)],
    *due(at) {
      const waiting = changedThat((certificate) => dueAt(certificate) <= at.getTime());
      // The last is the next.
      waiting.sort((one, other) => dueAt(other) - dueAt(one));
      for (const certificate of unchanged(base.due(at))) {
        for (let last = waiting.at(-1); last && dueAt(last) <= dueAt(certificate); last = waiting.at(-1)) {
          yield last;
          waiting.pop();
        }
        yield certificate;
      }
      yield* waiting.reverse();
    },
    nextDue({ after, isExcepted = () => false } = {}) {
      const isBehind = (certificate: ManagedCertificate) => after === undefined || dueAt(certificate) > after.getTime();
      const here = changedThat((certificate) => isBehind(certificate) && !isExcepted(certificate.certificateId)).map(
        dueAt,
      );
      const below = base.nextDue({
        ...(after ? { after } : {}),
        isExcepted: (certificateId) => changed.has(certificateId) || isExcepted(certificateId),
      });
      const next = Math.min(below?.getTime() ?? Number.POSITIVE_INFINITY, ...here);
      return Number.isFinite(next) ? new Date(next) : undefined;
    },
    *paused(range) {
      const here = changedThat((certificate) => isPaused(certificate, range));
      yield* unchanged(base.paused(range));
      yield* here;
    },
    *all() {
      yield* unchanged(base.all());
      yield* changedThat(() => true);
    },
    *listed() {
      yield* unchanged(base.listed());
      yield* changedThat(() => true);
    },
    *retired(at) {
      yield* unchanged(base.retired(at));
      const isValid = ({ notAfter }: IssuedCertificate) => Date.parse(notAfter) > at.getTime();
      yield* [...changed.values()].filter(({ removed, retired }) => removed && retired?.some(isValid));
    },
    *lostSince(after) {
      yield* unchanged(base.lostSince(after));
      yield* changedThat(({ lost }) => lost !== undefined && Date.parse(lost.since) > after.getTime());
    },
    issuer: (hash) => issuers.get(hash) ?? base.issuer(hash),
    spending: (key, stretch) => spending.on(base.spending(key, stretch), key, stretch),
    apply(events, { at, position, keyId }) {
      bus = evolveBus(layer.bus, { events, at, position });
      for (const { event, distrusted } of events) {
        if (!event) continue;
        if (event.type === 'IssuerAdded') issuers.set(event.hash, Buffer.from(event.certificate, 'base64'));
        if (!isCertificateEvent(event)) continue;
        size += 1;
        const before = layer.certificate(event.certificateId);
        if (!distrusted) spending.add(ledgerEntries(event, { before, at }), position);
        const next = evolve(before, event, { at, position, keyId, distrusted });
        if (next) changed.set(event.certificateId, next);
      }
    },
  };
  return layer;
}
