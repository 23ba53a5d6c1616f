/** A hosted zone: what the API shows, and what its name servers serve. */
import { applyBatch, compareSets, type RecordSets, type StoredChange, type StoredSet, setKey } from './records.ts';

/** A hosted zone as a test asks for it. */
export interface Route53ZoneOptions {
  readonly id: string;
  readonly name: string;
  /** Default false. Private zones are not served to the world. */
  readonly isPrivate?: boolean;
  /** Whether the world asks this zone. Default: it is public and the first of its name. */
  readonly isDelegated?: boolean;
}

/** A hosted zone, and what another writer with rights on it does. */
export interface Route53Zone {
  readonly id: string;
  readonly name: string;
  readonly isPrivate: boolean;
  readonly isDelegated: boolean;
  /** Values of a TXT record as the API has them, quoted. */
  txt(name: string): readonly string[];
  set(name: string, type: string): StoredSet | undefined;
  /** How many record sets there are, NS and SOA among them. */
  readonly size: number;
  /** Writes a record set past all limits, in sync at once. */
  put(name: string, type: string, values: readonly string[], ttl?: number): void;
  /** Removes a record set past all limits, in sync at once. */
  remove(name: string, type: string): void;
}

/** One state of a zone, and from when on its name servers show it (ms since 1970). */
interface Version {
  readonly sets: RecordSets;
  readonly from: number;
}

/** The zone with what the fake alone may do. */
export interface ZoneState extends Route53Zone {
  /** Record sets as the API has them. */
  readonly sets: RecordSets;
  /** Record sets as the name servers show them. */
  served(at: Date): RecordSets;
  /** Record sets from one on, in the API's order. */
  from(name: string, type: string): StoredSet[];
  /** Applies a batch and returns the faults for which it did not. */
  apply(changes: readonly StoredChange[], when: { readonly now: Date; readonly inSyncAt: Date }): readonly string[];
  /** Until when another batch is refused. */
  busyUntil: number;
}

const bare = (name: string): string => name.toLowerCase().replace(/\.$/, '');

/** Opens a zone with the SOA and NS records that Route 53 gives it. `isFirst`: it is the first of its name. */
export function openZone(
  options: Route53ZoneOptions,
  { nameServer, isFirst }: { readonly nameServer: string; readonly isFirst: boolean },
): ZoneState {
  const name = bare(options.name);
  const { id, isPrivate = false, isDelegated = isFirst && !isPrivate } = options;
  let versions: Version[] = [{ sets: new Map(), from: 0 }];

  const current = (): RecordSets => versions.at(-1)?.sets ?? new Map();

  /** Changes every version, as if it had always been so. */
  function edit(change: (sets: Map<string, StoredSet>) => void): void {
    versions = versions.map(({ sets, from }) => {
      const next = new Map(sets);
      change(next);
      return { sets: next, from };
    });
  }

  const zone: ZoneState = {
    id,
    name,
    isPrivate,
    isDelegated,
    busyUntil: 0,
    get sets() {
      return current();
    },
    get size() {
      return current().size;
    },
    set: (of, type) => current().get(setKey({ name: bare(of), type })),
    txt: (of) => current().get(setKey({ name: bare(of), type: 'TXT' }))?.values ?? [],
    put(of, type, values, ttl = 300) {
      const set = { name: bare(of), type, ttl, values };
      edit((sets) => sets.set(setKey(set), set));
    },
    remove: (of, type) => edit((sets) => sets.delete(setKey({ name: bare(of), type }))),
    served(at) {
      const due = versions.findLastIndex(({ from }) => from <= at.getTime());
      return versions[Math.max(due, 0)]?.sets ?? new Map();
    },
    from(of, type) {
      const start = { name: bare(of), type };
      const sorted = [...current().values()].toSorted(compareSets);
      return of === '' ? sorted : sorted.filter((set) => compareSets(set, start) >= 0);
    },
    apply(changes, { now, inSyncAt }) {
      const { sets, faults } = applyBatch(current(), changes, name);
      if (faults.length > 0) return faults;
      const due = versions.findLastIndex(({ from }) => from <= now.getTime());
      versions = [...versions.slice(Math.max(due, 0)), { sets, from: inSyncAt.getTime() }];
      return faults;
    },
  };
  zone.put(name, 'SOA', [`${nameServer}. hostmaster.${name}. 1 7200 900 1209600 86400`], 900);
  zone.put(name, 'NS', [`${nameServer}.`], 172_800);
  return zone;
}
