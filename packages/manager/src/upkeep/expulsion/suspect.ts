/** Finds the key of a manager, and the position from which it is not trusted. */
import type { Manager } from '@certbus/events';
import { type Checkpoint, type Commit, keyIdOf } from '@certbus/events/history';
import type { Bus } from '@certbus/store';
import { ManagerError } from '../../errors.ts';
import { readHistory } from '../history.ts';

/** Whose key is not trusted, and since when. */
export interface Suspicion {
  /** The manager's name, or its signing key in base64url: needed where managers of one name had several. */
  readonly manager: string;
  /**
   * The first position that is not trusted; or a time, which stands for the first commit that was signed then or later. Commits bear the time
   * that their writers give them, see {@link Suspect.earliest}.
   */
  readonly since: number | Date;
}

/** A key that is not trusted, and what is known of when that begins. */
export interface Suspect {
  /** The manager's name. */
  readonly manager: string;
  /** Its signing key, base64url. */
  readonly key: string;
  /** The first position that is not trusted. */
  readonly since: number;
  /**
   * For a time: the position behind the last commit of another manager from before it. What the suspect signed from there up to
   * {@link since} has nothing but the suspect's own word for its time. Where a position was given, that position.
   */
  readonly earliest: number;
  /** The head of the bus. */
  readonly head: Checkpoint;
}

/** Every key that the root has ever named, by managers' names. */
type Named = Map<string, Set<string>>;

function note(named: Named, { events }: Commit): void {
  for (const { event } of events) {
    if (event?.type !== 'ManagersUpdated') continue;
    for (const { name, signingKey } of event.managers) {
      const keys = named.get(name) ?? new Set();
      named.set(name, keys.add(signingKey));
    }
  }
}

function notFound(manager: string, why: string): ManagerError {
  const what = `The bus never had a manager ${JSON.stringify(manager.slice(0, 80))}: ${why}.`;
  return new ManagerError('CERTBUS_MANAGER_MANAGER_NOT_FOUND', what);
}

function findKey(named: Named, manager: string): Pick<Manager, 'name' | 'signingKey'> {
  for (const [name, keys] of named) if (keys.has(manager)) return { name, signingKey: manager };
  const [signingKey, ...others] = named.get(manager) ?? [];
  if (!signingKey) throw notFound(manager, `it had ${[...named.keys()].join(', ')}`);
  if (others.length === 0) return { name: manager, signingKey };
  const all = [signingKey, ...others].join(', ');
  throw notFound(manager, `managers of this name had several keys, so give the key itself, which is one of ${all}`);
}

/** Takes commits in order, and finds where a time begins. */
function createTimeFinder(time: Date) {
  let since: number | undefined;
  const lastBefore = new Map<string, number>();
  return {
    take({ position, at, keyId }: Commit): void {
      if (since !== undefined) return;
      if (at.getTime() >= time.getTime()) since = position;
      else lastBefore.set(keyId, position);
    },
    end(head: Checkpoint, keyId: string): { readonly since: number; readonly earliest: number } {
      const others = [...lastBefore].filter(([other]) => other !== keyId).map(([, position]) => position);
      return { since: since ?? head.position + 1, earliest: Math.max(0, ...others) + 1 };
    },
  };
}

/**
 * Finds the key that is not trusted, and since when, on the whole of a bus. Rejects `CERTBUS_MANAGER_MANAGER_NOT_FOUND`, and as
 * {@link readHistory} does.
 */
export async function findSuspect(
  bus: Bus,
  { manager, since }: Suspicion,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Suspect> {
  if (typeof since === 'number' && !(Number.isSafeInteger(since) && since > 0))
    throw new TypeError('since is a position, 1 or more, or a time');
  const named: Named = new Map();
  const finder = createTimeFinder(since instanceof Date ? since : new Date(0));
  const commits = readHistory(bus, { signal });
  for (;;) {
    const { done, value } = await commits.next();
    if (!done) {
      note(named, value.commit);
      finder.take(value.commit);
      continue;
    }
    const { name, signingKey } = findKey(named, manager);
    const found = typeof since === 'number' ? { since, earliest: since } : finder.end(value, keyIdOf(signingKey));
    return { manager: name, key: signingKey, ...found, head: value };
  }
}
