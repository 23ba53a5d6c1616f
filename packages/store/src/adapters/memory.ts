import { TrimmedError, VersionConflictError } from '../errors.ts';
import type { Log, StoredCommit } from '../log.ts';
import { checkAppend, checkRead, checkReplace, closedError } from './checks.ts';

const DEFAULT_LIMIT = 150;

interface Stream {
  /** First position that was not trimmed. */
  first: number;
  /** Highest position. */
  head: number;
  readonly commits: Map<number, Uint8Array>;
}
type Streams = Map<string, Stream>;

const shared = new Map<string, Streams>();
const isSame = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one && other ? Buffer.compare(one, other) === 0 : one === other;

function logOn(streams: Streams): Log {
  let isClosed = false;
  const enter = (signal: AbortSignal | undefined) => {
    signal?.throwIfAborted();
    if (isClosed) throw closedError();
  };
  const streamOf = (name: string): Stream => {
    const stream = streams.get(name) ?? { first: 1, head: 0, commits: new Map() };
    streams.set(name, stream);
    return stream;
  };
  return {
    async append(name, after, bytes, { signal } = {}) {
      checkAppend(name, after, bytes);
      enter(signal);
      const stream = streamOf(name);
      const found = stream.commits.get(after + 1);
      if (found && isSame(found, bytes)) return after + 1;
      if (after !== stream.head) throw new VersionConflictError(name, after + 1, found && Uint8Array.from(found));
      stream.commits.set(after + 1, Uint8Array.from(bytes));
      stream.head = after + 1;
      return after + 1;
    },
    async read(name, after, { limit = DEFAULT_LIMIT, signal } = {}) {
      checkRead(after, limit);
      enter(signal);
      const { first, head, commits } = streamOf(name);
      if (after + 1 < first) throw new TrimmedError(name, first);
      const page: StoredCommit[] = [];
      let position = after + 1;
      for (; position <= head && page.length < limit; position += 1) {
        const bytes = commits.get(position);
        if (bytes) page.push({ position, bytes: Uint8Array.from(bytes) });
      }
      return { commits: page, end: position > head };
    },
    maintenance: {
      async trim(name, first, { signal } = {}) {
        enter(signal);
        const stream = streamOf(name);
        if (first <= stream.first) return;
        if (!stream.commits.has(first)) throw new VersionConflictError(name, first);
        for (let position = stream.first; position < first; position += 1) stream.commits.delete(position);
        stream.first = first;
      },
      async replace(name, position, { found, bytes, signal }) {
        checkReplace(name, position, bytes);
        enter(signal);
        const stream = streamOf(name);
        const there = stream.commits.get(position);
        if (isSame(there, bytes)) return;
        if (!isSame(there, found)) throw new VersionConflictError(name, position, there);
        if (bytes) stream.commits.set(position, Uint8Array.from(bytes));
        else stream.commits.delete(position);
        stream.head = Math.max(0, ...stream.commits.keys());
      },
      async first(name, { signal } = {}) {
        enter(signal);
        return streamOf(name).first;
      },
      async correctFirst(name, first, { dryRun = false, signal } = {}) {
        checkRead(first, 1);
        enter(signal);
        const stream = streamOf(name);
        const isWrong = stream.first !== first;
        if (!dryRun) stream.first = first;
        return isWrong;
      },
      async *inspect(name, after, { signal } = {}) {
        checkRead(after, DEFAULT_LIMIT);
        for (let start = after + 1; ; start += DEFAULT_LIMIT) {
          enter(signal);
          const { head, commits } = streamOf(name);
          if (start > head) return;
          const positions = Array.from({ length: DEFAULT_LIMIT }, (_, n) => start + n);
          yield positions.flatMap((position) => {
            const bytes = commits.get(position);
            return bytes ? [{ position, bytes: Uint8Array.from(bytes) }] : [];
          });
        }
      },
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
