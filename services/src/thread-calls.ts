/** Watches what a thread asks of files and of SQLite while it waits for the answer. */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { DatabaseSync, StatementSync } from 'node:sqlite';

/** One call that the thread waited for. */
export interface ThreadCall {
  /** Such as `writeFileSync`, or the SQL. */
  readonly name: string;
  readonly ms: number;
  /** Whether it changes a file or a database. */
  readonly isWrite: boolean;
}

/** The calls of this thread since the watch began, or was last emptied. */
export interface ThreadCalls extends Disposable {
  readonly calls: ThreadCall[];
}

type Method = (this: unknown, ...args: never[]) => unknown;
type Methods = Record<string, unknown>;

const WRITING_FILE =
  /^(write|append|mkdir|mkdtemp|rm|rename|unlink|truncate|ftruncate|fsync|fdatasync|copy|cp|link|symlink|chmod|fchmod|chown|fchown|utimes|futimes)/;
const WRITING_SQL = /\b(INSERT|UPDATE|DELETE|REPLACE|CREATE|DROP|ALTER|VACUUM|IMMEDIATE|EXCLUSIVE|wal_checkpoint)\b/i;

const isWritingFlag = (flags: unknown): boolean =>
  typeof flags === 'string' ? /[wa+]/.test(flags) : typeof flags === 'number' && (flags & 0o103) !== 0;

/** Begins to watch this thread; it ends with the disposal. `isWatched` says of each call, as it is made, whether it is of interest. */
export function watchThreadCalls(isWatched: () => boolean = () => true): ThreadCalls {
  const calls: ThreadCall[] = [];
  const undo: (() => void)[] = [];

  function wrap(
    owner: Methods,
    key: string,
    describe: (self: unknown, args: readonly unknown[]) => Omit<ThreadCall, 'ms'>,
  ) {
    const original = owner[key] as Method;
    owner[key] = function (this: unknown, ...args: never[]) {
      if (!isWatched()) return original.apply(this, args);
      const began = performance.now();
      try {
        return original.apply(this, args);
      } finally {
        calls.push({ ...describe(this, args), ms: performance.now() - began });
      }
    };
    undo.push(() => {
      owner[key] = original;
    });
  }
  const sql = (text: string) => ({ name: text, isWrite: WRITING_SQL.test(text) });

  const files = fs as unknown as Methods;
  for (const key of Object.keys(files).filter((name) => name.endsWith('Sync') && typeof files[name] === 'function'))
    wrap(files, key, (_, [, flags]) => ({
      name: key,
      isWrite: WRITING_FILE.test(key) || (key === 'openSync' && isWritingFlag(flags)),
    }));
  for (const key of ['exec', 'prepare'])
    wrap(DatabaseSync.prototype as unknown as Methods, key, (_, [text]) =>
      key === 'exec' ? sql(String(text)) : { name: `prepare ${String(text)}`, isWrite: false },
    );
  for (const key of ['get', 'all', 'run'])
    wrap(StatementSync.prototype as unknown as Methods, key, (self) => sql((self as StatementSync).sourceSQL));
  syncBuiltinESMExports();
  return {
    calls,
    [Symbol.dispose]() {
      for (const each of undo) each();
      syncBuiltinESMExports();
    },
  };
}
