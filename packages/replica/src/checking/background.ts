/** Runs the check of a replica in the background, again and again. */
import { checkFile } from './check.ts';
import { isDamage } from './digest.ts';

const FIRST_AFTER_MS = 1_000;
const AGAIN_AFTER_MS = 86_400_000;
/** Between two slices: so a check takes a tenth of a core. */
const PAUSE_MS = 20;

/** Checks a file a second after its start and once a day, a slice at a time; `onDamage` is called at most once, and ends it. */
export function checkInBackground(path: string, onDamage: (error: Error) => void): { stop(): void } {
  let slices: Iterator<undefined> | undefined;
  let timer: NodeJS.Timeout;
  const after = (ms: number) => {
    timer = setTimeout(step, ms).unref();
  };

  function step(): void {
    try {
      slices ??= checkFile(path)[Symbol.iterator]();
      const isDone = slices.next().done === true;
      if (isDone) slices = undefined;
      after(isDone ? AGAIN_AFTER_MS : PAUSE_MS);
    } catch (error) {
      slices = undefined;
      if (isDamage(error)) onDamage(error as Error);
      // What says nothing of the rows, such as too many open files, is met by everything else as well.
      else after(AGAIN_AFTER_MS);
    }
  }
  after(FIRST_AFTER_MS);
  return {
    stop() {
      clearTimeout(timer);
      slices?.return?.();
    },
  };
}
