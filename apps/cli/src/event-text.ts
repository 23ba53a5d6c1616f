/** Puts an event of the bus into one line. */
import type { ReadEvent } from '@certbus/events/history';

const LONG = 60;

/** An event as its type and its short fields; what is long, such as a certificate, is left out. */
export function describeEvent({ type, event }: ReadEvent): string {
  if (!event) return `${type} (not known to this release)`;
  const fields = Object.entries(event)
    .filter(([field, value]) => field !== 'type' && value !== undefined)
    .map(([field, value]): [string, string] => [field, typeof value === 'string' ? value : JSON.stringify(value)])
    .filter(([, value]) => value.length <= LONG);
  return [type, ...fields.map(([field, value]) => `${field}=${value}`)].join(' ');
}
