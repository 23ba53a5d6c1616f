/** When the last of many followers has what came last on a bus, in virtual time over its own commits. */
import type { Trust } from '@certbus/events';
import { BEGINNING, type Checkpoint, type Commit } from '@certbus/events/history';
import { type Bus, follow, openBus, type StoredCommit } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { useVirtualTime } from '../../virtual-time.ts';

/** A commit, and when its manager wrote it. */
interface Written {
  readonly stored: StoredCommit;
  readonly at: Date;
}

/** The last commits up to the last certificate of a bus. */
interface Tail {
  /** Everything before them. */
  readonly before: readonly StoredCommit[];
  /** Behind that. */
  readonly checkpoint: Checkpoint;
  readonly written: readonly Written[];
}

/** What the followers did. */
export interface LastServed {
  /** When the last certificate was written. */
  readonly writtenAt: Date;
  /** When the last follower had it. */
  readonly servedAt: Date;
}

const STREAM = 's';
/** All followers take each of them, so that they are as busy as behind a campaign. */
const TAIL = 200;
/** Between two looks, with the jitter; each follower began at another moment of it. */
const LOOK_MS = 12_000;
const ENOUGH_MS = 600_000;

const isObtained = ({ events }: Commit): boolean => events.some(({ event }) => event?.type === 'CertificateObtained');

/** Reads a bus, and keeps its end. */
async function readTail(bus: Bus): Promise<Tail> {
  const all: (Written & { readonly hasCertificate: boolean; readonly checkpoint: Checkpoint })[] = [];
  for (let from = BEGINNING, isAtEnd = false; !isAtEnd; ) {
    // One by one, for the checkpoint behind each.
    const { commits, stored, checkpoint, end } = await bus.read(from, { limit: 1, consistent: true });
    for (const [index, commit] of commits.entries()) {
      const bytes = stored[index];
      if (bytes) all.push({ stored: bytes, at: commit.at, hasCertificate: isObtained(commit), checkpoint });
    }
    [from, isAtEnd] = [checkpoint, end];
  }
  const length = all.findLastIndex(({ hasCertificate }) => hasCertificate) + 1;
  const first = Math.max(1, length - TAIL);
  const { checkpoint } = all[first - 1] ?? { checkpoint: BEGINNING };
  return { before: all.slice(0, first).map(({ stored }) => stored), checkpoint, written: all.slice(first, length) };
}

/** Has so many followers with their defaults, each on its own, follow the end of a bus as it was written. */
export async function followTheLast(
  bus: Bus,
  { followers, trust }: { readonly followers: number; readonly trust: Trust },
): Promise<LastServed> {
  const { before, checkpoint, written } = await readTail(bus);
  const [first, last] = [written[0], written.at(-1)];
  if (!first || !last) throw new TypeError('a bus without certificates serves none');
  const log = createMemoryLog();
  for (const { position, bytes } of before) await log.append(STREAM, position - 1, bytes);
  const stop = new AbortController();
  const time = useVirtualTime();
  try {
    let lastAt = 0;
    let served = 0;
    const followOne = async () => {
      for await (const { checkpoint: reached } of follow(openBus(log, STREAM, { trust }), checkpoint, stop)) {
        if (reached.position < last.stored.position) continue;
        lastAt = time.now();
        served += 1;
        return;
      }
    };
    const runs: Promise<void>[] = [];
    for (let n = 0; n < followers; n += 1) {
      await time.advanceTo((n * LOOK_MS) / followers);
      runs.push(followOne());
    }
    const began = time.now();
    for (const { stored, at } of written) {
      await time.advanceTo(began + at.getTime() - first.at.getTime());
      await log.append(STREAM, stored.position - 1, stored.bytes);
    }
    while (served < followers && time.now() < began + ENOUGH_MS) await time.advanceTo(time.now() + LOOK_MS);
    stop.abort();
    if (served < followers) throw new Error(`${followers - served} followers did not get the last certificate`);
    await Promise.all(runs);
    return { writtenAt: last.at, servedAt: new Date(first.at.getTime() + lastAt - began) };
  } finally {
    time.restore();
  }
}
