/** The trust file: what a client pins of a bus, and the floor below which nobody begins. */
import { isBase64url } from './canonical.ts';
import { EventsError } from './errors.ts';

/** A commit that every copy of a bus has: nobody begins on a history that does not reach it. */
export interface Floor {
  readonly position: number;
  /** Hash of the commit there, base64url. */
  readonly hash: string;
  /** Sequence of the last root event up to there. */
  readonly rootSequence: number;
}

/** What a client pins of a bus: its id, the public key of its root, and how far it goes at least. */
export interface Trust {
  readonly busId: string;
  readonly rootKey: string;
  /** Default: a history is accepted however short it is. */
  readonly floor?: Floor | undefined;
}

const LINES = [/^certbus1 (\S+) (\S+)$/, /^since ([1-9]\d{0,15}) (\S+) (0|[1-9]\d{0,15})$/] as const;
const FORMS = ['certbus1 BUSID ROOTKEY', 'since POSITION HASH ROOTSEQUENCE'] as const;

/** Draws a bus's id: 256 random bits, base64url. */
export function createBusId(): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
}

/** The lines of `bus.pub`: `certbus1 BUSID ROOTKEY`, and below it the floor, where there is one: `since POSITION HASH ROOTSEQUENCE`. */
export function formatTrust({ busId, rootKey, floor }: Trust): string {
  const first = `certbus1 ${busId} ${rootKey}`;
  return floor ? `${first}\nsince ${floor.position} ${floor.hash} ${floor.rootSequence}` : first;
}

function malformed(line: 1 | 2): EventsError {
  const what = `Line ${line} of a trust file reads "${FORMS[line - 1]}", as in the file bus.pub that certbus init writes; this one does not. Copy the file again.`;
  return new EventsError('CERTBUS_EVENTS_TRUST_MALFORMED', what);
}

function parseFloor(line: string): Floor {
  const [, position = '', hash = '', rootSequence = ''] = LINES[1].exec(line) ?? [];
  const floor = { position: Number(position), hash, rootSequence: Number(rootSequence) };
  const isPlaced = Number.isSafeInteger(floor.position) && Number.isSafeInteger(floor.rootSequence);
  if (floor.position === 0 || !isPlaced || !isBase64url(hash, 32)) throw malformed(2);
  return floor;
}

/**
 * Reads the text of a trust file: one or two lines, the end of a line also as `\n` in two characters, since some environments hold no
 * other. Throws `CERTBUS_EVENTS_TRUST_MALFORMED`, which names the line.
 */
export function parseTrust(text: string): Trust {
  const [first = '', second, ...more] = text
    .trim()
    .replace(/(?:\\n)+$/, '')
    .split(/\r?\n|\\n/)
    .map((line) => line.trim());
  const [, busId = '', rootKey = ''] = LINES[0].exec(first) ?? [];
  if (!isBase64url(busId, 32) || !isBase64url(rootKey, 32)) throw malformed(1);
  if (more.length > 0)
    throw new EventsError(
      'CERTBUS_EVENTS_TRUST_MALFORMED',
      `A trust file has two lines at most; this one has ${more.length + 2}. Copy the file bus.pub again.`,
    );
  return second === undefined ? { busId, rootKey } : { busId, rootKey, floor: parseFloor(second) };
}
