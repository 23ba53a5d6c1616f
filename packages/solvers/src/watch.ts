/** Reports what a solver waits for to those who watch it. */
import type { ReadyOptions } from '@certbus/acme';

/** Reports what still stands in the way of one subject, such as a name; `undefined` once nothing does. */
export type Watch = (subject: string, why: string | undefined) => void;

/**
 * Watches a wait for several subjects: the first of them that is not ready is reported with the end of the wait, whenever what stands in
 * its way has changed.
 */
export function watchWait(until: Date, { onWaiting }: Pick<ReadyOptions, 'onWaiting'>): Watch {
  const open = new Map<string, string>();
  let reported: string | undefined;
  return (subject, why) => {
    if (why === undefined) open.delete(subject);
    else open.set(subject, why);
    const [first] = open.values();
    if (first === undefined || first === reported) return;
    reported = first;
    const others = open.size - 1;
    onWaiting?.({ why: others > 0 ? `${first} (and ${others} more)` : first, until });
  };
}
