/** An edit that waits for its batch. */
import type { Edit } from './plan.ts';

/** A change of a zone that was submitted. */
export interface Submitted {
  readonly id: string;
  readonly at: Date;
}

/** An edit that waits for its batch. */
export interface QueuedEdit extends Edit {
  readonly signal: AbortSignal;
  /** Resolves to the change that made it; `undefined` where nothing had to be done. */
  readonly outcome: Promise<Submitted | undefined>;
  /** The largest batch, in names, that it may be part of: halved while Route 53 refuses batches and does not say for whose sake. */
  most: number;
  /** How many refusals were its own. */
  refusals: number;
  /** What was there when a refusal was its own. */
  refusedOver: string | undefined;
  isSettled: boolean;
  resolve(submitted: Submitted | undefined): void;
  reject(error: unknown): void;
}

/** Makes an edit ready to wait. */
export function queueEdit(edit: Edit, signal: AbortSignal, most: number): QueuedEdit {
  const { promise, resolve, reject } = Promise.withResolvers<Submitted | undefined>();
  const queued: QueuedEdit = {
    ...edit,
    signal,
    outcome: promise,
    most,
    refusals: 0,
    refusedOver: undefined,
    isSettled: false,
    resolve(submitted) {
      queued.isSettled = true;
      resolve(submitted);
    },
    reject(error) {
      queued.isSettled = true;
      reject(error);
    },
  };
  return queued;
}

/** Those that still wait for something. */
export function unsettled(edits: readonly QueuedEdit[]): QueuedEdit[] {
  return edits.filter(({ isSettled }) => !isSettled);
}

/** Takes the first that wait, for at most so many names, and leaves the others; edits of one name keep their order. */
export function takeBatch(
  waiting: readonly QueuedEdit[],
  mostNames: number,
): { readonly taken: QueuedEdit[]; readonly left: QueuedEdit[] } {
  const names = new Set<string>();
  const later = new Set<string>();
  let most = mostNames;
  const [taken, left]: [QueuedEdit[], QueuedEdit[]] = [[], []];
  for (const edit of unsettled(waiting)) {
    const fits = names.has(edit.name) || names.size < Math.min(most, edit.most);
    if (fits && !later.has(edit.name)) {
      names.add(edit.name);
      most = Math.min(most, edit.most);
      taken.push(edit);
    } else {
      later.add(edit.name);
      left.push(edit);
    }
  }
  return { taken, left };
}
