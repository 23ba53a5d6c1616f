import { checkAppend, checkRead, closedError } from '../checks.ts';
import { VersionConflictError } from '../errors.ts';
import type { Log } from '../log.ts';

const DEFAULT_LIMIT = 150;
type Streams = Map<string, Uint8Array[]>;

const shared = new Map<string, Streams>();

function logOn(streams: Streams): Log {
  let isClosed = false;
  const enter = (signal: AbortSignal | undefined) => {
    signal?.throwIfAborted();
    if (isClosed) throw closedError();
  };
  return {
    async append(stream, after, bytes, { signal } = {}) {
      checkAppend(stream, after, bytes);
      enter(signal);
      const commits = streams.get(stream) ?? [];
      const found = commits[after];
      if (found && Buffer.compare(found, bytes) === 0) return after + 1;
      if (after !== commits.length) throw new VersionConflictError(stream, after + 1, found && Uint8Array.from(found));
      streams.set(stream, commits);
      commits.push(Uint8Array.from(bytes));
      return after + 1;
    },
    async read(stream, after, { limit = DEFAULT_LIMIT, signal } = {}) {
      checkRead(after, limit);
      enter(signal);
      const all = streams.get(stream) ?? [];
      const page = all.slice(after, after + limit);
      const commits = page.map((bytes, index) => ({ position: after + index + 1, bytes: Uint8Array.from(bytes) }));
      return { commits, end: after + page.length >= all.length };
    },
    async close() {
      isClosed = true;
    },
  };
}

/** A log in this process's memory, for tests. */
export function createMemoryLog(): Log {
  return logOn(new Map());
}

/** The log of this name in this process's memory; all that open the name share it. */
export function openMemoryLog(name: string): Log {
  const streams = shared.get(name) ?? new Map();
  shared.set(name, streams);
  return logOn(streams);
}
