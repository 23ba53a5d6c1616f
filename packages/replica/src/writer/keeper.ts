/** Holds a replica's file open to write it, and keeps it sound: checks it, empties its log, and makes it again where it is damaged or gone. */
import type { DatabaseSync } from 'node:sqlite';
import { checkInBackground } from '../checking/background.ts';
import { damageOf } from '../checking/digest.ts';
import { idOfFile, makeAgain, makeFolder, openToWrite, type Replaced, replaceFile, takeLock } from './file.ts';
import { emptyLogWhenQuiet } from './log.ts';
import type { ReplicaFile } from './replica-file.ts';

/** What a keeper reports without being asked. */
export type News =
  /** Another file took the place of the damaged one. */
  | ({ readonly kind: 'replaced' } & Replaced)
  /** Somebody removed or replaced the file, and it was made again of what was open. */
  | { readonly kind: 'made-again'; readonly aside: string | undefined }
  /** Another process advances the replica now. `isLockGone`: the lock was removed, and that process has taken one in its place. */
  | { readonly kind: 'overtaken'; readonly isLockGone: boolean }
  /** Damage was found, or a file that is gone could not be made again. */
  | { readonly kind: 'damaged'; readonly message: string };

export interface KeeperOptions extends ReplicaFile {
  /** Who writes it, for people. */
  readonly holder: string;
  /** Takes each database that is opened. */
  readonly opened: (database: DatabaseSync) => void;
  readonly tell: (news: News) => void;
}

/** The one who may write a replica's file. */
export interface Keeper {
  /** Whether the file is open to write. */
  readonly isOpen: boolean;
  /** Takes the right to write where it is free, and opens the file. Throws what `openToWrite` does. */
  advance(): { readonly advancing: boolean; readonly replaced: Replaced | undefined };
  /** Replaces the damaged file by what can be read of it. Throws what the disk says; the damaged file is written on then. */
  mend(): void;
  /** Notes that something is written. */
  touch(): void;
  close(): void;
}

const LOOK_EVERY_MS = 1_000;

/** What is done to an open file in the background. */
interface Open {
  readonly database: DatabaseSync;
  readonly file: string | undefined;
  readonly check: { stop(): void };
  readonly log: { touch(): void; stop(): void };
}

/** Makes the keeper of a file; nothing is opened before it is asked to advance. */
export function createKeeper({ path, busId, role, holder, opened, tell }: KeeperOptions): Keeper {
  const replica: ReplicaFile = { path, busId, role };
  let lock: { readonly held: Disposable; readonly file: string | undefined } | undefined;
  let open: Open | undefined;
  let replaced: Replaced | undefined;
  let looks: NodeJS.Timeout | undefined;

  const tellDamage = (error: unknown) => tell({ kind: 'damaged', message: damageOf(error).message });

  function begin(database: DatabaseSync): void {
    open = {
      database,
      file: idOfFile(path),
      check: checkInBackground(path, (error) => {
        // What somebody put there says nothing of the file that is open.
        if (isInPlace()) tellDamage(error);
        else look();
      }),
      log: emptyLogWhenQuiet(database),
    };
    opened(database);
    looks ??= setInterval(look, LOOK_EVERY_MS).unref();
  }

  function end(): void {
    open?.check.stop();
    open?.log.stop();
    open?.database.close();
    open = undefined;
  }

  function release(): void {
    clearInterval(looks);
    looks = undefined;
    lock?.held[Symbol.dispose]();
    lock = undefined;
  }

  function takeRight(): boolean {
    const held = lock ? undefined : takeLock(path);
    if (held) lock = { held, file: idOfFile(`${path}.lock`) };
    return lock !== undefined;
  }

  const isInPlace = (): boolean => idOfFile(path) === open?.file;

  /** Looks whether file and lock are still those that are open: what is written to a file without a name is lost with this process. */
  function look(): void {
    if (!open || (isInPlace() && idOfFile(`${path}.lock`) === lock?.file)) return;
    try {
      makeFolder(path);
      if (idOfFile(`${path}.lock`) !== lock?.file) takeAgain();
      if (open && !isInPlace()) remake(open);
    } catch (error) {
      // Tried again at the next look: the disk is full, or something is being written.
      if (!open?.database.isTransaction) tellDamage(error);
    }
  }

  function takeAgain(): void {
    const before = lock;
    lock = undefined;
    if (takeRight()) before?.held[Symbol.dispose]();
    else {
      lock = before;
      end();
      release();
      tell({ kind: 'overtaken', isLockGone: true });
    }
  }

  function remake({ database }: Open): void {
    const aside = makeAgain(database, path);
    end();
    begin(openToWrite(replica, holder).database);
    tell({ kind: 'made-again', aside });
  }

  return {
    get isOpen() {
      return open !== undefined;
    },
    advance() {
      if (!takeRight()) return { advancing: false, replaced: undefined };
      try {
        if (!open) {
          const first = openToWrite(replica, holder);
          ({ replaced } = first);
          begin(first.database);
        }
        return { advancing: true, replaced };
      } catch (error) {
        release();
        throw error;
      }
    },
    mend() {
      if (open && !isInPlace()) return look();
      end();
      try {
        tell({ kind: 'replaced', ...replaceFile(replica) });
      } finally {
        // Where the disk has no room for another, what can be read of this one is served on.
        begin(openToWrite(replica, holder).database);
      }
    },
    touch: () => open?.log.touch(),
    close() {
      end();
      release();
    },
  };
}
