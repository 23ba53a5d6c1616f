/** Private keys of one replica, opened once and sealed again for this machine. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { createOpener, EventsError, type ManagedCertificate } from '@certbus/events';
import { describeExposure, examineState } from '../private-file.ts';
import { askOver, type Beginning, type SealedLeaf, type VaultCall } from './calls.ts';
import { openVaultToRead, type VaultNote, type VaultReader } from './file.ts';
import { createGate } from './gate.ts';
import type { VaultSetup } from './keeper.ts';
import { createMemory } from './memory.ts';
import { neededLeaves } from './needed.ts';
import { createOpenings } from './openings.ts';
import { openLocally, sealLocally } from './sealing.ts';

/**
 * Private keys, opened once and kept sealed for this machine, so that a later opening takes microseconds. They are opened, and written,
 * on the thread that writes the replica; this one only reads.
 */
export interface KeyVault {
  /** Why opened keys are kept in memory alone; `undefined` where nothing is wrong. */
  readonly problem: string | undefined;
  /**
   * PKCS#8 PEM of the certificate's key. A key that is kept is there at once; of the others a few are opened at a time. Rejects with an
   * `EventsError` when it does not open or does not match.
   */
  privateKey(certificateId: string, leaf: SealedLeaf): Promise<string>;
  /** Takes what a certificate is now: the keys of leaves that it no longer has are removed, all of them where it was removed. */
  update(certificateId: string, certificate: ManagedCertificate | undefined): void;
  /** Removes the keys of all leaves that the replica no longer has, a few at a time. */
  sweep(): void;
  /** Server names that were in use, to be warmed after a restart. */
  recentNames(): readonly string[];
  keepRecentNames(names: readonly string[]): void;
  /** Resolves when what was opened is written. */
  close(): Promise<void>;
}

/** Lets the keeper of a vault serve a port, on whichever thread. */
export type StartKeeper = (port: MessagePort, setup: VaultSetup) => unknown;

const MAX_OPENINGS = 8;
/** How long a handshake waits for the thread: it may be at work on a large page of the bus, or on an index. */
const PATIENCE_MS = 250;

/** Where opened keys are kept. */
interface Keeping extends Pick<KeyVault, 'problem'> {
  readonly key: KeyObject;
  readonly kept: VaultReader;
  /** Takes what was opened, where the keeper does not. */
  readonly memory: ReturnType<typeof createMemory> | undefined;
}

function keepInMemory(problem: string | undefined): Keeping {
  const memory = createMemory();
  return { problem, key: createSecretKey(crypto.getRandomValues(new Uint8Array(32))), kept: memory, memory };
}

function keepInFile(path: string, key: Uint8Array): Keeping {
  return { problem: undefined, key: createSecretKey(key), kept: openVaultToRead(path), memory: undefined };
}

const cannotKeep = (path: string, why: string): string =>
  `The private keys that this server opens cannot be kept in ${path}, so that it opens them again after a restart: ${why}`;

/** Others could have put a key there that they know, and would then read what is kept under it. */
function exposureOf(path: string): string | undefined {
  const exposures = [path, `${path}-wal`, `${path}-shm`, `${path}-journal`].map(examineState);
  const first = exposures.find((exposure) => exposure !== undefined);
  return first && describeExposure(first);
}

/** Asks the keeper to open the file. Where it cannot start, keys are opened all the same. */
async function begin(ask: (call: VaultCall) => Promise<unknown>): Promise<Beginning> {
  try {
    return (await ask({ kind: 'begin' })) as Beginning;
  } catch (error) {
    return { problem: `${error instanceof Error ? error.message : String(error)}.` };
  }
}

/**
 * Opens a vault, and lets its keeper start. Where its file cannot be used, keys are kept until the process ends, see
 * {@link KeyVault.problem}.
 */
export async function openKeyVault(setup: VaultSetup, startKeeper: StartKeeper): Promise<KeyVault> {
  const { busId, identity } = setup;
  const exposure = setup.path === undefined ? undefined : exposureOf(setup.path);
  const path = exposure === undefined ? setup.path : undefined;
  async function connect() {
    const { port1, port2 } = new MessageChannel();
    await startKeeper(port2, { ...setup, path });
    return { port: port1, ask: askOver(port1) };
  }
  let keeper = await connect();
  const { key, problem = exposure } = await begin(keeper.ask);
  const keeping =
    path !== undefined && key
      ? keepInFile(path, key)
      : keepInMemory(problem && cannotKeep(String(setup.path), problem));
  const { memory, kept } = keeping;
  const here = createOpener(identity);
  const gate = createGate(MAX_OPENINGS);
  const openings = createOpenings();
  const notes: VaultNote[] = [];
  let lastNames = '';

  let connecting: Promise<void> | undefined;
  let isClosed = false;

  /** Finds a keeper on the thread that took the place of one that failed; where there is none yet, the next failure asks again. */
  async function connectAgain(): Promise<void> {
    try {
      const next = await connect();
      await begin(next.ask);
      keeper.port.close();
      keeper = next;
    } catch {
      // The thread has not been started again.
    } finally {
      connecting = undefined;
    }
  }
  async function ask(call: VaultCall): Promise<unknown> {
    try {
      return await keeper.ask(call);
    } catch (error) {
      if (!(error instanceof EventsError) && !isClosed) connecting ??= connectAgain();
      throw error;
    }
  }

  /** What is not answered is found again by the next sweep, or opened again. */
  const tell = (call: VaultCall) => void ask(call).catch(() => {});

  /** One message a turn, however much changed in it. */
  function note(...more: readonly VaultNote[]): void {
    if (notes.length === 0) setImmediate(() => tell({ kind: 'note', notes: notes.splice(0) }));
    notes.push(...more);
  }

  function openCold(certificateId: string, leaf: SealedLeaf): Promise<string> {
    return new Promise((resolve, reject) => {
      const openHere = () => void here.openKeyOf(leaf).then(resolve, reject);
      const timer = setTimeout(openHere, PATIENCE_MS);
      ask({ kind: 'open', certificateId, leaf })
        .finally(() => clearTimeout(timer))
        .then(
          (opened) => resolve(String(opened)),
          // Where the thread has ended, this one does its work.
          (error) => (error instanceof EventsError ? reject(error) : openHere()),
        );
    });
  }

  return {
    problem: keeping.problem,
    async privateKey(certificateId, { leafHash, leaf, sealedKey, formerSealedKey }) {
      const sealedFor = { busId, certificateId, leafHash };
      const sealed = kept.sealed(certificateId, leafHash);
      const known = sealed && openLocally(keeping.key, sealedFor, sealed);
      if (known) return known;
      const cold = { leafHash, leaf, sealedKey, ...(formerSealedKey === undefined ? {} : { formerSealedKey }) };
      const opened = await openings.open({ certificateId, leafHash }, () => gate(() => openCold(certificateId, cold)));
      if (!opened.needed) memory?.keep(certificateId, leafHash, sealLocally(keeping.key, sealedFor, opened.key));
      // The keeper may have begun with it only after it heard that.
      else if (!memory) note({ kind: 'needed', certificateId, leafHashes: opened.needed });
      return opened.key;
    },
    update(certificateId, certificate) {
      const leafHashes = neededLeaves(certificate);
      openings.restrict(certificateId, leafHashes);
      if (memory) memory.restrict(certificateId, leafHashes);
      else note({ kind: 'needed', certificateId, leafHashes });
    },
    sweep() {
      if (!memory) return tell({ kind: 'sweep' });
      openings.clear();
      memory.clear();
    },
    recentNames: () => kept.recentNames(),
    keepRecentNames(names) {
      const joined = names.join();
      if (joined === lastNames) return;
      lastNames = joined;
      if (!memory) note({ kind: 'recent', names });
    },
    async close() {
      if (notes.length > 0) tell({ kind: 'note', notes: notes.splice(0) });
      // The keeper closes last, and takes the write-ahead log into the file.
      kept.close();
      isClosed = true;
      await connecting;
      await keeper.ask({ kind: 'close' }).catch(() => {});
      keeper.port.close();
    },
  };
}
