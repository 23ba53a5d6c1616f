/** What is served where some of it is in memory alone: never less than was served before, whichever process writes the disk. */
import { lineOf } from '@certbus/events/history';
import type { ReplicaReader } from '../reader.ts';
import { createLayer, type Layer } from './layer.ts';
import type { UnwrittenChange } from './unwritten.ts';

/** A replica with what is in memory alone over what is on the disk. */
export interface OverDisk {
  /** What this process has read from the bus and could not write. */
  take(change: UnwrittenChange): void;
  /** All that this process had in memory since it last began is on the disk. */
  written(): void;
  /** What is in memory is no longer written by this process: it is served until as much was read from the bus again, here or by another one. */
  detach(): void;
  reader(): ReplicaReader;
}

/** Nothing is in memory alone yet. `disk` reads what is on it. */
export function createOverDisk(disk: () => ReplicaReader): OverDisk {
  let layer: Layer | undefined;
  /** Whether `layer` is of an earlier time, and the bus is read once more from where the disk is. */
  let isDetached = false;
  /** What was read since then and could not be written either. */
  let rising: Layer | undefined;

  const grow = (under: Layer | undefined, change: UnwrittenChange): Layer => {
    if (!under) return createLayer(disk, change);
    under.take(change);
    return under;
  };
  /** How far the bus was read since the layer is of an earlier time. */
  const reached = () => (rising ?? disk()).checkpoint();

  /** Gives up a layer of an earlier time once as much was read again, or the bus goes on in another line. */
  function settle(): void {
    if (!layer || !isDetached) return;
    const [now, before] = [reached(), layer.checkpoint()];
    if (now.position < before.position && lineOf(now) === lineOf(before)) return;
    [layer, rising, isDetached] = [rising, undefined, false];
  }

  return {
    take(change) {
      if (layer && isDetached) rising = grow(rising, change);
      else layer = grow(layer, change);
      settle();
    },
    written() {
      rising = undefined;
      if (!isDetached) layer = undefined;
    },
    detach() {
      rising = undefined;
      isDetached = layer !== undefined;
    },
    reader() {
      settle();
      // The bus is read on from where it was reached.
      return layer && isDetached ? { ...layer, checkpoint: reached } : (layer ?? disk());
    },
  };
}
