/** Where archives and snapshots lie: a directory, a bucket. Keys are paths below its root, of safe characters only. */
export interface ArchivePlace {
  /** What lies at a key; `undefined` where nothing does. */
  get(key: string, options?: PlaceOptions): Promise<Uint8Array | undefined>;
  /** Puts bytes at a key, whole or not at all, in the place of what was there. Resolves once they are durable. */
  put(key: string, bytes: Uint8Array, options?: PlaceOptions): Promise<void>;
  /**
   * Puts what `change` makes of what lies at a key; `undefined` leaves it. Where the place can tell that another writer came
   * between, `change` MUST be asked again.
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
