import { createSecureContext } from 'node:tls';
import type { Trust } from '@certbus/events';
import type { Replica } from '@certbus/replica';
import type { ArchivePlace } from '@certbus/store';
import type { ConnectOptions } from './cert-bus.ts';
import { makeContext } from './contexts.ts';
import type { ClientEmitter } from './emitter.ts';
import type { FollowerListener } from './follower.ts';
import type { Notes } from './health.ts';
import type { KeyVault } from './serving/key-vault.ts';
import { type ContextCache, createContextCache } from './tls/context-cache.ts';

/** What a client is made of. */
export interface Parts {
  readonly options: ConnectOptions;
  readonly trust: Trust;
  readonly replica: Replica;
  readonly vault: KeyVault;
  readonly archive: { readonly place: ArchivePlace | undefined; close(): unknown };
  readonly emitter: ClientEmitter;
  readonly notes: Notes;
  readonly now: () => Date;
}

const CACHE_SIZE = 10_000;
const MAX_MISSING = 100;
/** Changes that are told one by one; a million of them would stand the event loop still. */
const MAX_TOLD = 10_000;

/** Notes and tells what was asked for in vain; a scanner's names do not pile up. */
export function noteMissing({ notes, emitter }: Parts, serverName: string): void {
  const { missingNames } = notes;
  missingNames.delete(serverName);
  missingNames.add(serverName);
  if (missingNames.size > MAX_MISSING) missingNames.delete([...missingNames][0] ?? '');
  emitter.emit('missing', { serverName });
}

/** The cache of TLS contexts over a replica and its keys. */
export function createContexts(parts: Parts): ContextCache {
  const { replica, vault, notes, options, now } = parts;
  const source = {
    replica,
    privateKey: vault.privateKey,
    build: createSecureContext,
    now,
    alarm: (error: Error) => {
      // Once a key, not once a handshake.
      if (notes.unopenedKeys.has(error.message)) return;
      notes.unopenedKeys.add(error.message);
      parts.emitter.emit('alarm', error);
    },
  };
  const size = options.cacheSize ?? CACHE_SIZE;
  return createContextCache({
    size,
    now: () => now().getTime(),
    make: (serverName) => makeContext(source, serverName),
  });
}

/** Drops the contexts of what changed in the replica since the last look, and tells of it. */
export function createChangeWatcher({ replica, vault, notes, emitter }: Parts, contexts: ContextCache): () => void {
  let { position, restored } = replica.checkpoint();
  return () => {
    const reached = replica.checkpoint();
    const changes = replica.changedSince(Math.min(position, reached.position), MAX_TOLD + 1);
    // A replica that was begun anew is behind what was seen of the one before, or goes another way.
    const isAnother = reached.position < position || reached.restored !== restored;
    ({ position, restored } = reached);
    if (isAnother || changes.length > MAX_TOLD) {
      contexts.clear();
      notes.unopenedKeys.clear();
      emitter.emit('rebuilt');
      return;
    }
    for (const { certificateId, names } of changes) {
      const certificate = replica.certificate(certificateId);
      const removed = certificate?.removed ?? true;
      if (!removed && !certificate?.current) continue;
      contexts.drop(certificateId, names);
      notes.unopenedKeys.clear();
      if (removed) vault.forget(certificateId);
      emitter.emit('changed', { certificateId, names, removed });
    }
  };
}

/** Notes and tells what the follower meets. */
export function createListener({ notes, emitter, now }: Parts, changed: () => void): FollowerListener {
  const becomeLive = () => {
    if (notes.live) return;
    notes.live = true;
    emitter.emit('live');
  };
  return {
    contact({ live }) {
      notes.answers += 1;
      notes.lastContactAt = now();
      notes.following = true;
      if (live) {
        notes.trouble = undefined;
        becomeLive();
      }
    },
    moved: changed,
    watching() {
      notes.following = false;
      notes.trouble = undefined;
      becomeLive();
    },
    trouble(error) {
      const isNew = notes.trouble?.message !== error.message;
      notes.trouble = error;
      if (isNew) emitter.emit('alarm', error);
    },
  };
}
