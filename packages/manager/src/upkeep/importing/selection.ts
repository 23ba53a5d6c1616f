/** Chooses among certificates that were found: of the same one the first, of one set of names and key type the newest. */
import { nameSetKey, sha256 } from '@certbus/events';
import type { CheckedPair } from './pair.ts';

/** A checked certificate and where it was found. */
export interface Sourced {
  readonly source: string;
  readonly pair: Pick<CheckedPair, 'leaf' | 'names' | 'keyKind' | 'notBefore'>;
}

/** Why each of the others is not taken, by itself. */
export function passOver<T extends Sourced>(found: readonly T[]): ReadonlyMap<T, string> {
  const passed = new Map<T, string>();
  const byLeaf = new Map<string, T>();
  const best = new Map<string, T>();
  for (const each of found) {
    const leafHash = sha256(each.pair.leaf);
    const same = byLeaf.get(leafHash);
    if (same) {
      passed.set(each, `it is the same certificate as ${same.source}`);
      continue;
    }
    byLeaf.set(leafHash, each);
    const subject = `${each.pair.keyKind} ${nameSetKey(each.pair.names)}`;
    const other = best.get(subject);
    const isNewer = !other || each.pair.notBefore > other.pair.notBefore;
    if (isNewer) best.set(subject, each);
    const [older, newer] = isNewer ? [other, each] : [each, other];
    if (older && newer) passed.set(older, `${newer.source} has a newer one for the same names`);
  }
  return passed;
}
