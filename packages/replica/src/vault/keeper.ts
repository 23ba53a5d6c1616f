/** Keeps a vault on the thread that writes the replica: opens keys, and writes what was opened, many at a time. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { createOpener } from '@certbus/events';
import { type DatabaseSync, describeFileProblem, fileProblemOf } from '@certbus/store/sqlite-files';
import { createReader } from '../reader.ts';
import { idOfFile, openToRead, setAside } from '../writer/file.ts';
import { answerOver, type Beginning, type SealedLeaf, type VaultCall } from './calls.ts';
import {
  createNoteWriter,
  createPageReader,
  type KeptLeaf,
  openVaultAgain,
  openVaultToWrite,
  replaceVault,
  sealedKeyIn,
  type VaultNote,
  vaultKey,
} from './file.ts';
import { neededLeaves } from './needed.ts';
import { createOpenings } from './openings.ts';
import { sealLocally } from './sealing.ts';

/** Whose keys are kept, and where. */
export interface VaultSetup {
  /** The vault's file; `undefined` where those who ask keep what is opened, in memory. */
  readonly path: string | undefined;
  /** The file of the replica, which says what is still needed. */
  readonly replica: string | undefined;
  readonly busId: string;
  /** This server's age identity. */
  readonly identity: string;
  readonly recipient: string;
}

/** How long what is to be written waits for more of it. */
const GATHER_MS = 20;
/** Doubled with each failure in a row, up to the second one. */
const [FIRST_RETRY_MS, LAST_RETRY_MS] = [250, 60_000];
/** How often a file is opened that other processes hold, half a second each. */
const MAX_TRIES = 20;
/** More than that is opened again after a restart. */
const MAX_WAITING = 10_000;
const SWEPT_TOGETHER = 100;

/** An open file, and what is to be written into it. */
interface Store {
  note(...notes: readonly VaultNote[]): void;
  /** Removes the keys of leaves that the replica no longer has. */
  sweep(): Promise<void>;
  /** Writes what waits, if it can be written. */
  close(): void;
}

function createStore(first: DatabaseSync, path: string, { replica, busId }: VaultSetup): Store {
  const openWith = (database: DatabaseSync) => ({
    database,
    file: idOfFile(path),
    write: createNoteWriter(database),
    readPage: createPageReader(database),
  });
  const sealedKey = sealedKeyIn(first);
  let open = openWith(first);
  /** Whether another vault took the place of this one: what is opened ends with this process then. */
  let isReplaced = false;
  const waiting: VaultNote[] = [];
  let timer: NodeJS.Timeout | undefined;
  let retryMs = FIRST_RETRY_MS;
  let isClosed = false;

  /** Goes on with what is at the path now. */
  function use(next: DatabaseSync | undefined): void {
    isReplaced = next === undefined;
    if (!next) return;
    const before = open.database;
    open = openWith(next);
    before.close();
  }
  const replace = (): void => use(replaceVault({ ...open, sealedKey }, path));
  const isDamaged = (error: unknown): boolean => fileProblemOf(error, path) === 'damaged';

  /** Looks whether the file is still the one that is open. */
  function look(): void {
    if (isReplaced || idOfFile(path) === open.file) return;
    try {
      use(openVaultAgain({ ...open, sealedKey }, path));
    } catch (error) {
      // What was put there, or what is to be made again.
      if (!isDamaged(error)) throw error;
      replace();
    }
  }
  /** Replaces the file where that is damaged: neither another attempt nor a restart would change it. */
  function replaceDamaged(error: unknown): void {
    if (isReplaced || idOfFile(path) !== open.file || !isDamaged(error)) return;
    try {
      replace();
    } catch {
      // The disk is full, for example. The next attempt fails in the same way, and comes here again.
    }
  }
  function flush(): void {
    timer = undefined;
    if (waiting.length === 0) return;
    try {
      look();
      open.write(waiting);
      waiting.length = 0;
      retryMs = FIRST_RETRY_MS;
    } catch (error) {
      replaceDamaged(error);
      // Another process writes, or the disk is full: that only costs time.
      waiting.splice(0, waiting.length - MAX_WAITING);
      if (!isClosed) timer = setTimeout(flush, retryMs);
      retryMs = Math.min(2 * retryMs, LAST_RETRY_MS);
    }
  }
  function readPage(after: KeptLeaf | undefined): readonly KeptLeaf[] {
    try {
      return open.readPage(after, SWEPT_TOGETHER);
    } catch (error) {
      replaceDamaged(error);
      throw error;
    }
  }
  function note(...notes: readonly VaultNote[]): void {
    waiting.push(...notes);
    timer ??= setTimeout(flush, GATHER_MS);
  }

  return {
    note,
    async sweep() {
      if (replica === undefined) return;
      const replicated = openToRead(replica, busId);
      try {
        const { certificate, isComplete, countLost } = createReader(replicated);
        // What it does not have yet may be needed.
        if (!isComplete() || countLost() !== undefined) return;
        for (let page = readPage(undefined); page.length > 0 && !isClosed; ) {
          for (const { certificateId, leafHash } of page) {
            const leafHashes = neededLeaves(certificate(certificateId));
            if (!leafHashes.includes(leafHash)) note({ kind: 'needed', certificateId, leafHashes });
          }
          // Keys that a handshake waits for come in between.
          await nextTurn();
          if (!isClosed) page = readPage(page.at(-1));
        }
      } finally {
        replicated.close();
      }
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      flush();
      open.database.close();
    },
  };
}

/** Makes the keeper of a vault. Its file is opened with the call `begin`. */
function createKeeper(setup: VaultSetup): (call: VaultCall) => unknown {
  const { path, busId, identity, recipient } = setup;
  const { openKeyOf } = createOpener(identity);
  let store: Store | undefined;
  let key: KeyObject | undefined;
  let sweeping: Promise<void> = Promise.resolve();
  const openings = createOpenings();

  async function openStore(file: string): Promise<Uint8Array> {
    const database = openVaultToWrite(file);
    try {
      const bytes = await vaultKey(database, { identity, recipient: { name: 'this server', recipient } });
      store = createStore(database, file, setup);
      key = createSecretKey(bytes);
      return bytes;
    } catch (error) {
      database.close();
      throw error;
    }
  }

  async function begin(): Promise<Beginning> {
    if (path === undefined) return {};
    let isBegunAgain = false;
    for (let tries = 1; ; tries += 1) {
      const file = idOfFile(path);
      try {
        return { key: await openStore(path) };
      } catch (error) {
        const problem = fileProblemOf(error, path);
        if (problem === undefined) throw error;
        if (problem === 'damaged' && !isBegunAgain) {
          isBegunAgain = true;
          // The page with its own key does not read: what it keeps opens no more. Another process can have begun it again by now.
          if (file !== undefined && idOfFile(path) === file) setAside(path);
          continue;
        }
        if (problem !== 'busy' || tries === MAX_TRIES) return { problem: `${describeFileProblem(error, path)}.` };
        await sleep(Math.random() * FIRST_RETRY_MS);
      }
    }
  }

  async function open(certificateId: string, leaf: SealedLeaf): Promise<string> {
    const { leafHash } = leaf;
    const opened = await openings.open({ certificateId, leafHash }, () => openKeyOf(leaf));
    if (key && store && !opened.needed) {
      const sealed = sealLocally(key, { busId, certificateId, leafHash }, opened.key);
      store.note({ kind: 'opened', certificateId, leafHash, sealed });
    }
    return opened.key;
  }

  function note(notes: readonly VaultNote[]): void {
    for (const each of notes) if (each.kind === 'needed') openings.restrict(each.certificateId, each.leafHashes);
    store?.note(...notes);
  }

  return (call) => {
    switch (call.kind) {
      case 'begin':
        return begin();
      case 'open':
        return open(call.certificateId, call.leaf);
      case 'note':
        return note(call.notes);
      case 'sweep':
        sweeping = sweeping.then(() => store?.sweep()).catch(() => {});
        return sweeping;
      case 'close':
        return store?.close();
    }
  };
}

/** Keeps a vault for those at the other end of a port. */
export const serveVault = (port: MessagePort, setup: VaultSetup): void => answerOver(port, createKeeper(setup));
