/** What can go wrong with a request. */

/** Something that goes wrong with one request. */
export type Fault =
  /** The connection breaks: before anything was done, or when all was done and the answer is due. */
  | { readonly kind: 'drop'; readonly when: 'before' | 'after' }
  /** Nothing is ever answered, before anything was done or when all was done. The connection stays open. */
  | { readonly kind: 'stall'; readonly when: 'before' | 'after' }
  /** A problem of this status, in place of doing anything, or `after` it. `retryAfter` is seconds or an HTTP date. */
  | {
      readonly kind: 'status';
      readonly status: number;
      readonly retryAfter?: number | string;
      readonly when?: 'before' | 'after';
    }
  /** A web page in place of an answer, as proxies send it. Default status 502. */
  | { readonly kind: 'html'; readonly status?: number; readonly when?: 'before' | 'after' }
  /** The body ends in the middle, and the connection with it. All was done. */
  | { readonly kind: 'truncate' }
  /** The right answer under another media type. */
  | { readonly kind: 'content-type'; readonly value: string }
  /** The answer carries a nonce that was given out before. */
  | { readonly kind: 'duplicate-nonce' }
  /** The nonce is refused although it is good. */
  | { readonly kind: 'bad-nonce' };
