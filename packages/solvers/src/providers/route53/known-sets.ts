/** Record sets as the queue of a zone left them, so that the next swap does not have to read them. */
import type { ResourceRecordSet } from '@aws-sdk/client-route-53';
import type { Caller } from './call.ts';
import type { QueuedEdit } from './queued-edit.ts';
import { readSets } from './record-sets.ts';

/** The sets of one zone, by name. A set that somebody else has changed since is found out by the swap, which fails. */
export interface KnownSets {
  readonly caller: Caller;
  readonly zoneId: string;
  now(): Date;
  /** `set` is `undefined` for a name without one. */
  readonly byName: Map<string, { readonly set: ResourceRecordSet | undefined; readonly untilMs: number }>;
}

const KNOWN_MS = 600_000;

/** Remembers the set of a name for ten minutes; `undefined`: it has none. */
export function remember({ byName, now }: KnownSets, name: string, set: ResourceRecordSet | undefined): void {
  byName.set(name, { set, untilMs: now().getTime() + KNOWN_MS });
}

/** Forgets the sets of names, so that they are read again. */
export function forget({ byName }: KnownSets, names: readonly string[]): void {
  for (const name of names) byName.delete(name);
}

/** Reads the sets of those names in a batch that are not known. Rejects as `call` does. */
export async function readUnknown(known: KnownSets, batch: readonly QueuedEdit[], signal: AbortSignal): Promise<void> {
  const { caller, zoneId, byName } = known;
  const time = known.now().getTime();
  forget(
    known,
    [...byName].filter(([, { untilMs }]) => untilMs <= time).map(([name]) => name),
  );
  const unknown = batch.filter(({ name }) => !byName.has(name));
  // Where a page and a batch disagreed twice, a name is read by itself, which depends on no order.
  const alone = new Set(unknown.filter(({ refusals }) => refusals > 1).map(({ name }) => name));
  const together = new Set(unknown.map(({ name }) => name).filter((name) => !alone.has(name)));
  for (const names of [[...together], ...[...alone].map((name) => [name])]) {
    if (names.length === 0) continue;
    const found = await readSets(caller, { zoneId, names }, signal);
    for (const name of names) remember(known, name, found.get(name));
  }
}
