/** The port to a place of archives and snapshots: what an adapter implements. */

/** Where archives and snapshots are: a folder, a bucket. Keys are paths below its root, of safe characters only. */
export interface ArchivePlace {
  /**
   * What is at a key; `undefined` where nothing is. What is larger than `maxBytes` MUST be rejected with
   * `CERTBUS_STORE_TOO_LARGE` before it takes memory: anyone may have written it.
   */
  get(key: string, options?: GetOptions): Promise<Uint8Array | undefined>;
  /** Puts bytes at a key, whole or not at all, in the place of what was there. Resolves once they are durable. */
  put(key: string, bytes: Uint8Array, options?: PlaceOptions): Promise<void>;
  /**
   * Puts what `change` makes of what is at a key; `undefined` leaves it. Where the place can find out that another writer came
   * between, `change` MUST be called again.
   */
  update(
    key: string,
    change: (current: Uint8Array | undefined) => Uint8Array | undefined,
    options?: PlaceOptions,
  ): Promise<void>;
  close(): Promise<void>;
}

export interface PlaceOptions {
  readonly signal?: AbortSignal | undefined;
}

export interface GetOptions extends PlaceOptions {
  /** Default {@link MAX_OBJECT_BYTES}. */
  readonly maxBytes?: number;
}

/** The most that anything in an archive has: a chunk of a snapshot has a third of it. */
export const MAX_OBJECT_BYTES = 100_000_000;
/** The most that a manifest or a pointer has: it is parsed before it is verified, which takes a hundred times as much. */
export const MAX_MANIFEST_BYTES = 4_000_000;
