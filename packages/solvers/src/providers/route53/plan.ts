/** Plans a batch of changes to one zone. */
import type { Change, ResourceRecordSet } from '@aws-sdk/client-route-53';
import { AcmeError } from '@certbus/acme';
import { quote, withoutValues, withValues } from '../../dns/txt-values.ts';
import { MAX_VALUES, tooManyValues } from '../../dns/visible.ts';
import { explain } from './call.ts';

/** One value that shall be under a name, or shall not. */
export interface Edit {
  readonly action: 'add' | 'remove';
  /** Lower case, without the closing dot. */
  readonly name: string;
  /** As DNS shows it, not quoted. */
  readonly value: string;
}

/** What one batch may hold (developer guide, "Quotas"). */
const BATCH_LIMITS = { elements: 1000, characters: 32_000 } as const;

const TTL_S = 30;

/** The values of a set, quoted. Throws `CERTBUS_ACME_SOLVER_FAILED` for a set that no value can be added to. */
export function valuesOf(name: string, set: ResourceRecordSet | undefined): string[] {
  if (!set?.SetIdentifier && !set?.AliasTarget) return (set?.ResourceRecords ?? []).map(({ Value }) => Value ?? '');
  const message = `The TXT record ${name} has a routing policy or is an alias, so no value can be added. Make it a simple record.`;
  throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
}

/** The values after an edit. Throws `CERTBUS_ACME_SOLVER_FAILED` where they would become too many. */
export function editValues(values: readonly string[], { action, name, value }: Edit): string[] {
  const edited = action === 'add' ? withValues(values, [quote(value)]) : withoutValues(values, [quote(value)]);
  if (edited.length <= MAX_VALUES || edited.length <= values.length) return edited;
  throw tooManyValues(name, edited.length);
}

/** A set with other values; `undefined` where none is left. */
export function setWith(
  name: string,
  old: ResourceRecordSet | undefined,
  values: readonly string[],
): ResourceRecordSet | undefined {
  if (values.length === 0) return undefined;
  const base = old ?? { Name: `${name}.`, Type: 'TXT', TTL: TTL_S };
  return { ...base, ResourceRecords: values.map((Value) => ({ Value })) };
}

/** Compare-and-swap: the batch fails as a whole unless the set is still exactly as it was read. */
export function swap(old: ResourceRecordSet | undefined, next: ResourceRecordSet | undefined): Change[] {
  const changes: Change[] = [];
  if (old) changes.push({ Action: 'DELETE', ResourceRecordSet: old });
  if (next) changes.push({ Action: 'CREATE', ResourceRecordSet: next });
  return changes;
}

/** How many of some swaps, from the first on, fit into one batch; at least one. */
export function fitting(swaps: readonly (readonly Change[])[]): number {
  let elements = 0;
  let characters = 0;
  const excess = swaps.findIndex((changes) => {
    const values = changes.flatMap(({ ResourceRecordSet: set }) => set?.ResourceRecords ?? []);
    elements += values.length;
    characters += values.reduce((sum, { Value }) => sum + (Value?.length ?? 0), 0);
    return elements > BATCH_LIMITS.elements || characters > BATCH_LIMITS.characters;
  });
  return excess === -1 ? swaps.length : Math.max(1, excess);
}

/** Which names of a batch a refusal blames. */
export interface Blame {
  /** Their sets are not as they were read, so they can be read again. */
  readonly changed: ReadonlySet<string>;
  /** They cannot be there at all. */
  readonly forbidden: ReadonlySet<string>;
}

const CHANGED =
  /\[name='([^']+?)\.?', type='TXT'[^\]]*\] but (?:it already exists|it was not found|the values provided)/gi;
const FORBIDDEN = /DNS name (\S+?)\.? is not permitted/gi;

/** Reads the names out of Route 53's reasons; both sets are empty where it says something else. */
export function blameIn(message: string): Blame {
  const names = (pattern: RegExp) =>
    new Set([...message.matchAll(pattern)].map(([, name = '']) => name.toLowerCase().replaceAll('\\052', '*')));
  return { changed: names(CHANGED), forbidden: names(FORBIDDEN) };
}

/** A refusal in words for people. */
export function refused(name: string, cause: Error): AcmeError {
  const attempt = `Changing the TXT record ${name}`;
  if (!/not permitted in zone/i.test(cause.message)) return explain(attempt, cause);
  const message = `${attempt}: the name is not in this hosted zone. Correct "zoneId".`;
  return new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', message, { cause });
}
