/** Tests of who is woken when. */
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createAlarm } from './alarm.ts';

const never = new AbortController().signal;
const inMs = (ms: number) => new Date(Date.now() + ms);

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** Notes when an alarm is reached, from now on. */
function watch(signal = never) {
  const alarm = createAlarm(() => new Date());
  const began = Date.now();
  const reached: number[] = [];
  const wait = () => alarm.reached(signal).then(() => void reached.push(Date.now() - began));
  return { alarm, reached, wait };
}

test('one that waits wakes at the earliest instant that was set, also where it was set later', async () => {
  const { alarm, reached, wait } = watch();
  alarm.set(inMs(3_600_000));
  void wait();
  await vi.advanceTimersByTimeAsync(60_000);
  alarm.set(inMs(7_200_000));
  alarm.set(inMs(600_000));
  await vi.advanceTimersByTimeAsync(599_999);
  expect(reached).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  expect(reached).toEqual([660_000]);
});

test('what is set before anyone waits is not lost, and is forgotten once it is reached', async () => {
  const { alarm, reached, wait } = watch();
  alarm.set(inMs(0));
  await wait();
  void wait();
  await vi.advanceTimersByTimeAsync(86_400_000);
  expect(reached).toEqual([0]);
});

test('a clock that is put forward is noticed within a minute', async () => {
  const { alarm, reached, wait } = watch();
  alarm.set(inMs(86_400_000));
  void wait();
  await vi.advanceTimersByTimeAsync(1_000);
  vi.setSystemTime(inMs(2 * 86_400_000));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reached).toHaveLength(1);
});

test('a clock that is put forward is noticed at once', async () => {
  const { alarm, reached, wait } = watch();
  alarm.set(inMs(86_400_000));
  void wait();
  await vi.advanceTimersByTimeAsync(1_000);
  vi.setSystemTime(inMs(2 * 86_400_000));
  alarm.set(inMs(0));
  await vi.advanceTimersByTimeAsync(0);
  expect(reached).toHaveLength(1);
});

test('a clock that is put back is noticed within a minute, and one that is corrected wakes nobody', async () => {
  const { alarm, reached, wait } = watch();
  alarm.set(inMs(86_400_000));
  void wait();
  await vi.advanceTimersByTimeAsync(1_000);
  vi.setSystemTime(inMs(-900));
  alarm.set(inMs(86_400_000));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reached).toEqual([]);
  // All that was to come is a year away now.
  vi.setSystemTime(inMs(-365 * 86_400_000));
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reached).toHaveLength(1);
});

test('the signal ends the waiting', async () => {
  const stop = new AbortController();
  const { wait } = watch(stop.signal);
  const waiting = wait();
  stop.abort(new Error('stopped'));
  await expect(waiting).rejects.toThrow('stopped');
});
