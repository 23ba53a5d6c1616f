import type { OpenContender } from './contender.ts';
import type { Orders, Outcome } from './orders.ts';
import { type CaOptions, openCa } from './site.ts';

/** Pebble 2.10.1 can deadlock above this. */
const PARALLEL = 10;
/** No contender waits for longer than 5 s between two requests; but the manager also opens its replica and writes to its bus, slowly on a busy machine. */
const SILENCE_MS = 60_000;
/** A contender that gives requests up by itself, after half a minute, ends its slice with orders that are lost. */
const GIVEN_UP_MS = 20_000;
const MAX_TRIES = 5;
const WARM_UP = 100;

/** What came of a slice, and how many requests the CA had for it by its own log. */
export interface Lap extends Outcome {
  readonly requests: number;
}

/** A contender with a CA of its own. */
export interface Racer {
  /** Orders so many certificates, ten at a time: each for one name by http-01, or for a wildcard and its parent by dns-01. */
  order(count: number): Promise<Lap>;
  close(): Promise<void>;
}

/** Opens a contender at a new CA. Where a slice does not end, Pebble hangs: then both are replaced and the slice is done again. */
export async function openRacer(open: OpenContender, options: CaOptions): Promise<Racer> {
  let count = 0;
  let ca = await openCa(options);
  let contender = await open(ca).catch(async (error: unknown) => {
    await ca.close();
    throw error;
  });

  function namesOfNext(): string[] {
    count += 1;
    return options.challenge === 'http-01' ? [`n${count}.test`] : [`*.n${count}.test`, `n${count}.test`];
  }

  const take = (size: number): Orders => ({ orders: Array.from({ length: size }, namesOfNext), parallel: PARALLEL });

  async function close(): Promise<void> {
    await contender.close();
    await ca.close();
  }

  /** Stops what is under way when the CA says nothing more in its log. */
  function watch(): { readonly hung: AbortController; silentMs(): number; stop(): void } {
    const hung = new AbortController();
    const tail = () => ca.pebble.log().slice(-500);
    let [last, since] = [tail(), performance.now()];
    const timer = setInterval(() => {
      const now = tail();
      if (now !== last) [last, since] = [now, performance.now()];
      else if (performance.now() - since > SILENCE_MS) hung.abort();
    }, 1_000);
    return { hung, silentMs: () => performance.now() - since, stop: () => clearInterval(timer) };
  }

  const requests = (): number => ca.pebble.log().match(/ -> calling handler\(\)/g)?.length ?? 0;

  async function attempt(orders: Orders): Promise<Lap | undefined> {
    const { hung, silentMs, stop } = watch();
    const before = requests();
    try {
      const outcome = await contender.obtain(orders, { signal: hung.signal });
      if (outcome.lost.length > 0 && silentMs() > GIVEN_UP_MS) return undefined;
      return { ...outcome, requests: requests() - before };
    } catch (error) {
      if (!hung.signal.aborted) throw error;
      return undefined;
    } finally {
      stop();
    }
  }

  /** Resolves with whether the new contender is ready: Pebble can hang in its first orders as well. */
  async function replace(): Promise<boolean> {
    console.error('Pebble hangs, and is replaced');
    await close();
    ca = await openCa(options);
    contender = await open(ca);
    // A new process is slow at first.
    return (await attempt(take(WARM_UP))) !== undefined;
  }

  return {
    async order(size) {
      let isReady = true;
      for (let tries = 0; tries < MAX_TRIES; tries += 1) {
        const lap = isReady ? await attempt(take(size)) : undefined;
        if (lap) return lap;
        isReady = await replace();
      }
      throw new Error(`Pebble hung ${MAX_TRIES} times in one slice`);
    },
    close,
  };
}
