import { createMemoryLog } from '../adapters/memory.ts';
import { TrimmedError, VersionConflictError } from '../errors.ts';
import { type Log, type LogEntry, type LogMaintenance, MAX_COMMIT_BYTES, MAX_PAGE_BYTES, type Page } from '../log.ts';

/** Makes of a sound log one with a fault. */
export type Mutate = (sound: Log) => Log;

/** A fault, and the test of the suite that is there to find it. */
export interface Mutant {
  readonly fault: string;
  readonly foundBy: string;
  readonly mutate: Mutate;
}

const DEFAULT_LIMIT = 150;
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));
const isConflict = (error: unknown): error is VersionConflictError => error instanceof VersionConflictError;

const withAppend =
  (appendOf: (sound: Log) => Log['append']): Mutate =>
  (sound) => ({ ...sound, append: appendOf(sound) });

const withRead =
  (readOf: (sound: Log) => Log['read']): Mutate =>
  (sound) => ({ ...sound, read: readOf(sound) });

const withPage = (change: (page: Page, limit: number) => Page): Mutate =>
  withRead((sound) => async (stream, after, options = {}) => {
    const page = await sound.read(stream, after, options);
    return change(page, options.limit ?? DEFAULT_LIMIT);
  });

const sizeOf = ({ commits }: Page): number => commits.reduce((sum, { bytes }) => sum + bytes.length, 0);

async function bytesAt(log: Log, stream: string, position: number): Promise<Uint8Array | undefined> {
  const { commits } = await log.read(stream, position - 1, { limit: 1, consistent: true });
  return commits[0]?.bytes;
}

async function headOf(log: Log, stream: string): Promise<number> {
  const { commits } = await log.read(stream, 0, { limit: 1_000_000, consistent: true });
  return commits.length;
}

/** Writes over whatever is there. */
async function overwrite(log: Log, stream: string, position: number, bytes: Uint8Array): Promise<number> {
  const found = await bytesAt(log, stream, position);
  await log.maintenance?.replace(stream, position, { found, bytes });
  return position;
}

const withMaintenance =
  (change: (maintenance: LogMaintenance, sound: Log) => Partial<LogMaintenance>): Mutate =>
  (sound) => {
    const { maintenance } = sound;
    return maintenance ? { ...sound, maintenance: { ...maintenance, ...change(maintenance, sound) } } : sound;
  };

/** Reads show what was there at the read before, and what this log itself has appended where `seesItself`. */
const staleBy = ({ seesItself }: { readonly seesItself: boolean }): Mutate => {
  return (sound) => {
    const heads = new Map<string, number>();
    const learn = (stream: string, head: number) => heads.set(stream, Math.max(head, heads.get(stream) ?? 0));
    return {
      ...sound,
      async append(stream, ...rest) {
        const position = await sound.append(stream, ...rest);
        if (seesItself) learn(stream, position);
        return position;
      },
      async read(stream, after, options) {
        const { commits, end } = await sound.read(stream, after, options);
        const head = heads.get(stream) ?? 0;
        learn(stream, await headOf(sound, stream));
        const known = commits.filter(({ position }) => position <= head);
        return { commits: known, end: end || known.length < commits.length };
      },
    };
  };
};

/** What a log behind a bad network does when a request or a reply got lost; `undefined`: it tries again. */
type AfterLoss = (tried: {
  readonly lost: 'request' | 'reply';
  readonly stream: string;
  readonly after: number;
  readonly signal: AbortSignal | undefined;
}) => { readonly after: number } | { readonly position: number } | undefined;

/** A log that reaches the sound one through a network that loses every fifth request and every third reply. */
const behindBadNetwork = (afterLoss: AfterLoss): Mutate =>
  withAppend((sound) => {
    let requests = 0;
    return async (stream, first, bytes, options) => {
      for (let after = first; ; ) {
        requests += 1;
        const lost = requests % 5 === 0 ? 'request' : requests % 3 === 0 ? 'reply' : undefined;
        await turn();
        const position = lost === 'request' ? 0 : await sound.append(stream, after, bytes);
        if (!lost) return position;
        const what = afterLoss({ lost, stream, after, signal: options?.signal });
        if (what && 'position' in what) return what.position;
        after = what?.after ?? after;
      }
    };
  });

/** A log that keeps its word through that network: the same bytes at the same position, until it is known who owns it. */
export const soundBehindBadNetwork: Mutate = behindBadNetwork(() => undefined);

/** Faults of a log as such. */
export const mutants: readonly Mutant[] = [
  {
    fault: 'the wait for a write does not end by its signal',
    foundBy: 'the wait for a write ends by one, and by its signal',
    mutate: (sound) => ({ ...sound, version: () => 1, whenWritten: async () => {} }),
  },
  {
    fault: 'a repeated append is a conflict',
    foundBy: 'takes the same bytes at the same position again, without writing them twice',
    mutate: withAppend((sound) => async (stream, after, bytes, options) => {
      const found = after >= 0 ? await bytesAt(sound, stream, after + 1) : undefined;
      if (found) throw new VersionConflictError(stream, after + 1, found);
      return sound.append(stream, after, bytes, options);
    }),
  },
  {
    fault: 'a repeated append is written again',
    foundBy: 'takes the same bytes at the same position again, without writing them twice',
    mutate: withAppend((sound) => async (stream, after, bytes, options) => {
      const found = after >= 0 ? await bytesAt(sound, stream, after + 1) : undefined;
      const isRepeated = found && Buffer.compare(found, bytes) === 0;
      return sound.append(stream, isRepeated ? await headOf(sound, stream) : after, bytes, options);
    }),
  },
  {
    fault: 'a consistent read shows what was there at the read before',
    foundBy: 'gives positions 1, 2, 3 and what it acknowledged is read back at once',
    mutate: staleBy({ seesItself: false }),
  },
  {
    fault: "a consistent read misses another connection's newest commits",
    foundBy: 'gives ten racing workers and their readers one history',
    mutate: staleBy({ seesItself: true }),
  },
  {
    fault: 'a page has a gap',
    foundBy: 'gives pages of any size, in order, that make up the whole',
    mutate: withPage(({ commits, end }) => ({ commits: commits.filter((_, n) => n !== 1 || commits.length < 3), end })),
  },
  {
    fault: 'a full page loses its last commit and says that there is more',
    foundBy: 'gives pages of any size, in order, that make up the whole',
    mutate: withPage(({ commits, end }, limit) =>
      commits.length === limit ? { commits: commits.slice(0, -1), end: false } : { commits, end },
    ),
  },
  {
    fault: 'a full page says that it is the end',
    foundBy: 'shows readers of many pages each commit once, in order, while a writer appends',
    mutate: withPage(({ commits, end }, limit) => ({ commits, end: end || commits.length === limit })),
  },
  {
    fault: 'the end is never told',
    foundBy: 'gives what comes behind a position, and nothing behind the last',
    mutate: withPage(({ commits }) => ({ commits, end: false })),
  },
  {
    fault: 'a page has a commit twice',
    foundBy: 'gives pages of any size, in order, that make up the whole',
    mutate: withPage(({ commits, end }) => ({ commits: [...commits.slice(0, 1), ...commits], end })),
  },
  {
    fault: 'a page begins with the commit that the reader had',
    foundBy: 'gives what comes behind a position, and nothing behind the last',
    mutate: withRead((sound) => (stream, after, options) => sound.read(stream, after > 0 ? after - 1 : after, options)),
  },
  {
    fault: 'a page is in the wrong order',
    foundBy: 'gives pages of any size, in order, that make up the whole',
    mutate: withPage(({ commits, end }) => ({ commits: commits.toReversed(), end })),
  },
  {
    fault: 'a page is larger than its limit',
    foundBy: 'stays within the limit',
    mutate: withRead((sound) => (stream, after, { limit = DEFAULT_LIMIT, ...rest } = {}) => {
      return sound.read(stream, after, { ...rest, limit: limit > 1 ? limit + 1 : limit });
    }),
  },
  {
    fault: 'a page that its bytes fill says that nothing is behind it',
    foundBy: 'goes through commits of many megabytes',
    mutate: withPage((page) => ({ ...page, end: page.end || sizeOf(page) > MAX_PAGE_BYTES / 2 })),
  },
  {
    fault: 'a page is bounded by its number of commits alone',
    foundBy: 'gives no page over a megabyte, whatever its limit',
    mutate: withRead((sound) => async (stream, after, options = {}) => {
      const first = await sound.read(stream, after, options);
      const limit = (options.limit ?? DEFAULT_LIMIT) - first.commits.length;
      if (first.end || limit < 1) return first;
      const { commits, end } = await sound.read(stream, after + first.commits.length, { ...options, limit });
      return { commits: [...first.commits, ...commits], end };
    }),
  },
  {
    fault: 'an operator is shown everything at once',
    foundBy: 'shows an operator no more than a megabyte at once',
    mutate: withMaintenance(({ inspect }) => ({
      async *inspect(...call) {
        const all: LogEntry[] = [];
        for await (const entries of inspect(...call)) all.push(...entries);
        yield all;
      },
    })),
  },
  {
    fault: 'a limit of nothing is taken for the default',
    foundBy: 'rejects a limit that no page can have',
    mutate: withRead((sound) => (stream, after, { limit = DEFAULT_LIMIT, ...rest } = {}) => {
      return sound.read(stream, after, { ...rest, limit: limit >= 1 ? Math.ceil(limit) : DEFAULT_LIMIT });
    }),
  },
  {
    fault: 'what is appended stays in the process',
    foundBy: 'what was acknowledged is there for everyone who opens the log later',
    mutate: () => createMemoryLog(),
  },
  {
    fault: 'an append is unconditional',
    foundBy: 'rejects a position that is taken, and says what is there',
    mutate: withAppend((sound) => async (stream, after, bytes, options) => {
      return sound.append(stream, after, bytes, options).catch((error: unknown) => {
        if (!isConflict(error)) throw error;
        return error.found ? overwrite(sound, stream, after + 1, bytes) : Promise.reject(error);
      });
    }),
  },
  {
    fault: 'an append looks first and writes then',
    foundBy: 'lets exactly one of ten racing appends win each position',
    mutate: withAppend((sound) => async (stream, after, bytes, options) => {
      const isFree = after >= 0 && !options?.signal?.aborted && (await headOf(sound, stream)) === after;
      await turn();
      if (isFree && bytes.length <= MAX_COMMIT_BYTES) return overwrite(sound, stream, after + 1, bytes);
      return sound.append(stream, after, bytes, options);
    }),
  },
  {
    fault: 'an append beyond the head is taken',
    foundBy: 'rejects a position beyond the head',
    mutate: withAppend((sound) => async (stream, after, bytes, options) => {
      return sound.append(stream, after, bytes, options).catch((error: unknown) => {
        if (!isConflict(error) || error.found) throw error;
        return overwrite(sound, stream, after + 1, bytes);
      });
    }),
  },
  {
    fault: 'an append is acknowledged and not kept',
    foundBy: 'gives positions 1, 2, 3 and what it acknowledged is read back at once',
    mutate: withAppend((sound) => async (stream, after, bytes, options) => {
      return after % 3 === 2 ? after + 1 : sound.append(stream, after, bytes, options);
    }),
  },
  {
    fault: 'a conflict is acknowledged',
    foundBy: 'lets exactly one of ten racing appends win each position',
    mutate: withAppend((sound) => async (stream, after, bytes, options) => {
      return sound.append(stream, after, bytes, options).catch((error: unknown) => {
        if (!isConflict(error)) throw error;
        return after + 1;
      });
    }),
  },
  {
    fault: 'a conflict does not say what is there',
    foundBy: 'rejects a position that is taken, and says what is there',
    mutate: withAppend((sound) => async (stream, after, bytes, options) => {
      return sound.append(stream, after, bytes, options).catch((error: unknown) => {
        throw isConflict(error) ? new VersionConflictError(stream, after + 1) : error;
      });
    }),
  },
  {
    fault: "the caller's bytes are kept, not a copy",
    foundBy: 'keeps every byte from 0 to 255, and its own copy of them',
    mutate: (sound) => {
      const kept = new Map<string, Uint8Array>();
      return {
        ...sound,
        async append(stream, after, bytes, options) {
          const position = await sound.append(stream, after, bytes, options);
          kept.set(`${stream} ${position}`, bytes);
          return position;
        },
        async read(stream, after, options) {
          const { commits, end } = await sound.read(stream, after, options);
          const own = commits.map(({ position, bytes }) => ({
            position,
            bytes: kept.get(`${stream} ${position}`) ?? bytes,
          }));
          return { commits: own, end };
        },
      };
    },
  },
  {
    fault: "the log's own bytes are given out, not a copy",
    foundBy: 'keeps every byte from 0 to 255, and its own copy of them',
    mutate: (sound) => {
      const given = new Map<string, Uint8Array>();
      const keep = (key: string, bytes: Uint8Array) => given.set(key, given.get(key) ?? bytes).get(key) ?? bytes;
      return {
        ...sound,
        async read(stream, after, options) {
          const { commits, end } = await sound.read(stream, after, options);
          return {
            commits: commits.map(({ position, bytes }) => ({ position, bytes: keep(`${stream} ${position}`, bytes) })),
            end,
          };
        },
      };
    },
  },
  {
    fault: 'bytes are kept as text',
    foundBy: 'keeps every byte from 0 to 255, and its own copy of them',
    mutate: withAppend((sound) => (stream, after, bytes, options) => {
      return sound.append(
        stream,
        after,
        bytes.length > 1_000 ? bytes : Buffer.from(String(Buffer.from(bytes))),
        options,
      );
    }),
  },
  {
    fault: 'streams are one',
    foundBy: 'keeps streams apart',
    mutate: (sound) => ({
      ...sound,
      append: (_stream, ...rest) => sound.append('one', ...rest),
      read: (_stream, ...rest) => sound.read('one', ...rest),
    }),
  },
  {
    fault: 'an abort is not looked at',
    foundBy: 'an aborted signal rejects each operation with its reason, and nothing is written',
    mutate: (sound) => ({
      ...sound,
      append: (stream, after, bytes) => sound.append(stream, after, bytes),
      read: (stream, after, { signal: _, ...options } = {}) => sound.read(stream, after, options),
    }),
  },
  {
    fault: 'an abort after the write is told as if nothing was written',
    foundBy: 'tells the truth of an append that is aborted midway',
    mutate: withAppend((sound) => async (...append) => {
      const position = await sound.append(...append);
      await turn();
      append[3]?.signal?.throwIfAborted();
      return position;
    }),
  },
  {
    fault: 'too many bytes are taken',
    foundBy: 'takes a commit of the largest size and refuses one byte more',
    mutate: withAppend((sound) => (stream, after, bytes, options) => {
      return sound.append(stream, after, bytes.subarray(0, MAX_COMMIT_BYTES), options);
    }),
  },
  {
    fault: 'any `after` will do',
    foundBy: 'rejects an `after` that is missing or not a position',
    mutate: withAppend((sound) => (stream, after, bytes, options) => {
      return sound.append(stream, Math.max(0, Math.trunc(after) || 0), bytes, options);
    }),
  },
  {
    fault: 'a closed log goes on',
    foundBy: 'a closed log refuses, and closing twice does nothing',
    mutate: (sound) => ({ ...sound, async close() {} }),
  },
  {
    fault: 'a trim does nothing',
    foundBy: 'removes what is before a position, reports it to every reader, and goes on',
    mutate: withMaintenance(() => ({ async trim() {} })),
  },
  {
    fault: 'an append where something was trimmed is taken for a repetition',
    foundBy: 'permanently refuses an append where something was trimmed',
    mutate: withAppend((sound) => async (stream, after, bytes, options) => {
      return sound.append(stream, after, bytes, options).catch(async (error: unknown) => {
        const isLetGo = await sound.read(stream, after).then(
          () => false,
          (reason: unknown) => reason instanceof TrimmedError,
        );
        if (isConflict(error) && isLetGo) return after + 1;
        throw error;
      });
    }),
  },
  {
    fault: 'a trim beyond the head does nothing and says so to nobody',
    foundBy: 'trims as often as asked, never back and never beyond the head',
    mutate: withMaintenance((maintenance) => ({
      trim: (...trim) =>
        maintenance.trim(...trim).catch((error: unknown) => {
          if (!isConflict(error)) throw error;
        }),
    })),
  },
  {
    fault: 'a replacement does not look at what is there',
    foundBy: 'replaces exactly what was found, and nothing else',
    mutate: withMaintenance((maintenance, sound) => ({
      async replace(stream, position, options) {
        const found = await bytesAt(sound, stream, position);
        await maintenance.replace(stream, position, { ...options, found });
      },
    })),
  },
  {
    fault: 'an operator is shown the first page only',
    foundBy: 'shows an operator everything that is there, around what was taken away',
    mutate: withMaintenance((maintenance) => ({
      async *inspect(...call) {
        for await (const entries of maintenance.inspect(...call)) return yield entries;
      },
    })),
  },
  {
    fault: 'where a stream begins can be moved on, never back',
    foundBy: 'reports again where a stream begins once that is corrected, and trims it from there',
    mutate: withMaintenance((maintenance) => ({
      async correctFirst(stream, first, options) {
        const said = await maintenance.first(stream);
        return first < said ? true : maintenance.correctFirst(stream, first, options);
      },
    })),
  },
  {
    fault: 'a trim lets every stream go',
    foundBy: 'leaves other streams alone',
    mutate: withMaintenance((maintenance) => ({
      async trim(stream, first, options) {
        await maintenance.trim(stream, first, options);
        const found = Buffer.from('kept');
        await maintenance.replace('other', 1, { found, bytes: undefined }).catch(() => {});
      },
    })),
  },
  {
    fault: 'a replacement takes any position',
    foundBy: 'refuses to replace at what is not a position, or with too many bytes',
    mutate: withMaintenance((maintenance) => ({
      async replace(stream, position, options) {
        if (position >= 1) await maintenance.replace(stream, position, options);
      },
    })),
  },
  {
    fault: 'an append believes in a commit that was taken away',
    foundBy: 'takes no append behind a commit that was taken away',
    mutate: (sound) => ({
      ...sound,
      async append(stream, after, bytes, options) {
        const { commits } = await sound.read(stream, 0, { limit: 1_000 });
        const isShortened = after === 3 && commits.length === 2;
        return sound.append(stream, isShortened ? 2 : after, bytes, options);
      },
    }),
  },
  {
    fault: 'nothing can be taken away',
    foundBy: 'takes the last commit away, and takes an append in its place',
    mutate: withMaintenance((maintenance) => ({
      async replace(stream, position, options) {
        if (options.bytes) await maintenance.replace(stream, position, options);
      },
    })),
  },
];

/** Faults that only a bad network brings out. */
export const networkMutants: readonly Mutant[] = [
  {
    fault: 'a lost reply makes the log write at the next position',
    foundBy: 'writes what eight workers append once each, at the position that it says',
    mutate: behindBadNetwork(({ lost, after }) => (lost === 'reply' ? { after: after + 1 } : undefined)),
  },
  {
    fault: 'a lost reply is reported as a conflict',
    foundBy: 'writes what eight workers append once each, at the position that it says',
    mutate: behindBadNetwork(({ lost, stream, after }) => {
      if (lost === 'reply') throw new VersionConflictError(stream, after + 1);
      return undefined;
    }),
  },
  {
    fault: 'a lost request is taken for written',
    foundBy: 'writes what eight workers append once each, at the position that it says',
    mutate: behindBadNetwork(({ lost, after }) => (lost === 'request' ? { position: after + 1 } : undefined)),
  },
  {
    fault: 'an abort after a lost reply is told as if nothing was written',
    foundBy: 'tells the truth of an append that is aborted while its outcome is unknown',
    mutate: behindBadNetwork(({ signal }) => {
      signal?.throwIfAborted();
      return undefined;
    }),
  },
];
