/** Writes the floor into this machine's trust file: the one place where `bus.pub` changes once it is made. */
import { EventsError, type Floor, formatTrust, parseTrust, type Trust } from '@certbus/events';
import { readOwnFile, replaceFile } from './key-files.ts';
import type { LocalConfig } from './local-config.ts';

/** The trust of a local configuration. Throws `CERTBUS_EVENTS_TRUST_MALFORMED`, which names the file. */
export function trustOf({ trust, trustFile }: Pick<LocalConfig, 'trust' | 'trustFile'>): Trust {
  try {
    return parseTrust(trust);
  } catch (cause) {
    if (trustFile === undefined || !(cause instanceof EventsError)) throw cause;
    throw new EventsError(cause.code, `${trustFile}: ${cause.message}`, { cause });
  }
}

/** A floor that was to be written. */
export interface WrittenFloor {
  /** The lines of the trust file, for everyone who begins on this bus. */
  readonly trust: string;
  /** The file that has them; `undefined` where the trust was given as text. */
  readonly file: string | undefined;
  /** Why the file could not be written; `undefined` where it has them. */
  readonly problem: Error | undefined;
}

/** Whether a floor says less than another, or the same: what a change of keys wrote is never taken back. */
export const isCovered = (floor: Floor, by: Floor | undefined): boolean =>
  by !== undefined &&
  (floor.rootSequence < by.rootSequence || (floor.rootSequence === by.rootSequence && floor.position <= by.position));

/**
 * Writes a floor below the trust line of this machine, atomically, with the file's owner and mode, unless a later one is there. A file that
 * cannot be written, as on a read-only mount, is a `problem` and no failure: what the root has changed on the bus stands.
 */
export function writeFloor(
  { trust: text, trustFile: file }: Pick<LocalConfig, 'trust' | 'trustFile'>,
  floor: Floor,
): WrittenFloor {
  const before = parseTrust(file === undefined ? text : readOwnFile(file, 'The trust file'));
  const trust = formatTrust(isCovered(floor, before.floor) ? before : { ...before, floor });
  if (file === undefined || trust === formatTrust(before)) return { trust, file, problem: undefined };
  try {
    replaceFile(file, `${trust}\n`);
    return { trust, file, problem: undefined };
  } catch (error) {
    return { trust, file, problem: error instanceof Error ? error : new Error(String(error)) };
  }
}
