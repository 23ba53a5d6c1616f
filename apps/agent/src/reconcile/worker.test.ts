import type { MaterialSource } from '@certbus/client/material';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Target, Watcher } from '../targets/target.ts';
import { startWorker, type Worker, type WorkerOptions } from './worker.ts';

const MINUTE_MS = 60_000;
const AT = Date.parse('2030-01-01T00:00:00Z');

/** A worker in virtual time. Its target never is in effect, so that each pass changes it. */
function start(apply: Target['apply'], more: Partial<WorkerOptions> = {}) {
  vi.useFakeTimers({ now: AT, toFake: ['setTimeout', 'clearTimeout', 'performance', 'Date'] });
  const changes: number[] = [];
  let isPaused = false;
  let watcher: Watcher | undefined;
  const target: Target = {
    name: 'fake',
    held: async () => ({ leafHashes: new Map(), defaultId: undefined, isInEffect: false }),
    async apply(change, signal) {
      changes.push(Date.now() - AT);
      return apply(change, signal);
    },
    served: async () => new Map(),
    problems: async () => [],
    watch: async (given) => {
      watcher = given;
    },
    close: async () => {},
  };
  const source: WorkerOptions['pass']['source'] = {
    certificates: () => [],
    certificate: () => undefined,
    isWhole: () => true,
    health: () => ({ newestCommitAt: undefined }),
    on: () => source as MaterialSource,
    gone: async (ids) => new Set(ids),
    material: async () => undefined,
    ranking: () => ({ candidates: [], until: undefined, hasKeyTypes: false }),
    open: () => Promise.reject(new Error('nothing is there to be opened')),
  };
  const worker: Worker = startWorker({
    target,
    window: { windowMs: MINUTE_MS, spreadMs: 0 },
    machine: 'edge-1',
    pass: { source, selection: {}, defaultName: undefined, now: () => new Date() },
    position: () => 7,
    isPaused: () => isPaused,
    intervalMs: 10 * MINUTE_MS,
    timeoutMs: 5 * MINUTE_MS,
    onStatus: () => {},
    ...more,
  });
  onTestFinished(async () => {
    await worker.stop();
    vi.useRealTimers();
  });
  return {
    worker,
    changes,
    source,
    pause: (value: boolean) => {
      isPaused = value;
    },
    lost: () => watcher?.onLost(),
    back: () => watcher?.onBack(),
    /** Lets time pass, with something new on the bus each second. */
    async busyFor(ms: number) {
      for (let left = ms; left > 0; left -= 1_000) {
        worker.wake();
        await vi.advanceTimersByTimeAsync(1_000);
      }
    },
  };
}

const taken = async () => ({ refused: new Map() });

test('a busy bus, and a change that fails, lead to one change a window', async () => {
  let isBroken = false;
  const { worker, changes, busyFor } = start(async () => {
    if (isBroken) throw new Error('refused');
    return taken();
  });
  await busyFor(2 * MINUTE_MS + 30_000);
  expect(changes).toEqual([0, MINUTE_MS, 2 * MINUTE_MS]);
  isBroken = true;
  await busyFor(2 * MINUTE_MS);
  expect(changes).toEqual([0, 1, 2, 3, 4].map((n) => n * MINUTE_MS));
  expect(worker.status).toMatchObject({ position: 7, error: { cause: { message: 'refused' } } });
});

test('an idle target waits for the instant of its machine as well', async () => {
  const { worker, changes } = start(taken);
  await vi.advanceTimersByTimeAsync(5 * MINUTE_MS + 20_000);
  worker.wake();
  await vi.advanceTimersByTimeAsync(39_000);
  expect(changes).toEqual([0]);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(changes).toEqual([0, 6 * MINUTE_MS]);
});

test('a clock that was set back holds nothing up for longer than a window', async () => {
  const { worker, changes } = start(taken);
  await vi.advanceTimersByTimeAsync(1_000);
  vi.setSystemTime(AT - 86_400_000);
  worker.wake();
  await vi.advanceTimersByTimeAsync(MINUTE_MS);
  expect(changes).toHaveLength(2);
});

test('a target of which nobody reports a change is compared after its interval, and all that it holds is read', async () => {
  const { changes } = start(taken, { window: { windowMs: 0, spreadMs: 0 } });
  await vi.advanceTimersByTimeAsync(21 * MINUTE_MS);
  expect(changes).toEqual([0, 10 * MINUTE_MS, 20 * MINUTE_MS]);
});

test('nothing begins while a change runs', async () => {
  const running = { now: 0, most: 0 };
  const { changes, busyFor } = start(async () => {
    running.now += 1;
    running.most = Math.max(running.most, running.now);
    await new Promise((resolve) => setTimeout(resolve, 3 * MINUTE_MS));
    running.now -= 1;
    return taken();
  });
  await busyFor(7 * MINUTE_MS);
  expect(running.most).toBe(1);
  expect(changes).toEqual([0, 4 * MINUTE_MS]);
});

test('a target that hangs is given up, and no second pass begins next to it until it ends', async () => {
  let end = () => {};
  const hung = new Promise<void>((resolve) => {
    end = resolve;
  });
  const { worker, changes, busyFor } = start(async () => {
    await hung;
    return taken();
  });
  await busyFor(20 * MINUTE_MS);
  expect(worker.status.error).toMatchObject({ code: 'CERTBUS_AGENT_TARGET_TIMED_OUT' });
  expect(changes).toEqual([0]);
  end();
  await busyFor(11 * MINUTE_MS);
  expect(changes.length).toBeGreaterThan(1);
  expect(worker.status.error).toBeUndefined();
});

test('where another process had a turn meanwhile, the next pass reads all, whatever changed', async () => {
  let isNext = true;
  let ended = 0;
  const end = () => {
    ended += 1;
  };
  const window = { windowMs: 0, spreadMs: 0 };
  const { worker, changes } = start(taken, { window, takeTurn: async () => ({ isNext, end }) });
  await vi.advanceTimersByTimeAsync(1_000);
  worker.wake('one');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(changes).toHaveLength(1);
  isNext = false;
  worker.wake('one');
  await vi.advanceTimersByTimeAsync(1_000);
  expect(changes).toHaveLength(2);
  expect(ended).toBe(3);
});

test('a paused target stays as it is, and is brought up to date once it is resumed', async () => {
  const { worker, changes, pause, busyFor } = start(taken, { window: { windowMs: 0, spreadMs: 0 } });
  await busyFor(2_000);
  pause(true);
  const before = changes.length;
  // Nobody waits for the next change to see that it is paused.
  await vi.advanceTimersByTimeAsync(1_000);
  expect(worker.status.isPaused).toBe(true);
  await busyFor(MINUTE_MS);
  expect(changes).toHaveLength(before);
  pause(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(changes).toHaveLength(before + 1);
  expect(worker.status.isPaused).toBe(false);
});

test('a target that is paused while another process has its turn stays as it is', async () => {
  const given = Promise.withResolvers<{ isNext: boolean; end: () => void }>();
  let turns = 0;
  const { worker, changes, pause } = start(taken, {
    window: { windowMs: 0, spreadMs: 0 },
    async takeTurn() {
      turns += 1;
      return turns === 1 ? given.promise : { isNext: true, end() {} };
    },
  });
  await vi.advanceTimersByTimeAsync(1_000);
  pause(true);
  const ended: string[] = [];
  given.resolve({ isNext: true, end: () => void ended.push('turn') });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(worker.status).toMatchObject({ isPaused: true, error: undefined });
  expect([changes, ended]).toEqual([[], ['turn']]);
  pause(false);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(changes).toHaveLength(1);
});

test.each([
  ['EROFS', 'name the folder in "ReadWritePaths=" of a drop-in'],
  ['EACCES', '"certbus-agent check", run as the user of the agent, shows what is missing'],
])('what to do about %s is said', async (code, advice) => {
  const error = Object.assign(new Error(`${code}: mkdir '/etc/tls'`), { code });
  const { worker } = start(() => Promise.reject(error), { window: { windowMs: 0, spreadMs: 0 } });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(worker.status.error).toMatchObject({ code: 'CERTBUS_AGENT_TARGET_FAILED' });
  expect(worker.status.error?.message).toContain(`(${code}: mkdir '/etc/tls')`);
  expect(worker.status.error?.message).toContain(advice);
});

test('a target that fails is asked again after pauses that grow, whatever the bus does', async () => {
  const { changes, busyFor } = start(() => Promise.reject(new Error('away')), { window: { windowMs: 0, spreadMs: 0 } });
  await busyFor(16_000);
  expect(changes).toEqual([0, 1_000, 3_000, 7_000, 15_000]);
});

test('a target that fails is asked at once when its balancer is back, and not before that because its memory is lost', async () => {
  let isAway = true;
  const answer = () => (isAway ? Promise.reject(new Error('away')) : taken());
  const { worker, changes, lost, back } = start(answer, { window: { windowMs: 0, spreadMs: 0 } });
  await vi.advanceTimersByTimeAsync(8_000);
  lost();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(changes).toEqual([0, 1_000, 3_000, 7_000]);
  back();
  await vi.advanceTimersByTimeAsync(0);
  expect(changes).toEqual([0, 1_000, 3_000, 7_000, 9_000]);
  // One that came back and fails again has its next pause, which is longer.
  await vi.advanceTimersByTimeAsync(15_999);
  expect(changes).toHaveLength(5);
  isAway = false;
  back();
  await vi.advanceTimersByTimeAsync(0);
  expect(changes).toHaveLength(6);
  expect(worker.status.error).toBeUndefined();
});

test('a balancer that comes back while its target is in order is not compared for that', async () => {
  const { changes, back } = start(taken, { window: { windowMs: 0, spreadMs: 0 } });
  await vi.advanceTimersByTimeAsync(1_000);
  back();
  await vi.advanceTimersByTimeAsync(1_000);
  expect(changes).toEqual([0]);
});

test('a balancer that comes back waits for the window of its target', async () => {
  const { changes, back } = start(() => Promise.reject(new Error('away')));
  await vi.advanceTimersByTimeAsync(MINUTE_MS + 1_000);
  back();
  await vi.advanceTimersByTimeAsync(0);
  expect(changes).toEqual([0, MINUTE_MS]);
  await vi.advanceTimersByTimeAsync(MINUTE_MS - 1_000);
  expect(changes).toEqual([0, MINUTE_MS, 2 * MINUTE_MS]);
});

test('what a balancer lost is compared with what is known of the bus, which is not read as a whole for that', async () => {
  const { worker, changes, source, lost } = start(taken, { window: { windowMs: 0, spreadMs: 0 } });
  await vi.advanceTimersByTimeAsync(1_000);
  const readings = vi.spyOn(source, 'certificates');
  lost();
  await vi.advanceTimersByTimeAsync(1_000);
  expect([changes.length, readings.mock.calls.length]).toEqual([2, 0]);
  worker.wake();
  await vi.advanceTimersByTimeAsync(1_000);
  expect([changes.length, readings.mock.calls.length]).toEqual([3, 1]);
});
