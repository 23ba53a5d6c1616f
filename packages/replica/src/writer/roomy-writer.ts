/**
 * Writes a replica; for a client it keeps in memory what the disk has no room for, so that a full disk costs durability and not freshness. The
 * other processes of the machine do the same then, each for itself, since what is in the memory of one they cannot read.
 */
import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { describeFileProblem, fileProblemOf } from '@certbus/store/sqlite-files';
import { ReplicaError } from '../errors.ts';
import type { FollowedReplica } from '../followed.ts';
import { type Change, createReader, type ReplicaReader } from '../reader.ts';
import { createUnwritten, type Unwritten, type UnwrittenChange } from '../unwritten/unwritten.ts';
import { openToServe, type Replaced, takeLock } from './file.ts';
import { createKeeper, type News } from './keeper.ts';
import type { ReplicaFile } from './replica-file.ts';
import { isShortOfRoom, noteRoom } from './room.ts';
import { createWriter, type Write, type Writer } from './writer.ts';

/** Which replica a writer writes. */
export interface Writing extends ReplicaFile {
  /** Who writes it, for people. */
  readonly holder: string;
}

/** What a writer reports without being asked. */
export type WriterNews =
  | News
  /** A change is in memory alone, and why. */
  | { readonly kind: 'unwritten'; readonly change: UnwrittenChange; readonly message: string }
  /** What is in memory alone could not be written again, and why. */
  | { readonly kind: 'unwritable'; readonly message: string }
  /** Nothing is in memory alone any more. */
  | { readonly kind: 'written' };

/** The right to advance, as the writer has it. */
export interface AdvanceAnswer {
  readonly advancing: boolean;
  readonly replaced: Replaced | undefined;
  /** Why nothing can be written now; what is taken is kept in memory. */
  readonly unwritable?: string;
  /** Whether another process has the file open to write, and has no room either. */
  readonly isBeside?: boolean;
}

export interface RoomyWriter {
  /** Takes the right to advance where it is free; where nobody can write, a client advances in memory. */
  advance(): AdvanceAnswer;
  /** Writes, and returns what changed of that which is served. */
  write(wanted: Write): readonly Change[];
  /** How far the replica goes on this thread, with what is in memory alone. */
  readonly reached: Pick<FollowedReplica, 'checkpoint' | 'bus' | 'isComplete' | 'countLost'>;
  /** Tries to write what is kept in memory. */
  catchUp(): void;
  mend(): void;
  close(): void;
}

/** Whether an error passes once there is room, or the disk is mounted to write again. */
function isNoRoom(error: unknown, path: string): boolean {
  const problem = fileProblemOf(error, path);
  return problem === 'full' || problem === 'read-only' || problem === 'disk';
}

const NO_ROOM = 'the process that writes it has no room for it on the disk; make room';

/** Makes the writer of a file; nothing is opened before it is asked to advance. */
export function createRoomyWriter(
  { path, busId, role, holder }: Writing,
  tell: (news: WriterNews) => void,
): RoomyWriter {
  let write: Writer | undefined;
  let reader: ReplicaReader | undefined;
  /** What is read while nothing can be opened to write. */
  let readOnly: { readonly database: DatabaseSync; readonly reader: ReplicaReader } | undefined;
  let unwritten: Unwritten | undefined;
  let isOvertaken = false;
  /** Whether this process takes in memory what the one that writes the file has no room for. */
  let isBeside = false;
  /** How far the file went when what is in memory beside it began. */
  let basis = 0;
  const keeper = createKeeper({
    path,
    busId,
    role,
    holder,
    tell(news) {
      if (news.kind === 'overtaken') beOvertaken(news);
      else tell(news);
    },
    opened(next) {
      reader = createReader(next);
      write = createWriter(next, { busId, role });
    },
  });

  function openBelow() {
    const { database } = openToServe({ path, busId, role }, { isAlone: !isBeside });
    return { database, reader: createReader(database) };
  }
  function readBelow(): ReplicaReader {
    if (keeper.isOpen && reader) return reader;
    readOnly ??= openBelow();
    return readOnly.reader;
  }
  function closeBelow(): void {
    readOnly?.database.close();
    readOnly = undefined;
  }
  /** Opens a file again that could not be opened or written before, and returns whether this process may. */
  function openAgain(): boolean {
    if (keeper.isOpen) return true;
    // As long as this thread reads it from a disk that was read-only, it cannot write it either.
    closeBelow();
    const { advancing, replaced } = keeper.advance();
    if (replaced) tell({ kind: 'replaced', ...replaced });
    // Who reads it as a file that never changes opens it again before it hears of what is written now.
    if (advancing && !unwritten) tell({ kind: 'written' });
    return advancing;
  }
  function writeToDisk(wanted: Write): readonly Change[] {
    if (!openAgain()) {
      beOvertaken();
      throw new ReplicaError('CERTBUS_REPLICA_READ_ONLY', 'Another process advances this replica.');
    }
    keeper.touch();
    return write?.(wanted) ?? [];
  }
  function keep({ commits, checkpoint }: Extract<Write, { kind: 'apply' }>, cause: unknown): readonly Change[] {
    unwritten ??= createUnwritten(readBelow, busId);
    const change = unwritten.take(commits, checkpoint);
    // More would take too much memory: what was kept is served on, and the bus keeps the rest.
    if (!change) throw cause;
    if (keeper.isOpen) noteRoom(path, { hasRoom: false });
    tell({ kind: 'unwritten', change, message: describeFileProblem(cause, path) });
    return change.certificates.map(({ certificate: { certificateId, names, removed }, position, isServed }) => ({
      certificateId,
      names,
      removed,
      position,
      isServed,
    }));
  }
  function apply(wanted: Extract<Write, { kind: 'apply' }>): readonly Change[] {
    try {
      writeKept();
      return writeToDisk(wanted);
    } catch (error) {
      // A first replay that finds no room serves nothing yet, and goes on where it was.
      if (role !== 'client' || !isNoRoom(error, path) || !reached.isComplete()) throw error;
      return keep(wanted, error);
    }
  }
  /** The same where another process writes the file, for as long as that one has no room. */
  function writeBeside(wanted: Write): readonly Change[] {
    const error = new ReplicaError('CERTBUS_REPLICA_FAILED', NO_ROOM);
    if (!isShortOfRoom(path)) {
      beOvertaken();
      throw error;
    }
    if (wanted.kind !== 'apply') throw error;
    const changes = onOnePicture((below) => {
      const { position } = below.checkpoint();
      if (!unwritten) basis = position;
      return position === basis ? keep(wanted, error) : undefined;
    });
    if (changes) return changes;
    // What is in memory goes on from a file that is written again.
    beOvertaken();
    throw error;
  }
  /** Reads a file that another process writes. In between it is left alone: who reads it keeps its log from being shortened, which may be what takes the room. */
  function onOnePicture<T>(read: (below: ReplicaReader) => T): T {
    const below = readBelow();
    const database = readOnly?.database;
    database?.exec('BEGIN');
    try {
      return read(below);
    } finally {
      database?.exec('ROLLBACK');
    }
  }
  /** Whether nobody writes the file any more. */
  function isFree(): boolean {
    const lock = takeLock(path);
    lock?.[Symbol.dispose]();
    return lock !== undefined;
  }
  function writeKept(): void {
    if (!unwritten) return;
    unwritten.writeTo((commits, checkpoint) => writeToDisk({ kind: 'apply', commits, checkpoint }));
    drop();
  }
  /** Drops what is in memory alone: it is written, or the process that advances the replica now reads it from the bus. */
  function forget(): void {
    unwritten = undefined;
    closeBelow();
  }

  function drop(): void {
    forget();
    noteRoom(path, { hasRoom: true });
    tell({ kind: 'written' });
  }

  function beOvertaken(news: WriterNews = { kind: 'overtaken', isLockGone: false }): void {
    forget();
    isBeside = false;
    if (!isOvertaken) tell(news);
    isOvertaken = true;
  }

  const reached: RoomyWriter['reached'] = {
    checkpoint: () => unwritten?.checkpoint ?? readBelow().checkpoint(),
    bus: () => unwritten?.bus ?? readBelow().bus(),
    isComplete: () => unwritten !== undefined || readBelow().isComplete(),
    countLost: () => readBelow().countLost(),
  };

  return {
    reached,
    advance() {
      isOvertaken = false;
      try {
        const answer = keeper.advance();
        const isShort = role === 'client' && isShortOfRoom(path);
        // Of one that ended, which said so last.
        if (answer.advancing && isShort) noteRoom(path, { hasRoom: true });
        if (answer.advancing || !isShort) return answer;
        closeBelow();
        isBeside = true;
        return { advancing: true, replaced: undefined, unwritable: NO_ROOM, isBeside };
      } catch (error) {
        if (role !== 'client' || !isNoRoom(error, path) || !existsSync(path)) throw error;
        return { advancing: true, replaced: undefined, unwritable: describeFileProblem(error, path) };
      }
    },
    write(wanted) {
      if (isBeside) return writeBeside(wanted);
      if (wanted.kind === 'apply') return apply(wanted);
      const changes = writeToDisk(wanted);
      // What was built again from the bus has all of it.
      if (wanted.kind === 'serve' && unwritten) drop();
      return changes;
    },
    catchUp() {
      try {
        if (isBeside && isShortOfRoom(path) && !isFree()) throw new ReplicaError('CERTBUS_REPLICA_FAILED', NO_ROOM);
        if (isBeside || !openAgain()) beOvertaken();
        else if (unwritten) writeKept();
        else tell({ kind: 'written' });
      } catch (error) {
        // A disk that was read-only may be full now.
        if (isNoRoom(error, path)) tell({ kind: 'unwritable', message: describeFileProblem(error, path) });
        throw error;
      }
    },
    mend() {
      // It is for the process that writes the file.
      if (!isBeside) keeper.mend();
    },
    close() {
      closeBelow();
      try {
        if (keeper.isOpen) write?.({ kind: 'flush' });
      } finally {
        keeper.close();
      }
    },
  };
}
