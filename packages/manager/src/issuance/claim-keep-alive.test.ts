/** Tests when a claim is extended, and when it is given up, on a bus in memory and in virtual time. */
import { setImmediate } from 'node:timers/promises';
import { parseManagerKey } from '@certbus/events';
import { openReplica } from '@certbus/replica';
import { type Bus, openBus, StoreError } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { expect, onTestFinished, test, vi } from 'vitest';
import { decide } from '../context.ts';
import { issuanceOf } from '../decide/issuance.ts';
import { createFreshness } from '../state/freshness.ts';
import { openView } from '../state/picture.ts';
import { beginTestBus } from '../upkeep/begin-test-bus.ts';
import { keepClaimAlive } from './claim-keep-alive.ts';

const SECOND_MS = 1_000;
const CLAIM_MS = 300 * SECOND_MS;
/** After its end a claim counts for so long to others. */
const GRACE_MS = 120 * SECOND_MS;
const claim = { certificateId: 'certificate1', issuanceId: 'issuance01', holder: 'alice' };
const csr = { csr: 'Y3Ny', sealedKey: 'c2VhbGVk', recipientsPosition: 1 };
const subject = {
  names: ['a.test'],
  reason: 'new',
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
} as const;
const { signal } = new AbortController();
const away = () => new StoreError('CERTBUS_STORE_UNREACHABLE', 'The store is away, for a test.');

/** More turns of the event loop than a decision takes, whose number is the store's. */
const TURNS = 40;

/** Lets time pass, in steps between which decisions are made. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= SECOND_MS) {
    await vi.advanceTimersByTimeAsync(Math.min(left, SECOND_MS));
    for (let turn = 0; turn < TURNS; turn += 1) await setImmediate();
  }
}

/** A claim on a bus whose appends, and the time that its reads take, can be replaced; time passes only when it is told to. */
async function startClaim() {
  const log = createMemoryLog();
  const { trust, managerKey } = await beginTestBus(log, 'test');
  const opened = openBus(log, 'test', { trust, signer: parseManagerKey(managerKey).signer });
  const through = { append: opened.append, readMs: 0 };
  const bus: Bus = {
    ...opened,
    append: (...call) => through.append(...call),
    async read(...call) {
      if (through.readMs > 0) await new Promise((resolve) => setTimeout(resolve, through.readMs));
      return opened.read(...call);
    },
  };
  const replica = await openReplica({ path: ':memory:', busId: trust.busId });
  onTestFinished(() => replica.close());
  const view = await openView({ bus, replica });
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date'] });
  onTestFinished(() => void vi.useRealTimers());
  const now = () => new Date();
  const freshness = createFreshness({ view, trust, acceptStale: true, now, onReplicaFailed() {} });
  const logger = { debug() {}, info() {}, warn() {}, error() {} };
  const context = { bus, view, freshness, now, logger, claimMs: CLAIM_MS };
  const until = new Date(Date.now() + CLAIM_MS).toISOString();
  await decide(context, () => ({
    events: [{ type: 'IssuanceStarted', ...claim, ...subject, ...csr, until }],
    result: undefined,
  }));
  return {
    append: opened.append,
    through,
    keep: (until = signal) => keepClaimAlive(context, claim, { signal: until }),
    pass,
    /** Milliseconds of the claim that are left, by the bus. */
    leftMs: () => Date.parse(issuanceOf(view.state, claim).until) - Date.now(),
  };
}

test.each([
  { afterMs: 0, leftMs: CLAIM_MS / 2 },
  { afterMs: 100 * SECOND_MS, leftMs: 125 * SECOND_MS },
])(
  'a claim that was made $afterMs ms ago is extended with $leftMs ms left, and again for as long as it is kept',
  async ({ afterMs, leftMs }) => {
    const { keep, pass, leftMs: left, append, through } = await startClaim();
    await pass(afterMs);
    const extendedAt: number[] = [];
    through.append = (...call) => {
      extendedAt.push(left());
      return append(...call);
    };
    await using keepAlive = await keep();
    await pass(4 * CLAIM_MS);
    expect(extendedAt).toEqual([leftMs, ...Array.from({ length: extendedAt.length - 1 }, () => CLAIM_MS / 2)]);
    expect(extendedAt.length).toBeGreaterThanOrEqual(8);
    expect(keepAlive.lost.aborted).toBe(false);
  },
);

test('a claim that has little more than its half left is extended before anything else, so that a late timer loses nothing', async () => {
  const { keep, pass, leftMs } = await startClaim();
  await pass(CLAIM_MS / 2 - SECOND_MS);
  await using keepAlive = await keep();
  expect(leftMs()).toBe(CLAIM_MS);
  expect(keepAlive.lost.aborted).toBe(false);
});

test.each([
  { how: 'refuses', readMs: 0 },
  { how: 'refuses', readMs: SECOND_MS },
  { how: 'hangs', readMs: SECOND_MS },
])(
  'where the bus $how after an extension, its reads taking $readMs ms, the claim is lost after its end and within the grace',
  async ({ how, readMs }) => {
    const { keep, pass, leftMs, append, through } = await startClaim();
    const answer = Promise.withResolvers<never>();
    answer.promise.catch(() => {});
    const failing = () => (how === 'hangs' ? answer.promise : Promise.reject(away()));
    through.readMs = readMs;
    through.append = (...call) => {
      through.append = failing;
      return append(...call);
    };
    const keepAlive = await keep();
    await pass(CLAIM_MS / 2 + readMs);
    expect(through.append).toBe(failing);
    await pass(leftMs() - SECOND_MS);
    expect(keepAlive.lost.aborted).toBe(false);
    await pass(GRACE_MS);
    expect(keepAlive.lost.aborted).toBe(true);
    const ended = keepAlive[Symbol.asyncDispose]();
    answer.reject(away());
    await ended;
  },
);

test('an extension that the store does not take, and goes on trying, holds up no release after the signal', async () => {
  const { keep, pass, through } = await startClaim();
  const stop = new AbortController();
  const keepAlive = await keep(stop.signal);
  let tried = 0;
  through.append = async (_after, _events, { signal: until }) => {
    tried += 1;
    await new Promise((resolve) => until?.addEventListener('abort', resolve));
    throw away();
  };
  await pass(CLAIM_MS / 2);
  expect(tried).toBe(1);
  stop.abort();
  await keepAlive[Symbol.asyncDispose]();
  await pass(CLAIM_MS);
  expect(tried).toBe(1);
});

test.each([
  { leftMs: 140 * SECOND_MS, isLost: true },
  { leftMs: 160 * SECOND_MS, isLost: false },
])(
  'a first extension that fails for good with $leftMs ms left loses the claim: $isLost',
  async ({ leftMs, isLost }) => {
    const { keep, pass, through } = await startClaim();
    await pass(CLAIM_MS - leftMs);
    const broken = new TypeError('broken, for a test');
    through.append = () => Promise.reject(broken);
    await using keepAlive = await keep();
    expect(keepAlive.lost.aborted).toBe(isLost);
    if (isLost) expect(keepAlive.lost.reason).toBe(broken);
  },
);
