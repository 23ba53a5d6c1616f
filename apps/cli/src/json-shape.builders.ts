/** Reduces JSON to its shape, for the contract test. */
/** What JSON looks like without its values: types, lists of one shape, and fields by name, with `?` where some lack it. */
export type Shape = string | readonly Shape[] | { readonly [field: string]: Shape };

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The name of an event's type, such as `BusCreated`: the only value that a shape keeps. */
function kindOf({ type }: Fields): string {
  return typeof type === 'string' && /^[A-Z][A-Za-z]+$/.test(type) ? type : '';
}

function fieldsOf(objects: readonly Fields[], kind: string): Shape {
  const names = [...new Set(objects.flatMap(Object.keys))].sort();
  return Object.fromEntries(
    names.map((name) => {
      const owners = objects.filter((object) => Object.hasOwn(object, name));
      const shape = kind && name === 'type' ? kind : shapeOf(owners.map((owner) => owner[name]));
      return [owners.length === objects.length ? name : `${name}?`, shape];
    }),
  );
}

/** The shape that all these values have. */
export function shapeOf(values: readonly unknown[]): Shape {
  const plain = values.filter((value) => value === null || typeof value !== 'object');
  const types = [...new Set(plain.map((value) => (value === null ? 'null' : typeof value)))].sort().join(' | ');
  const lists = values.filter(Array.isArray);
  const items: unknown[] = lists.flat();
  const kinds = [...Map.groupBy(values.filter(isObject), kindOf)].sort(([a], [b]) => (a < b ? -1 : 1));
  const shapes: Shape[] = [
    ...(types ? [types] : []),
    ...(lists.length > 0 ? [items.length > 0 ? [shapeOf(items)] : []] : []),
    ...kinds.map(([kind, objects]) => fieldsOf(objects, kind)),
  ];
  const [first = 'nothing', ...others] = shapes;
  return others.length > 0 ? { 'one of': shapes } : first;
}
