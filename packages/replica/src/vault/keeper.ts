/** Keeps a vault on the thread that writes the replica: opens keys, and writes what was opened, many at a time. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { MessagePort } from 'node:worker_threads';
import { createOpener } from '@certbus/events';
import { type DatabaseSync, describeFileProblem, fileProblemOf } from '@certbus/store/sqlite-files';
import { createReader } from '../reader.ts';
import { openToRead } from '../writer/file.ts';
import { answerOver, type Beginning, type SealedLeaf, type VaultCall } from './calls.ts';
import { createNoteWriter, createPageReader, openVaultToWrite, type VaultNote, vaultKey } from './file.ts';
import { neededLeaves } from './needed.ts';
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
const RETRY_MS = 250;
/** More than that is opened again after a restart. */
const MAX_WAITING = 10_000;
const SWEPT_TOGETHER = 100;

/** A key that is being opened. */
interface Opening {
  readonly certificateId: string;
  readonly leafHash: string;
  /** Its certificate can be removed meanwhile: then it is not kept. */
  isNeeded: boolean;
}

/** An open file, and what is to be written into it. */
interface Store {
  note(...notes: readonly VaultNote[]): void;
  /** Removes the keys of leaves that the replica no longer has. */
  sweep(): Promise<void>;
  /** Writes what waits, if it can be written. */
  close(): void;
}

function createStore(database: DatabaseSync, { replica, busId }: VaultSetup): Store {
  const write = createNoteWriter(database);
  const readPage = createPageReader(database);
  const waiting: VaultNote[] = [];
  let timer: NodeJS.Timeout | undefined;
  let isClosed = false;

  function flush(): void {
    timer = undefined;
    if (waiting.length === 0) return;
    try {
      write(waiting);
      waiting.length = 0;
    } catch {
      // Another process writes, or the disk is full: that only costs time.
      waiting.splice(0, waiting.length - MAX_WAITING);
      if (!isClosed) timer = setTimeout(flush, RETRY_MS);
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
        const { certificate, isComplete } = createReader(replicated);
        // What it does not have yet may be needed.
        if (!isComplete()) return;
        for (let page = readPage(undefined, SWEPT_TOGETHER); page.length > 0 && !isClosed; ) {
          for (const { certificateId, leafHash } of page) {
            const leafHashes = neededLeaves(certificate(certificateId));
            if (!leafHashes.includes(leafHash)) note({ kind: 'needed', certificateId, leafHashes });
          }
          // Keys that a handshake waits for come in between.
          await nextTurn();
          if (!isClosed) page = readPage(page.at(-1), SWEPT_TOGETHER);
        }
      } finally {
        replicated.close();
      }
    },
    close() {
      isClosed = true;
      clearTimeout(timer);
      flush();
      database.close();
    },
  };
}

/** Makes the keeper of a vault. Its file is opened with the call `begin`. */
function createKeeper(setup: VaultSetup): (call: VaultCall) => unknown {
  const { path, busId, identity, recipient } = setup;
  const { openPrivateKey } = createOpener(identity);
  let store: Store | undefined;
  let key: KeyObject | undefined;
  let sweeping: Promise<void> = Promise.resolve();
  const inWork = new Set<Opening>();

  async function begin(): Promise<Beginning> {
    if (path === undefined) return {};
    let database: DatabaseSync | undefined;
    try {
      database = openVaultToWrite(path);
      const bytes = await vaultKey(database, { identity, recipient: { name: 'this server', recipient } });
      key = createSecretKey(bytes);
      store = createStore(database, setup);
      return { key: bytes };
    } catch (error) {
      database?.close();
      if (fileProblemOf(error, path) === undefined) throw error;
      return { problem: `${describeFileProblem(error, path)}.` };
    }
  }

  async function open(certificateId: string, { leafHash, leaf, sealedKey }: SealedLeaf): Promise<string> {
    const opening: Opening = { certificateId, leafHash, isNeeded: true };
    inWork.add(opening);
    try {
      const opened = await openPrivateKey(sealedKey, Buffer.from(leaf, 'base64'));
      if (key && store && opening.isNeeded) {
        const sealed = sealLocally(key, { busId, certificateId, leafHash }, opened);
        store.note({ kind: 'opened', certificateId, leafHash, sealed });
      }
      return opened;
    } finally {
      inWork.delete(opening);
    }
  }

  function note(notes: readonly VaultNote[]): void {
    for (const each of notes) {
      if (each.kind !== 'needed') continue;
      for (const opening of inWork) {
        if (opening.certificateId === each.certificateId)
          opening.isNeeded &&= each.leafHashes.includes(opening.leafHash);
      }
    }
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
