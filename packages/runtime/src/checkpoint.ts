/** Keeps how far a manager has read its bus where its own folder does not last: in a parameter of SSM, or in a file. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { EventsError, formatTrust, parseTrust, type Trust } from '@certbus/events';
import { type Checkpoint, floorAt } from '@certbus/events/history';
import type { Environment } from './environment.ts';
import { RuntimeError } from './errors.ts';
import { readOwnFile, replaceFile, writeNew } from './key-files.ts';
import { readFromAws, writeToAws } from './secrets/aws.ts';
import { isReference, parseCheckpointReference, type SecretReference, shownReference } from './secrets/reference.ts';
import { isCovered, trustOf } from './trust-file.ts';

/** Where a checkpoint is kept. Its text is that of a trust file, whose floor is the checkpoint. */
interface Place {
  /** For messages. */
  readonly name: string;
  /** `undefined` where there is none yet. */
  read(signal?: AbortSignal): Promise<string | undefined>;
  write(text: string, signal?: AbortSignal): Promise<void>;
}

/** What a machine knows of its bus before it opens it. */
export interface KnownTrust {
  /** The trust of the local configuration, with the checkpoint as its floor where that is later. */
  readonly trust: Trust;
  /** Whether a place for checkpoints is set: then the folder of this manager does not last. */
  readonly isKept: boolean;
  /** Whether there is a checkpoint: then this manager has read the bus before. */
  readonly hasCheckpoint: boolean;
  /** Keeps how far the bus was read, unless as much is kept already, or more. Rejects as the place does, and with the signal's reason. */
  keep(reached: Checkpoint, options?: { readonly signal?: AbortSignal }): Promise<void>;
}

/** What of an environment says where its checkpoint is. */
type Machine = Pick<Environment, 'config' | 'variables' | 'outgoing'>;

const WHAT = 'The checkpoint';

function inParameter(reference: SecretReference, { outgoing }: Machine): Place {
  const options = { what: WHAT, outgoing };
  return {
    name: shownReference(reference),
    read: (signal) =>
      readFromAws(reference, { ...options, signal }).catch((error: unknown) => {
        if (!(error instanceof RuntimeError) || error.code !== 'CERTBUS_CLI_SECRET_MISSING') throw error;
        // One that is there and has no text is not a beginning: somebody emptied it.
        return error.cause === undefined ? '' : undefined;
      }),
    write: (text, signal) => writeToAws(reference, text, { ...options, signal }),
  };
}

function inFile(path: string): Place {
  return {
    name: path,
    read: async () => (existsSync(path) ? readOwnFile(path, WHAT) : undefined),
    async write(text) {
      if (!writeNew(path, `${text}\n`, { isSecret: false })) replaceFile(path, `${text}\n`);
    },
  };
}

function placeOf(environment: Machine): Place | undefined {
  const text = environment.variables['CERTBUS_CHECKPOINT'];
  if (!text) return undefined;
  if (!isReference(text)) return inFile(resolve(text));
  return inParameter(parseCheckpointReference(text, 'CERTBUS_CHECKPOINT'), environment);
}

/** Parses what was kept. Throws `CERTBUS_CLI_CHECKPOINT_REFUSED` for what is not a checkpoint, or is one of another bus. */
function parse(text: string, name: string, { busId, rootKey }: Trust): Trust {
  const refuse = (why: string, options?: ErrorOptions) => {
    const message = `${WHAT} at ${name} is not used: ${why}. Look who wrote it; where CERTBUS_CHECKPOINT is wrong, correct it, and where the bus was made again, remove the checkpoint.`;
    return new RuntimeError('CERTBUS_CLI_CHECKPOINT_REFUSED', message, options);
  };
  let kept: Trust;
  try {
    kept = parseTrust(text);
  } catch (cause) {
    if (cause instanceof EventsError) throw refuse('it is not a checkpoint', { cause });
    throw cause;
  }
  if (kept.busId !== busId || kept.rootKey !== rootKey) throw refuse('it is that of another bus');
  return kept;
}

const isLater = (one: Trust, other: Trust): boolean => one.floor !== undefined && !isCovered(one.floor, other.floor);

/**
 * Reads the checkpoint at `CERTBUS_CHECKPOINT`, where that is set: a history that does not reach it is refused then, and one that does is not
 * taken for a stale one. Rejects `CERTBUS_CLI_CHECKPOINT_REFUSED`, as the place does, and with the signal's reason.
 */
export async function readKnownTrust(
  environment: Machine,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<KnownTrust> {
  const own = trustOf(environment.config);
  const place = placeOf(environment);
  if (!place) return { trust: own, isKept: false, hasCheckpoint: false, keep: async () => {} };
  const read = async (until?: AbortSignal): Promise<Trust | undefined> => {
    const text = await place.read(until);
    return text === undefined ? undefined : parse(text, place.name, own);
  };
  const kept = await read(signal);
  let last = kept;
  return {
    trust: kept && isLater(kept, own) ? kept : own,
    isKept: true,
    hasCheckpoint: kept?.floor !== undefined,
    async keep(reached, options = {}) {
      const next = { ...own, floor: floorAt(reached) };
      if (last && !isLater(next, last)) return;
      // Another manager with this checkpoint may have come further meanwhile.
      const current = await read(options.signal);
      if (!current || isLater(next, current)) await place.write(formatTrust(next), options.signal);
      last = next;
    },
  };
}
