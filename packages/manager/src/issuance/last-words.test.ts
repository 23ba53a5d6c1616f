/** Tests how long something is still written after an end. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { lastWordsAfter } from './last-words.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test.each(['before', 'after'])(
  'last words end five seconds after a signal that fires %s they begin, with its reason',
  (when) => {
    const stop = new AbortController();
    const reason = new Error('stop');
    if (when === 'before') stop.abort(reason);
    using words = lastWordsAfter(stop.signal);
    vi.advanceTimersByTime(3_600_000 * Number(when === 'after'));
    expect(words.signal.aborted).toBe(false);
    stop.abort(reason);
    vi.advanceTimersByTime(4_999);
    expect(words.signal.aborted).toBe(false);
    vi.advanceTimersByTime(1);
    expect(words.signal.reason).toBe(reason);
  },
);

test.each(['before', 'after'])('last words that are over %s the signal leave no timer behind', (when) => {
  const stop = new AbortController();
  const words = lastWordsAfter(stop.signal, 2_000);
  if (when === 'after') stop.abort();
  expect(vi.getTimerCount()).toBe(when === 'after' ? 1 : 0);
  words[Symbol.dispose]();
  stop.abort();
  expect(vi.getTimerCount()).toBe(0);
  expect(words.signal.aborted).toBe(false);
});
