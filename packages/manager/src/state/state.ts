import { type CertificateEvent, type ManagedCertificate, nameSetKey, nextActionAt } from '@certbus/events';
import { type BusState, evolve, evolveBus, type ReadEvent } from '@certbus/events/history';

/** What a manager's decisions look at. */
export interface ManagerState {
  readonly bus: BusState;
  /** A managed certificate, removed ones included; `undefined` when the id is unknown. */
  certificate(certificateId: string): ManagedCertificate | undefined;
  /** Those that cover exactly this set of names and are not removed; the key is `nameSetKey`'s. */
  withNames(key: string): readonly ManagedCertificate[];
  /** Those on which a manager should act by `at`, the longest due first. */
  due(at: Date, limit: number): readonly ManagedCertificate[];
  /** The same without end or order, read one by one. */
  allDue(at: Date): Iterable<ManagedCertificate>;
  /** All that are not removed. */
  all(): Iterable<ManagedCertificate>;
  /** DER of an issuer that the bus has said; `undefined` before. */
  issuer(hash: string): Uint8Array | undefined;
}

/** A state on top of another, which takes events without touching the one below. */
export interface Layer extends ManagerState {
  apply(events: readonly ReadEvent[], commit: { readonly at: Date; readonly position: number }): void;
  /** Whether this certificate has changed on this layer. */
  has(certificateId: string): boolean;
}

const isCertificateEvent = (event: object): event is CertificateEvent => 'certificateId' in event;

const isDue = (certificate: ManagedCertificate, at: Date): boolean =>
  (nextActionAt(certificate)?.getTime() ?? Number.POSITIVE_INFINITY) <= at.getTime();

const byUrgency = (a: ManagedCertificate, b: ManagedCertificate): number =>
  (nextActionAt(a)?.getTime() ?? Number.POSITIVE_INFINITY) - (nextActionAt(b)?.getTime() ?? Number.POSITIVE_INFINITY);

/** Puts an empty layer on `base`. */
export function layerOn(base: ManagerState): Layer {
  const changed = new Map<string, ManagedCertificate>();
  const issuers = new Map<string, Uint8Array>();
  let bus: BusState | undefined;

  /** What `base` found and has not changed here, and what changed here and fits. */
  function merge(
    found: Iterable<ManagedCertificate>,
    fits: (certificate: ManagedCertificate) => boolean,
  ): ManagedCertificate[] {
    const below = [...found].filter(({ certificateId }) => !changed.has(certificateId));
    return [...below, ...[...changed.values()].filter((certificate) => !certificate.removed && fits(certificate))];
  }

  const layer: Layer = {
    get bus() {
      return bus ?? base.bus;
    },
    has: (certificateId) => changed.has(certificateId),
    certificate: (certificateId) => changed.get(certificateId) ?? base.certificate(certificateId),
    withNames: (key) => merge(base.withNames(key), ({ names }) => nameSetKey(names) === key),
    due: (at, limit) =>
      merge(base.due(at, limit + changed.size), (certificate) => isDue(certificate, at))
        .sort(byUrgency)
        .slice(0, limit),
    *allDue(at) {
      for (const certificate of base.allDue(at)) if (!changed.has(certificate.certificateId)) yield certificate;
      for (const certificate of changed.values()) if (isDue(certificate, at)) yield certificate;
    },
    *all() {
      for (const certificate of base.all()) if (!changed.has(certificate.certificateId)) yield certificate;
      for (const certificate of changed.values()) if (!certificate.removed) yield certificate;
    },
    issuer: (hash) => issuers.get(hash) ?? base.issuer(hash),
    apply(events, { at, position }) {
      bus = evolveBus(layer.bus, { events, at, position });
      for (const { event } of events) {
        if (!event) continue;
        if (event.type === 'IssuerAdded') issuers.set(event.hash, Buffer.from(event.certificate, 'base64'));
        if (!isCertificateEvent(event)) continue;
        const next = evolve(layer.certificate(event.certificateId), event, { at });
        if (next) changed.set(event.certificateId, next);
      }
    },
  };
  return layer;
}
