/** The nonces that a CA gave, kept for later requests. */

const MAX_COUNT = 64;
const MAX_AGE_MS = 600_000;
const MAX_REMEMBERED = 1024;

/** A nonce of RFC 8555 §6.5, and when it arrived. */
export interface Nonce {
  readonly value: string;
  readonly at: number;
  /** Counts arrivals, which a clock cannot tell apart. */
  readonly arrival: number;
}

/** Nonces that came with answers, for later requests. Each is given out once, also where a CA says one twice. */
export interface NoncePool {
  put(value: string | undefined): void;
  /** The youngest nonce that is at most ten minutes old. */
  take(): Nonce | undefined;
  /** Forgets what came before a nonce that was refused: the CA has probably restarted. */
  discard(refused: Nonce): void;
}

/** Creates a pool of at most 64 nonces. */
export function createNoncePool(now: () => Date): NoncePool {
  let nonces: Nonce[] = [];
  let arrivals = 0;
  const remembered = new Set<string>();

  /** Whether a value came lately. */
  function isRepeated(value: string): boolean {
    if (remembered.has(value)) return true;
    const [oldest = ''] = remembered.size >= MAX_REMEMBERED ? remembered : [];
    remembered.delete(oldest);
    remembered.add(value);
    return false;
  }

  return {
    put(value) {
      // RFC 8555 §6.5.1: anything else MUST be ignored.
      if (!value || !/^[\w-]{1,512}$/.test(value) || isRepeated(value)) return;
      arrivals += 1;
      nonces.push({ value, at: now().getTime(), arrival: arrivals });
      if (nonces.length > MAX_COUNT) nonces.shift();
    },
    take() {
      const nonce = nonces.pop();
      if (nonce && now().getTime() - nonce.at <= MAX_AGE_MS) return nonce;
      nonces = [];
      return undefined;
    },
    discard(refused) {
      nonces = nonces.filter(({ arrival }) => arrival > refused.arrival);
    },
  };
}
