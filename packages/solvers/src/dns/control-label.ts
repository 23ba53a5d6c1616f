/** A label that nobody has, to compare the answers of DNS with. */
import { randomBytes } from 'node:crypto';

/** The same for the whole process, so that what was asked once is remembered. */
const LABEL = `certbus-${randomBytes(6).toString('hex')}`;

/** A name next to this one that nobody has made: what DNS answers there as well, it does not answer for this name alone. */
export function controlNameFor(name: string): string {
  return [LABEL, ...name.split('.').slice(1)].join('.');
}
