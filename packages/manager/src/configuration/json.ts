/** JSON as the configuration's files look at it before it is known to be one. */

/** An object of JSON. */
export type Fields = Readonly<Record<string, unknown>>;

/** Whether a value is an object, and not a list. */
export const isFields = (json: unknown): json is Fields =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

/** A text that two values share exactly where they are the same JSON, in whatever order their fields are. */
export function canonical(json: unknown): string {
  return JSON.stringify([json], (_, value: unknown) =>
    isFields(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
}
