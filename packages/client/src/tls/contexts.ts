/** The TLS contexts of certificates: one for each leaf, bounded in number. */
import type { SecureContext } from 'node:tls';
import { type ClientError, notOpened } from '../errors.ts';
import type { Material, MaterialSource } from '../serving/material-source.ts';
import type { Candidate } from '../serving/ranking.ts';
import { type Cached, createBoundedCache } from './bounded-cache.ts';

/** The TLS context of one leaf of one managed certificate. */
export interface CertificateContext extends Cached {
  readonly certificateId: string;
  readonly leafHash: string;
  readonly context: SecureContext;
  /** False once it was evicted, or its certificate changed. */
  isCurrent: boolean;
  /** Whether code that is not ours may hold it: then it is never closed. */
  isHandedOut: boolean;
  /** A server name that it was made for. */
  readonly serverName: string;
}

/** What is needed to make contexts. */
export interface ContextsOptions {
  readonly source: Pick<MaterialSource, 'open' | 'refuse'>;
  /** Builds the native context. */
  readonly build: (material: Material) => SecureContext;
  /** Contexts kept at most. One takes about 47 KB. */
  readonly size: number;
}

/** TLS contexts by certificate and leaf: each made once, and given up when their certificate changes. */
export interface Contexts {
  /** The context of a leaf, where it is there already. Counts as a use. */
  get(candidate: Candidate): CertificateContext | undefined;
  /**
   * Makes the context of a leaf; those that ask at once share the making. `undefined` where its key does not open here, or TLS refuses
   * it, which raises an alarm. What comes of it can be shown until the next turn of the event loop, also where it is not current.
   */
  make(candidate: Candidate, serverName: string): Promise<CertificateContext | undefined>;
  /** Gives up the contexts of a certificate, and returns the server names of those that were in use. */
  drop(certificateId: string): string[];
  clear(): void;
  /** Server names to warm after a restart, one for each context, those in use first. */
  recent(): string[];
  readonly size: number;
}

/** The handle behind a context, whose `close` is not documented. */
interface Native {
  readonly context?: { close?: () => void };
}

/** Frees a context that nobody uses: one that is merely forgotten keeps its 47 KB until the collector runs, and the collector does not see them. */
export const closeNative = (context: SecureContext): void => (context as Native).context?.close?.();

/** What the collector is to see of a context that is not ours to close. The memory is not touched. */
const CONTEXT_BYTES = 48_000;
const weights = new WeakMap<SecureContext, ArrayBufferLike>();

/** Hands a context to code that is not ours, which may hold it for any time. */
export function handOut(made: CertificateContext): SecureContext {
  const { context } = made;
  if (!made.isHandedOut) {
    made.isHandedOut = true;
    weights.set(context, Buffer.allocUnsafeSlow(CONTEXT_BYTES).buffer);
  }
  return context;
}

const keyOf = ({ certificateId, issued: { leafHash } }: Candidate): string => `${certificateId} ${leafHash}`;

/** A key that opens and that TLS refuses is as useless as one that does not open. */
function buildFrom(material: Material, build: ContextsOptions['build']): SecureContext {
  try {
    return build(material);
  } catch (cause) {
    throw notOpened(material, cause);
  }
}

/** Makes an empty set. */
export function createContexts({ source, build, size }: ContextsOptions): Contexts {
  const byCertificate = new Map<string, Map<string, CertificateContext>>();
  const making = new Map<string, Promise<CertificateContext | undefined>>();
  let retired: CertificateContext[] = [];

  /** Code that was given a context in this turn of the event loop has used it before the next one. */
  function closeRetired(): void {
    const closing = retired;
    retired = [];
    for (const { isHandedOut, context } of closing) if (!isHandedOut) closeNative(context);
  }

  function retire(made: CertificateContext): void {
    made.isCurrent = false;
    const leaves = byCertificate.get(made.certificateId);
    if (leaves?.get(made.leafHash) === made) leaves.delete(made.leafHash);
    if (leaves?.size === 0) byCertificate.delete(made.certificateId);
    if (retired.length === 0) setImmediate(closeRetired);
    retired.push(made);
  }

  const cache = createBoundedCache<CertificateContext>(size, retire);

  function keep(key: string, made: CertificateContext): void {
    const leaves = byCertificate.get(made.certificateId) ?? new Map<string, CertificateContext>();
    cache.set(key, made);
    byCertificate.set(made.certificateId, leaves.set(made.leafHash, made));
  }

  async function makeFrom(candidate: Candidate, serverName: string): Promise<CertificateContext | undefined> {
    const { certificateId, issued } = candidate;
    try {
      const context = buildFrom(await source.open(candidate), build);
      return {
        certificateId,
        leafHash: issued.leafHash,
        context,
        isCurrent: true,
        isHandedOut: false,
        isUsed: false,
        serverName,
      };
    } catch (error) {
      source.refuse(candidate, error as ClientError);
      return undefined;
    }
  }

  return {
    get: (candidate) => cache.get(keyOf(candidate)),
    make(candidate, serverName) {
      const key = keyOf(candidate);
      const shared = making.get(key);
      if (shared) return shared;
      /** Ends the making; returns whether the certificate changed meanwhile, so that what was made may be no longer served. */
      const end = () => making.get(key) !== made || !making.delete(key);
      const made = makeFrom(candidate, serverName).then(
        (it) => {
          const isStale = end();
          if (it && isStale) retire(it);
          else if (it) keep(key, it);
          return it;
        },
        (error) => {
          end();
          throw error;
        },
      );
      making.set(key, made);
      return made;
    },
    drop(certificateId) {
      const dropped = [...(byCertificate.get(certificateId)?.values() ?? [])];
      for (const { leafHash } of dropped) cache.delete(`${certificateId} ${leafHash}`);
      for (const key of making.keys()) if (key.startsWith(`${certificateId} `)) making.delete(key);
      return dropped.flatMap(({ isUsed, serverName }) => (isUsed ? [serverName] : []));
    },
    clear() {
      making.clear();
      cache.clear();
    },
    recent: () => cache.values().map(({ serverName }) => serverName),
    get size() {
      return cache.size;
    },
  };
}
