/** Reads the tables of docs/format.md, and the fields that the schemas have. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type EventType, schemas } from '../event-types/event-schema.ts';

/** A field as the page describes it. */
export interface Row {
  /** `managers[].name` for a field of the items of an array. */
  readonly field: string;
  /** Its kind of value: what comes before the first comma, or behind "one of". */
  readonly kind: string;
  /** The values of "one of". */
  readonly values: readonly string[];
  readonly isOptional: boolean;
}

/** The path of the page. */
export const PAGE: string = join(import.meta.dirname, '../../../../docs/format.md');

/** The tables of fields on the page, by the heading that they are under. */
export function readPage(): ReadonlyMap<string, readonly Row[]> {
  const sections = readFileSync(PAGE, 'utf8').split(/^#+ /m).slice(1);
  return new Map(
    sections.flatMap((section) => {
      const [heading = ''] = section.split('\n', 1);
      const rows = [...section.matchAll(/^\| `([^`]+)` \| ([^|]+) \|/gm)].map(([, field = '', value = '']) =>
        toRow(field, value),
      );
      return /^\| field \|/m.test(section) ? [[heading, rows] as const] : [];
    }),
  );
}

function toRow(field: string, value: string): Row {
  const isOptional = /, optional$/.test(value);
  const values = value.startsWith('one of') ? [...value.matchAll(/`([^`]+)`/g)].map(([, each = '']) => each) : [];
  return { field, kind: values.length > 0 ? 'one of' : (value.split(',')[0] ?? ''), values, isOptional };
}

/** A field as a schema has it. */
export type SchemaField = Pick<Row, 'field' | 'isOptional'>;

interface Node {
  readonly type?: string;
  readonly entries?: Readonly<Record<string, Node>>;
  readonly item?: Node;
  readonly wrapped?: Node;
}

function fieldsIn({ entries = {} }: Node, prefix: string): SchemaField[] {
  return Object.entries(entries).flatMap(([name, node]) => {
    const isOptional = node.type === 'optional' || node.type === 'exact_optional';
    const inner = node.wrapped ?? node;
    const field = prefix + name;
    const below = inner.item ? fieldsIn(inner.item, `${field}[].`) : fieldsIn(inner, `${field}.`);
    return [{ field, isOptional }, ...below];
  });
}

/** The types of events that this release knows. */
export const EVENT_TYPES: readonly EventType[] = Object.keys(schemas) as EventType[];

/** The fields of a type, but for `type`. */
export const fieldsOf = (type: EventType): SchemaField[] =>
  fieldsIn(schemas[type] as Node, '').filter(({ field }) => field !== 'type');
