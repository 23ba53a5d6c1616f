/** Record sets as the API of PowerDNS has them. */
import { isRecord } from '@certbus/acme/solver-kit';
import { canonical } from '../../dns/lookups.ts';

/** A record of a set, as PowerDNS tells and takes it. */
export interface ZoneRecord {
  /** In the form of a zone file: TXT values are quoted. */
  readonly content: string;
  readonly disabled: boolean;
}

/** The TXT records of a name. */
export interface TxtSet {
  readonly name: string;
  readonly ttlS: number;
  readonly records: readonly ZoneRecord[];
}

/** The TXT sets of names in what PowerDNS tells of a zone; old versions tell all of it, whatever was asked for. */
export function parseTxtSets(zone: unknown, names: readonly string[]): Map<string, TxtSet> {
  const wanted = new Set(names);
  const sets = isRecord(zone) && Array.isArray(zone['rrsets']) ? zone['rrsets'].filter(isRecord) : [];
  const found = new Map<string, TxtSet>();
  for (const { name: fullName, type, ttl, records } of sets) {
    const name = canonical(String(fullName));
    if (type !== 'TXT' || !wanted.has(name) || !Array.isArray(records)) continue;
    const kept = records.filter(isRecord).map(({ content, disabled }) => {
      return { content: String(content), disabled: disabled === true };
    });
    found.set(name, { name, ttlS: Number(ttl), records: kept });
  }
  return found;
}

const quote = (value: string): string => `"${value}"`;

/** Whether a set shows a value: a record that is disabled does not. */
export const hasValue = (set: TxtSet | undefined, value: string): boolean =>
  set?.records.some(({ content, disabled }) => content === quote(value) && !disabled) ?? false;

/** The set with values added; all other records, disabled ones among them, and the TTL stay. */
export function withAdded(set: TxtSet | undefined, name: string, values: readonly string[], ttlS: number): TxtSet {
  const others = (set?.records ?? []).filter(({ content }) => !values.map(quote).includes(content));
  const added = values.map((value) => ({ content: quote(value), disabled: false }));
  return { name, ttlS: set?.ttlS ?? ttlS, records: [...others, ...added] };
}

/** The set without values. */
export function withRemoved(set: TxtSet, values: readonly string[]): TxtSet {
  return { ...set, records: set.records.filter(({ content }) => !values.map(quote).includes(content)) };
}

/** The change that puts a set in the place of what is there. */
export function replacement({ name, ttlS, records }: TxtSet): object {
  const key = { name: `${name}.`, type: 'TXT' };
  if (records.length === 0) return { ...key, changetype: 'DELETE' };
  return { ...key, changetype: 'REPLACE', ttl: ttlS, records };
}
