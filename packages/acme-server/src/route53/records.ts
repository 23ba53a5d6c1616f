/** Record sets, and batches of changes to them. */

/** A record set as Route 53 keeps it. */
export interface StoredSet {
  /** Lower case, without the closing dot. */
  readonly name: string;
  readonly type: string;
  /** Seconds. */
  readonly ttl: number;
  /** As in master files: strings of TXT records are quoted. */
  readonly values: readonly string[];
}

/** Record sets of one zone by {@link setKey}. */
export type RecordSets = ReadonlyMap<string, StoredSet>;

/** One change of a batch. */
export interface StoredChange {
  readonly action: 'CREATE' | 'DELETE' | 'UPSERT';
  readonly set: StoredSet;
}

const TYPES = new Set(['TXT', 'NS', 'SOA', 'CNAME', 'A', 'AAAA', 'CAA', 'MX']);
const MAX_STRING_BYTES = 255;
const MAX_TXT_CHARACTERS = 4000;
const MAX_NAME = 253;
const MAX_LABEL = 63;

/** The name of a record set within its zone. */
export function setKey({ name, type }: Pick<StoredSet, 'name' | 'type'>): string {
  return `${name} ${type}`;
}

/** The order of ListResourceRecordSets: labels reversed, with the closing dot, by ASCII; then by type. */
export function compareSets(one: Pick<StoredSet, 'name' | 'type'>, other: Pick<StoredSet, 'name' | 'type'>): number {
  const [a, b] = [one, other].map(({ name, type }) => `${name.split('.').toReversed().join('.')}. ${type}`);
  if (a === b) return 0;
  return (a ?? '') < (b ?? '') ? -1 : 1;
}

/** The strings of a TXT value; `undefined` where it is not one or more quoted strings. */
export function txtStrings(value: string): Buffer[] | undefined {
  if (!/^"(?:[^"\\]|\\.)*"(?:\s+"(?:[^"\\]|\\.)*")*$/s.test(value)) return undefined;
  return [...value.matchAll(/"((?:[^"\\]|\\.)*)"/gs)].map(([, inner = '']) => {
    const bytes = inner.replaceAll(/\\([0-7]{3}|.)/gs, (_, code: string) =>
      code.length === 3 ? String.fromCharCode(Number.parseInt(code, 8) % 256) : code,
    );
    return Buffer.from(bytes, 'latin1');
  });
}

const invalid = (problem: string, value: string): string =>
  `Invalid Resource Record: 'FATAL problem: ${problem} encountered with '${value}''`;

function faultOfTxt(value: string): string | undefined {
  const strings = txtStrings(value);
  if (!strings) return invalid('InvalidCharacterString (Value should be enclosed in quotation marks)', value);
  if (strings.some(({ length }) => length > MAX_STRING_BYTES) || value.length > MAX_TXT_CHARACTERS)
    return invalid('CharacterStringTooLong (Value is too long)', value);
  return undefined;
}

function faultOfSet({ name, type, ttl, values }: StoredSet, zone: string): string | undefined {
  if (name !== zone && !name.endsWith(`.${zone}`))
    return `RRSet with DNS name ${name}. is not permitted in zone ${zone}.`;
  if (name.length > MAX_NAME || name.split('.').some(({ length }) => length === 0 || length > MAX_LABEL))
    return `FATAL problem: DomainLabelTooLong (Domain label is too long) encountered with '${name}.'`;
  if (!TYPES.has(type)) return `The type ${type} of [name='${name}.', type='${type}'] is not known`;
  if (values.length === 0 || !Number.isInteger(ttl) || ttl < 0 || ttl > 2_147_483_647)
    return `Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or TrafficPolicyInstanceId], but found none in Change with [Name=${name}., Type=${type}]`;
  const double = values.find((value, at) => values.indexOf(value) !== at);
  if (double !== undefined) return `Duplicate Resource Record: '${double}'`;
  return type === 'TXT' ? values.map(faultOfTxt).find((fault) => fault !== undefined) : undefined;
}

function isExact(current: StoredSet | undefined, { ttl, values }: StoredSet): boolean {
  const sorted = (list: readonly string[]) => JSON.stringify(list.toSorted());
  return current?.ttl === ttl && sorted(current.values) === sorted(values);
}

function conflictOf(sets: RecordSets, { name, type }: StoredSet, zone: string): string | undefined {
  const others = [...TYPES].filter((each) => each !== type && sets.has(setKey({ name, type: each })));
  const conflicting = type === 'CNAME' ? others[0] : others.find((each) => each === 'CNAME');
  if (!conflicting) return undefined;
  return `RRSet of type ${type} with DNS name ${name}. is not permitted because a conflicting RRSet of type ${conflicting} with the same DNS name already exists in zone ${zone}.`;
}

function applyChange(sets: Map<string, StoredSet>, { action, set }: StoredChange, zone: string): string | undefined {
  const key = setKey(set);
  const current = sets.get(key);
  const what = `resource record set [name='${set.name}.', type='${set.type}']`;
  if (action === 'DELETE') {
    if (!current) return `Tried to delete ${what} but it was not found`;
    if (!isExact(current, set))
      return `Tried to delete ${what} but the values provided do not match the current values`;
    if (set.name === zone && (set.type === 'SOA' || set.type === 'NS'))
      return `A HostedZone must contain at least one ${set.type} record for the zone itself.`;
    sets.delete(key);
    return undefined;
  }
  if (action === 'CREATE' && current) return `Tried to create ${what} but it already exists`;
  const conflict = conflictOf(sets, set, zone);
  if (conflict) return conflict;
  sets.set(key, set);
  return undefined;
}

/** Applies a batch to a copy: all of it, or nothing, with a reason for each change that is refused. */
export function applyBatch(
  sets: RecordSets,
  changes: readonly StoredChange[],
  zone: string,
): { readonly sets: RecordSets; readonly faults: readonly string[] } {
  const next = new Map(sets);
  const faults = changes
    .map((change) => faultOfSet(change.set, zone) ?? applyChange(next, change, zone))
    .filter((fault) => fault !== undefined);
  return faults.length === 0 ? { sets: next, faults } : { sets, faults };
}

/** What a batch costs of the two limits on its size, and of the change throughput. */
export function costOf(changes: readonly StoredChange[]): { elements: number; characters: number; tokens: number } {
  const cost = { elements: 0, characters: 0, tokens: 0 };
  for (const { action, set } of changes) {
    const weight = action === 'UPSERT' ? 2 : 1;
    cost.elements += weight * set.values.length;
    cost.characters += weight * set.values.reduce((sum, { length }) => sum + length, 0);
    cost.tokens += weight;
  }
  return cost;
}
