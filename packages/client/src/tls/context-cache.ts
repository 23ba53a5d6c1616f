/** A bounded cache of TLS contexts. */
import type { SecureContext } from 'node:tls';
import { LRUCache } from 'lru-cache';

/** A TLS context for a name, with what it was made of. */
export interface NamedContext {
  readonly certificateId: string;
  readonly leafHash: string;
  readonly context: SecureContext;
  /** From then on another certificate may rank higher, milliseconds since 1970. */
  readonly until: number;
}

/** Makes the context for a name; `undefined` where no certificate covers it. */
export type ContextMaker = (serverName: string) => Promise<NamedContext | undefined>;

export interface ContextCacheOptions {
  /** Contexts kept at most. One takes about 47 KB. */
  readonly size: number;
  readonly make: ContextMaker;
  readonly now: () => number;
}

/** TLS contexts by server name: bounded, each made once, given up when what they were made of changes. */
export interface ContextCache {
  /** The context, if it is there already. */
  peek(serverName: string): SecureContext | undefined;
  /** The context, made where it is not there; several that ask at once share the making. */
  get(serverName: string): Promise<SecureContext | undefined>;
  /** Gives up the contexts of a certificate and of these names. */
  drop(certificateId: string, names: readonly string[]): void;
  /** Server names in use, most recent first. */
  recent(): string[];
  readonly size: number;
  clear(): void;
}

const MAX_MAKINGS = 5;

/** A context that is merely forgotten keeps its 47 KB: the collector does not see them. The native handle's `close` is not documented. */
function closeNative(context: SecureContext): void {
  const native: { close?: () => void } | undefined = (context as { context?: { close?: () => void } }).context;
  native?.close?.();
}

/** Makes an empty cache. */
export function createContextCache({ size, make, now }: ContextCacheOptions): ContextCache {
  const namesOf = new Map<string, Set<string>>();
  const making = new Map<string, Promise<NamedContext | undefined>>();
  let generation = 0;

  const forget = ({ certificateId, context }: NamedContext, name: string) => {
    const names = namesOf.get(certificateId);
    names?.delete(name);
    if (names?.size === 0) namesOf.delete(certificateId);
    closeNative(context);
  };
  const cache = new LRUCache<string, NamedContext>({ max: size, dispose: forget });

  function keep(serverName: string, named: NamedContext): void {
    cache.set(serverName, named);
    const names = namesOf.get(named.certificateId) ?? new Set();
    namesOf.set(named.certificateId, names.add(serverName));
  }

  async function makeAndKeep(serverName: string): Promise<NamedContext | undefined> {
    for (let attempt = 1; ; attempt += 1) {
      const began = generation;
      const named = await make(serverName);
      // What changed while it was being made may have been just this. Where it never stops changing it is shown, not kept.
      if (began !== generation && attempt < MAX_MAKINGS) continue;
      if (named && began === generation) keep(serverName, named);
      return named;
    }
  }

  function find(serverName: string): NamedContext | undefined {
    const named = cache.get(serverName);
    if (!named || named.until > now()) return named;
    cache.delete(serverName);
    return undefined;
  }

  return {
    peek: (serverName) => find(serverName)?.context,
    async get(serverName) {
      const there = find(serverName);
      if (there) return there.context;
      const shared = making.get(serverName) ?? makeAndKeep(serverName).finally(() => making.delete(serverName));
      making.set(serverName, shared);
      return (await shared)?.context;
    },
    drop(certificateId, names) {
      generation += 1;
      for (const name of [...(namesOf.get(certificateId) ?? [])]) cache.delete(name);
      for (const name of names) cache.delete(name);
    },
    recent: () => [...cache.keys()],
    get size() {
      return cache.size;
    },
    clear() {
      generation += 1;
      cache.clear();
    },
  };
}
