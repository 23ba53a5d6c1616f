/** Limits what is still written to the bus after something was broken off. */

/** What was broken off has so long to release its claim, milliseconds. */
const LAST_WORDS_MS = 5_000;

/**
 * A signal that fires so many milliseconds (default 5,000) after another one, for what is written at its end: a store that takes nothing is tried again for
 * minutes, and a run that has to end does not have them. It is disposed of once all is written.
 */
export function lastWordsAfter(
  signal: AbortSignal,
  afterMs: number = LAST_WORDS_MS,
): { readonly signal: AbortSignal } & Disposable {
  const controller = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const begin = () => {
    timer = setTimeout(() => controller.abort(signal.reason), afterMs);
  };
  if (signal.aborted) begin();
  else signal.addEventListener('abort', begin, { once: true });
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      signal.removeEventListener('abort', begin);
      clearTimeout(timer);
    },
  };
}
