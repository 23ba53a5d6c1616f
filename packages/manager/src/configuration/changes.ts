/** What differs between two configurations, by paths alone. */
import { canonical, type Fields, isFields } from './json.ts';

/** Paths such as `dns.0.zones`, of fields and items. What the values are is left out: some are secrets. */
export interface ConfigurationChanges {
  /** In the configuration that is new. */
  readonly added: readonly string[];
  /** In the configuration that was replaced. */
  readonly removed: readonly string[];
  /** In the configuration that is new; a list itself where only its order differs. */
  readonly changed: readonly string[];
}

const NONE: ConfigurationChanges = { added: [], removed: [], changed: [] };

function join(all: readonly ConfigurationChanges[]): ConfigurationChanges {
  return {
    added: all.flatMap(({ added }) => added),
    removed: all.flatMap(({ removed }) => removed),
    changed: all.flatMap(({ changed }) => changed),
  };
}

const inside = (path: string, key: string | number): string => (path ? `${path}.${key}` : String(key));

function changesOfFields(before: Fields, after: Fields, path: string): ConfigurationChanges {
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  return join(
    [...keys].map((key) => {
      const here = inside(path, key);
      if (!Object.hasOwn(before, key)) return { ...NONE, added: [here] };
      if (!Object.hasOwn(after, key)) return { ...NONE, removed: [here] };
      return changesBetween(before[key], after[key], here);
    }),
  );
}

const textsOf = (item: Fields): readonly string[] => Object.entries(item).map(canonical);

/** For each item the index of the one that it was: the same, or else the first of the most similar that are left; -1 for a new one. */
function originsOf(before: readonly Fields[], after: readonly Fields[]): readonly number[] {
  const left = new Map(before.map((item, index) => [index, new Set(textsOf(item))]));
  const take = (index: number) => (left.delete(index) ? index : -1);
  const byText = Map.groupBy(before.keys(), (index) => canonical(before[index]));
  const same = after.map((item) => take(byText.get(canonical(item))?.shift() ?? -1));
  return same.map((origin, index) => {
    if (origin >= 0) return origin;
    const texts = textsOf(after[index] ?? {});
    let best = { at: -1, common: 0 };
    for (const [at, known] of left) {
      const common = texts.filter((text) => known.has(text)).length;
      if (common > best.common) best = { at, common };
    }
    return take(best.at);
  });
}

function changesOfItems(before: readonly Fields[], after: readonly Fields[], path: string): ConfigurationChanges {
  const origins = originsOf(before, after);
  const kept = origins.filter((origin) => origin >= 0);
  const isReordered = kept.some((origin, index) => origin < (kept[index - 1] ?? -1));
  const isKept = new Set(kept);
  const gone = [...before.keys()].filter((index) => !isKept.has(index));
  return join([
    isReordered ? { ...NONE, changed: [path] } : NONE,
    ...after.map((item, index) => {
      const [origin, here] = [before[origins[index] ?? -1], inside(path, index)];
      return origin ? changesBetween(origin, item, here) : { ...NONE, added: [here] };
    }),
    { ...NONE, removed: gone.map((index) => inside(path, index)) },
  ]);
}

/** What is to be done to `before` to get `after`. Items of lists are compared with the ones most like them, wherever they are. */
export function changesBetween(before: unknown, after: unknown, path = ''): ConfigurationChanges {
  if (isFields(before) && isFields(after)) return changesOfFields(before, after, path);
  if (Array.isArray(before) && Array.isArray(after) && [...before, ...after].every(isFields))
    return changesOfItems(before, after, path);
  return canonical(before) === canonical(after) ? NONE : { ...NONE, changed: [path] };
}
