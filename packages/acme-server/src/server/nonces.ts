/** The nonces that the server gave out, each good for one request. */
import { randomBytes } from 'node:crypto';

/** What a nonce is when it comes in: good, used before, or never given out. */
export type NonceState = 'fresh' | 'replayed' | 'unknown';

/** Nonces against replay (RFC 8555 §6.5). */
export interface Nonces {
  create(): string;
  /** Uses a nonce up, and says what it was. */
  spend(nonce: string): NonceState;
}

/** Keeps nonces in memory. */
export function createNonces(): Nonces {
  const states = new Map<string, 'fresh' | 'replayed'>();
  return {
    create() {
      const nonce = randomBytes(16).toString('base64url');
      states.set(nonce, 'fresh');
      return nonce;
    },
    spend(nonce) {
      const state = states.get(nonce) ?? 'unknown';
      if (state === 'fresh') states.set(nonce, 'replayed');
      return state;
    },
  };
}
