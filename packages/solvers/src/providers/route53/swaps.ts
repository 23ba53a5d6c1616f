/** Changes record sets by compare-and-swap. */
import type { Change, ResourceRecordSet } from '@aws-sdk/client-route-53';
import type { BatchRefused } from './call.ts';
import { blameIn, editValues, refused, setWith, swap, valuesOf } from './plan.ts';
import { type QueuedEdit, unsettled } from './queued-edit.ts';

/** All edits of one name in a batch. */
export interface Swap {
  readonly name: string;
  readonly edits: readonly QueuedEdit[];
  readonly old: ResourceRecordSet | undefined;
  readonly next: ResourceRecordSet | undefined;
  readonly changes: readonly Change[];
}

const MAX_REFUSALS = 16;

/** What goes away makes room first, unless it comes by the same batch. */
function inOrder(edits: readonly QueuedEdit[]): QueuedEdit[] {
  const added = new Set<string>();
  const [first, then]: [QueuedEdit[], QueuedEdit[]] = [[], []];
  for (const edit of edits) {
    if (edit.action === 'add') added.add(edit.value);
    const isRoom = edit.action === 'remove' && !added.has(edit.value);
    (isRoom ? first : then).push(edit);
  }
  return [...first, ...then];
}

function planSwap(name: string, edits: readonly QueuedEdit[], old: ResourceRecordSet | undefined): Swap | undefined {
  const live: QueuedEdit[] = [];
  let isNeeded = false;
  let values = valuesOf(name, old);
  for (const edit of inOrder(edits)) {
    try {
      const edited = editValues(values, edit);
      // What is there already is written again, for the sake of a change to wait for.
      isNeeded ||= edit.action === 'add' || edited.length !== values.length;
      values = edited;
      live.push(edit);
    } catch (error) {
      edit.reject(error);
    }
  }
  if (!isNeeded) {
    for (const edit of live) edit.resolve(undefined);
    return undefined;
  }
  const next = setWith(name, old, values);
  return { name, edits: live, old, next, changes: swap(old, next) };
}

/** Plans a batch from the sets that are there. Edits that need no change are resolved, those that cannot be made are rejected. */
export function planSwaps(
  batch: readonly QueuedEdit[],
  setOf: (name: string) => ResourceRecordSet | undefined,
): Swap[] {
  const swaps: Swap[] = [];
  for (const [name, edits] of Map.groupBy(unsettled(batch), (edit) => edit.name)) {
    try {
      const planned = planSwap(name, edits, setOf(name));
      if (planned) swaps.push(planned);
    } catch (error) {
      for (const edit of edits) edit.reject(error);
    }
  }
  return swaps;
}

type Verdict = 'changed' | 'forbidden' | 'unknown';

function judge({ name, edits, old }: Swap, verdict: Verdict, refusal: BatchRefused): void {
  const over = JSON.stringify(old ?? null);
  for (const edit of edits) {
    edit.refusals += 1;
    // Without a reason, what is as it was before will be refused as before.
    const isHopeless = verdict === 'forbidden' || (verdict === 'unknown' && edit.refusedOver === over);
    edit.refusedOver = over;
    if (isHopeless || edit.refusals >= MAX_REFUSALS) edit.reject(refused(name, refusal));
  }
}

/**
 * Sorts out a refused batch: somebody else was first, our own answer got lost, or something cannot be there. Rejects what is hopeless,
 * lets a batch without a reason come again in halves, and returns the names whose sets have to be read again.
 */
export function sortOut(swaps: readonly Swap[], refusal: BatchRefused): string[] {
  const { changed, forbidden } = blameIn(refusal.message);
  const blamed = swaps.filter(({ name }) => changed.has(name) || forbidden.has(name));
  for (const each of blamed) judge(each, forbidden.has(each.name) ? 'forbidden' : 'changed', refusal);
  if (blamed.length > 0) return blamed.map(({ name }) => name);
  const half = Math.ceil(swaps.length / 2);
  for (const edit of swaps.flatMap(({ edits }) => edits)) edit.most = Math.min(edit.most, half);
  const [only, second] = swaps;
  if (only && !second) judge(only, 'unknown', refusal);
  return swaps.map(({ name }) => name);
}
