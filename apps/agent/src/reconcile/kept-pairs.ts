/** Pairs that were opened and checked, kept in memory for the next target, and for a balancer that was started again and has none. */
import type { MaterialSource } from '@certbus/client/material';
import type { Pair } from '../pairs/pair.ts';

/** What they may take together, bytes: some 10,000 pairs. What is more than that is opened each time. */
const MOST_BYTES = 16_000_000;
/** What an entry takes besides chain and key. */
const ENTRY_BYTES = 500;

interface Kept {
  readonly pair: Pair;
  /** Before then another leaf may have ranked first. */
  readonly from: Date;
  /** From then on another leaf may rank first; `undefined`: not by time alone. */
  readonly until: Date | undefined;
  readonly bytes: number;
}

/** The pairs of one source. */
export interface KeptPairs {
  /** The pair of a certificate's current leaf, where that is what is to be served now. */
  get(current: Pick<Pair, 'certificateId' | 'leafHash'>, now: Date): Pair | undefined;
  /** Keeps a pair that was opened now, while there is room. */
  keep(pair: Pair, during: { readonly now: Date; readonly until: Date | undefined }): void;
}

/** Pairs share their issuers. */
const bytesOf = ({ chain, key }: Pair): number => (chain[0]?.byteLength ?? 0) + key.byteLength + ENTRY_BYTES;

function createKeptPairs(source: Pick<MaterialSource, 'on'>): KeptPairs {
  const pairs = new Map<string, Kept>();
  let bytes = 0;
  function drop(certificateId: string): void {
    bytes -= pairs.get(certificateId)?.bytes ?? 0;
    pairs.delete(certificateId);
  }
  source.on('changed', ({ certificateId }) => drop(certificateId));
  source.on('rebuilt', () => {
    pairs.clear();
    bytes = 0;
  });
  return {
    get({ certificateId, leafHash }, now) {
      const kept = pairs.get(certificateId);
      if (!kept) return undefined;
      const { pair, from, until } = kept;
      if (pair.leafHash === leafHash && now >= from && now < pair.notAfter && (until === undefined || now < until))
        return pair;
      drop(certificateId);
      return undefined;
    },
    keep(pair, { now, until }) {
      drop(pair.certificateId);
      const entry = { pair, from: now, until, bytes: bytesOf(pair) };
      if (bytes + entry.bytes > MOST_BYTES) return;
      bytes += entry.bytes;
      pairs.set(pair.certificateId, entry);
    },
  };
}

const bySource = new WeakMap<object, KeptPairs>();

/** The pairs that are kept of a source, from its first use on. */
export function keptPairsOf(source: Pick<MaterialSource, 'on'>): KeptPairs {
  const known = bySource.get(source);
  if (known) return known;
  const made = createKeptPairs(source);
  bySource.set(source, made);
  return made;
}
