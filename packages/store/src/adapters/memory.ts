/** The adapter for this process's memory, for tests. */
import { TrimmedError, VersionConflictError } from '../errors.ts';
import type { Log, LogEntry, LogMaintenance, Page, ReplaceOptions, StoredCommit } from '../log.ts';
import { withinPage } from '../page-size.ts';
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

interface OpenLog {
  readonly streams: Streams;
  isClosed: boolean;
}

const shared = new Map<string, Streams>();
const isSame = (one: Uint8Array | undefined, other: Uint8Array | undefined): boolean =>
  one && other ? Buffer.compare(one, other) === 0 : one === other;

/** The stream of a name, where the log may be used. Throws the signal's reason, or `CERTBUS_STORE_CLOSED`. */
function enter({ streams, isClosed }: OpenLog, name: string, signal: AbortSignal | undefined): Stream {
  signal?.throwIfAborted();
  if (isClosed) throw closedError();
  const stream = streams.get(name) ?? { first: 1, head: 0, commits: new Map() };
  streams.set(name, stream);
  return stream;
}

function append(name: string, stream: Stream, { position, bytes }: StoredCommit): void {
  const found = stream.commits.get(position);
  if (found && isSame(found, bytes)) return;
  if (position !== stream.head + 1) throw new VersionConflictError(name, position, found && Uint8Array.from(found));
  stream.commits.set(position, Uint8Array.from(bytes));
  stream.head = position;
}

function* commitsBehind({ head, commits }: Stream, after: number): Iterable<StoredCommit> {
  for (let position = after + 1; position <= head; position += 1) {
    const bytes = commits.get(position);
    if (bytes) yield { position, bytes };
  }
}

function pageBehind(stream: Stream, after: number, limit: number): Page {
  const page: StoredCommit[] = [];
  for (const { position, bytes } of withinPage(commitsBehind(stream, after))) {
    if (page.length === limit) break;
    page.push({ position, bytes: Uint8Array.from(bytes) });
  }
  return { commits: page, end: (page.at(-1)?.position ?? stream.head) >= stream.head };
}

function trim(name: string, stream: Stream, first: number): void {
  if (first <= stream.first) return;
  if (!stream.commits.has(first)) throw new VersionConflictError(name, first);
  for (let position = stream.first; position < first; position += 1) stream.commits.delete(position);
  stream.first = first;
}

function replace(name: string, stream: Stream, position: number, { found, bytes }: ReplaceOptions): void {
  const there = stream.commits.get(position);
  if (isSame(there, bytes)) return;
  if (!isSame(there, found)) throw new VersionConflictError(name, position, there);
  if (bytes) stream.commits.set(position, Uint8Array.from(bytes));
  else stream.commits.delete(position);
  stream.head = 0;
  for (const kept of stream.commits.keys()) stream.head = Math.max(stream.head, kept);
}

async function* inspect(
  log: OpenLog,
  name: string,
  after: number,
  signal: AbortSignal | undefined,
): AsyncIterable<readonly LogEntry[]> {
  checkRead(after, DEFAULT_LIMIT);
  for (let reached = after; ; ) {
    const { commits, end } = pageBehind(enter(log, name, signal), reached, DEFAULT_LIMIT);
    yield commits;
    if (end) return;
    reached = commits.at(-1)?.position ?? reached;
  }
}

function createMaintenance(log: OpenLog): LogMaintenance {
  return {
    async trim(name, first, { signal } = {}) {
      trim(name, enter(log, name, signal), first);
    },
    async replace(name, position, options) {
      checkReplace(name, position, options.bytes);
      replace(name, enter(log, name, options.signal), position, options);
    },
    async first(name, { signal } = {}) {
      return enter(log, name, signal).first;
    },
    async correctFirst(name, first, { dryRun = false, signal } = {}) {
      checkRead(first, 1);
      const stream = enter(log, name, signal);
      const isWrong = stream.first !== first;
      if (!dryRun) stream.first = first;
      return isWrong;
    },
    inspect: (name, after, { signal } = {}) => inspect(log, name, after, signal),
  };
}

function openLogOn(streams: Streams): Log {
  const log: OpenLog = { streams, isClosed: false };
  return {
    async append(name, after, bytes, { signal } = {}) {
      checkAppend(name, after, bytes);
      const position = after + 1;
      append(name, enter(log, name, signal), { position, bytes });
      return position;
    },
    async read(name, after, { limit = DEFAULT_LIMIT, signal } = {}) {
      checkRead(after, limit);
      const stream = enter(log, name, signal);
      if (after + 1 < stream.first) throw new TrimmedError(name, stream.first);
      return pageBehind(stream, after, limit);
    },
    maintenance: createMaintenance(log),
    async close() {
      log.isClosed = true;
    },
  };
}

/** A log in this process's memory, for tests. */
export function createMemoryLog(): Log {
  return openLogOn(new Map());
}

/** The log of this name in this process's memory; all that open the name share it. */
export function openMemoryLog(name: string): Log {
  const streams = shared.get(name) ?? new Map();
  shared.set(name, streams);
  return openLogOn(streams);
}
