import { expect, test } from 'vitest';
import { createFakeCa, type FakeCa } from '../tests/acme.builders.ts';
import { startWaiting } from './poll.ts';

const { signal } = new AbortController();
const what = 'It is not done';

/** Waits for something that takes the CA so long; returns the waits, in ms. */
async function waitFor(ca: FakeCa, tookMs: number, retryAfterS?: number): Promise<number[]> {
  using session = await ca.engine.open({ signal });
  const before = ca.sleptMs.length;
  const now = () => ca.engine.now().getTime();
  const ready = now() + tookMs;
  const waiting = startWaiting(ca.engine, session, 'validation');
  let retryAfter: Date | undefined;
  while (now() < ready) {
    await waiting.pause(retryAfter, { what });
    retryAfter = retryAfterS === undefined ? undefined : new Date(now() + retryAfterS * 1000);
  }
  waiting.done();
  return ca.sleptMs.slice(before);
}

/** The same, so many times over; returns the waits of the last time. */
async function waitOften(ca: FakeCa, tookMs: number, times: number, retryAfterS?: number): Promise<number[]> {
  for (let n = 1; n < times; n += 1) await waitFor(ca, tookMs, retryAfterS);
  return waitFor(ca, tookMs, retryAfterS);
}

const within = (ms: number) => [ms * 0.9, ms * 1.1] as const;

test('an unknown CA is looked at after 50 ms, and then less and less often, down to every five seconds', async () => {
  const waits = await waitFor(createFakeCa({}), 60_000);
  for (const [nth, ms] of [50, 50, 100, 200, 400, 800, 1600, 3200, 5000, 5000].entries()) {
    const [low, high] = within(ms);
    expect(waits[nth]).toBeGreaterThanOrEqual(low);
    expect(waits[nth]).toBeLessThanOrEqual(high);
  }
});

test.each([
  ['30 ms', 30],
  ['a second', 1000],
  ['four seconds', 4000],
])('a CA that takes %s is looked at soon after, and mostly once', async (_, tookMs) => {
  const ca = createFakeCa({});
  await waitOften(ca, tookMs, 60);
  const before = ca.sleptMs.length;
  const start = ca.engine.now().getTime();
  await waitOften(ca, tookMs, 100);
  expect(ca.sleptMs.length - before).toBeLessThanOrEqual(135);
  expect((ca.engine.now().getTime() - start) / 100).toBeLessThan(tookMs * 1.4 + 20);
});

test('a CA whose first Retry-After is far too long is soon looked at only when it is ready', async () => {
  const ca = createFakeCa({});
  expect(await waitFor(ca, 200, 3)).toContain(3000);
  const start = ca.engine.now().getTime();
  await waitOften(ca, 200, 50, 3);
  expect((ca.engine.now().getTime() - start) / 50).toBeLessThan(1000);
});

test('what one CA takes says nothing of another, nor a validation of an issuance', async () => {
  const slow = createFakeCa({});
  await waitOften(slow, 4000, 40);
  expect((await waitFor(createFakeCa({}), 60))[0]).toBeLessThan(60);
  using session = await slow.engine.open({ signal });
  await startWaiting(slow.engine, session, 'issuance').pause(undefined, { what });
  expect(slow.sleptMs.at(-1)).toBeLessThan(60);
});

test('one hiccup of the CA, however many waits it hits, makes nobody wait long afterwards', async () => {
  const ca = createFakeCa({});
  await waitOften(ca, 100, 50);
  using session = await ca.engine.open({ signal });
  const waits = Array.from({ length: 10 }, () => startWaiting(ca.engine, session, 'validation'));
  for (const wait of waits) await wait.pause(undefined, { what });
  await session.sleep(20_000);
  for (const wait of waits) {
    await wait.pause(undefined, { what });
    wait.done();
  }
  expect((await waitFor(ca, 100))[0]).toBeLessThan(300);
});

test('what is done at once was not waited for, and teaches nothing', async () => {
  const ca = createFakeCa({});
  expect(await waitFor(ca, 0)).toEqual([]);
  expect((await waitFor(ca, 60))[0]).toBeGreaterThanOrEqual(45);
});

test('a wait of our own is cut off where something else is due, and the Retry-After of the CA is not', async () => {
  const ca = createFakeCa({});
  using session = await ca.engine.open({ signal });
  const waiting = startWaiting(ca.engine, session, 'validation');
  const soon = (ms: number) => new Date(ca.engine.now().getTime() + ms);
  await waiting.pause(undefined, { what, until: soon(7) });
  await waiting.pause(soon(3000), { what, until: soon(7) });
  await waiting.pause(undefined, { what, until: soon(-7) });
  expect(ca.sleptMs.slice(0, 2)).toEqual([7, 3000]);
  expect(ca.sleptMs[2]).toBeGreaterThanOrEqual(45);
});

test.each([
  ['two seconds', 2000, undefined, []],
  ['a minute', 60_000, undefined, [what]],
  ['a minute, and says so', 60_000, 30_000, [what]],
])('a CA that takes %s is reported as slow at most once', async (_, tookMs, askedMs, expected) => {
  const ca = createFakeCa({});
  using session = await ca.engine.open({ signal });
  const now = () => ca.engine.now().getTime();
  const ready = now() + tookMs;
  const reports: string[] = [];
  const waiting = startWaiting(ca.engine, session, 'validation', (undecided) => reports.push(undecided));
  while (now() < ready) await waiting.pause(askedMs === undefined ? undefined : new Date(now() + askedMs), { what });
  expect(reports).toEqual(expected);
});
