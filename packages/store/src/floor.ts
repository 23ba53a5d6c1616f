/** Refuses a history that does not reach the floor of a trust file, for every reader, from wherever it reads. */
import type { Trust } from '@certbus/events';
import {
  BEGINNING,
  belowFloor,
  type Checkpoint,
  contradictionOfFloor,
  HistoryError,
  isBelowFloor,
  otherThanFloor,
} from '@certbus/events/history';
import type { Bus, BusReadOptions, VerifiedPage } from './bus-port.ts';

/** A bus as it is in its store, and the trust whose floor it is held against. */
interface Held {
  readonly bus: Bus;
  readonly trust: Trust;
}

/** Whether the root has restored the line behind a page since the floor was written, so that the floor counts no more. */
async function isRestoredBehind(
  { bus, trust: { floor } }: Held,
  page: VerifiedPage,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  let last = page;
  while (floor && last.checkpoint.restored <= floor.rootSequence && !last.end && !last.refused)
    last = await bus.read(last.checkpoint, { consistent: true, signal });
  return floor === undefined || last.checkpoint.restored > floor.rootSequence;
}

/**
 * Reads a page, and refuses it where it contradicts the floor, with nothing of it handed on, or ends below it. An empty stream is not a bus
 * yet, and left to the reader.
 */
async function read(held: Held, from: Checkpoint, options: BusReadOptions): Promise<VerifiedPage> {
  const { bus, trust } = held;
  const page = await bus.read(from, options);
  const { checkpoint, end, refused } = page;
  const isShort = end && !refused && checkpoint.position > 0 && isBelowFloor(trust, checkpoint);
  const contradiction = contradictionOfFloor(trust, from, page);
  if (!isShort && !contradiction) return page;
  // A read that is not consistent can lag behind the bus that bus.pub was written on.
  if (!options.consistent) return read(held, from, { ...options, consistent: true });
  if (!contradiction) return { ...page, refused: belowFloor(trust, checkpoint) };
  if (await isRestoredBehind(held, page, options.signal)) return page;
  return { commits: [], stored: [], checkpoint: from, end: false, refused: contradiction };
}

/** Compares the commit at the floor with the floor, for a reader that is beyond it. Rejects with a `HistoryError`. */
async function confirmFloor(held: Held, from: Checkpoint, signal: AbortSignal | undefined): Promise<void> {
  const { bus, trust } = held;
  const { floor } = trust;
  if (!floor || from.position <= floor.position || from.restored > floor.rootSequence) return;
  try {
    await bus.confirm({ ...BEGINNING, position: floor.position, hash: floor.hash }, { signal });
  } catch (error) {
    if (!(error instanceof HistoryError)) throw error;
    const page = await bus.read(from, { consistent: true, signal });
    if (!(await isRestoredBehind(held, page, signal))) throw otherThanFloor(floor);
  }
}

/**
 * The same bus, held against the floor of a trust file: a history that ends below it, or has another commit there, is refused as
 * `CERTBUS_EVENTS_BELOW_FLOOR`, unless the root has restored the bus since with a higher sequence.
 */
export function aboveFloor(bus: Bus, trust: Trust): Bus {
  if (!trust.floor) return bus;
  const held = { bus, trust };
  return {
    ...bus,
    trust,
    async read(from, options = {}) {
      const page = await read(held, from, options);
      if (options.confirm) await confirmFloor(held, from, options.signal);
      return page;
    },
    async confirm(from, { signal } = {}) {
      await bus.confirm(from, { signal });
      await confirmFloor(held, from, signal);
    },
    async append(from, events, options) {
      if (isBelowFloor(trust, { ...from, position: from.position + 1 })) throw belowFloor(trust, from);
      return bus.append(from, events, options);
    },
  };
}
