/** Keeps the orders of one process from changing the same account at the same time. */
import type { Connections } from './connections.ts';

/** The last change of each account, under way or done, by its directory. */
const changes = new WeakMap<Connections, Map<string, Promise<void>>>();

/** Changes the account at a directory once all earlier changes of this process there are over. Rejects as the change does. */
export function inTurn(connections: Connections, directory: string, change: () => Promise<void>): Promise<void> {
  const last = changes.get(connections) ?? new Map<string, Promise<void>>();
  changes.set(connections, last);
  const own = (last.get(directory) ?? Promise.resolve()).then(change);
  last.set(
    directory,
    own.catch(() => {}),
  );
  return own;
}
