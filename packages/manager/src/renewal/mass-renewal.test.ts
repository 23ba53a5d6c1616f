/**
 * A simulation of a mass renewal: two managers decide on one bus, as they do, and only what a CA takes its time for is simulated. The
 * same with a CA's requests and limits is `mass-renewal.int.test.ts`, and in `npm run test:long` with ten thousand certificates.
 */
import { LETS_ENCRYPT_LIMITS } from '@certbus/acme';
import {
  createBusId,
  createManagerKey,
  createRootKey,
  parseManagerKey,
  parseRootKey,
  sha256,
  type Urgency,
} from '@certbus/events';
import { BEGINNING, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { openReplica, synchronize } from '@certbus/replica';
import { type Bus, catchUp, openBus, transact } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { sized } from 'certbus-services/vitest';
import { expect, test } from 'vitest';
import { claimRenewal } from '../decide/claim.ts';
import { dueBy } from '../decide/due.ts';
import { recordObtained } from '../decide/issuance.ts';
import { recordRenewalInfo } from '../decide/renewal-info.ts';
import { createView, type ManagerView } from '../state/view.ts';
import { DIRECTORY, obtained } from './fleet.builders.ts';
import { inTurns } from './turns.ts';
import { createWorkQueue, type Work } from './work-queue.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const NOW = new Date('2027-03-01T03:00:00Z');
const PARALLEL = 20;
const MANAGERS = 2;
const TOGETHER = 100;

type Asked = Exclude<Urgency, 'due'>;

/** How many of each urgency: a twentieth has expired, a twentieth ends within a day, and the CA alone wants the others renewed. */
function countsOf(certificates: number): Record<Asked, number> {
  const few = certificates / 20;
  return { lapsed: few, emergency: few, 'window-over': certificates - 2 * few };
}

/** Days that are left of 90, by urgency. */
const LEFT: Readonly<Record<Asked, number>> = { lapsed: -1, emergency: 0.5, 'window-over': 70 };

/** Makes a bus in memory for one manager key, of which both managers have one. */
async function beginBus() {
  const root = parseRootKey(createRootKey());
  const { signer } = parseManagerKey(await createManagerKey());
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const log = createMemoryLog();
  const recipient = 'age1'.padEnd(62, 'q');
  const managers = [{ name: 'alice', signingKey: signer.publicKey, recipient }];
  const first: WrittenEvent[] = [
    { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
    signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
    signRootEvent(root, trust.busId, 2, { type: 'RecipientsUpdated', recipients: [{ name: 'edge', recipient }] }),
  ];
  await openBus(log, 'test', { trust, signer: root }).append(BEGINNING, first, { at: NOW });
  const open = async () => {
    const replica = await openReplica({ path: ':memory:', busId: trust.busId });
    const bus = openBus(log, 'test', { trust, signer });
    const view = createView(replica, {
      readAgain: () => synchronize(replica, bus),
      readElsewhere: async () => replica,
      onReplicaFailed() {},
    });
    await catchUp(bus, view);
    return { bus, view };
  };
  return { open };
}

/** The nth of numbers that lie evenly between 0 and 1, however many there are. Drawn ones do not in each run. */
const evenly = (nth: number): number => (nth * 0.618_033_988_749_895) % 1;

/** Puts the certificates on the bus, and what the CA said of each: a window that is over already, and a place in it. */
async function seed(
  { bus, view }: { readonly bus: Bus; readonly view: ManagerView },
  certificates: number,
): Promise<void> {
  const all = Object.entries(countsOf(certificates)).flatMap(([urgency, count]) =>
    Array.from({ length: count }, (_, n) => ({ urgency: urgency as Asked, id: `${urgency}-${n}`.padStart(12, 'c') })),
  );
  const info = { start: new Date(NOW.getTime() - HOUR_MS), end: new Date(NOW.getTime() - HOUR_MS / 2) };
  for (let from = 0; from < all.length; from += TOGETHER) {
    const some = all.slice(from, from + TOGETHER);
    await transact(bus, view, () => ({
      events: some.map(({ urgency, id }) => {
        const end = NOW.getTime() + LEFT[urgency] * DAY_MS;
        const span = { notBefore: new Date(end - 90 * DAY_MS).toISOString(), notAfter: new Date(end).toISOString() };
        return { ...obtained(id), ...span };
      }),
      result: undefined,
    }));
    await transact(bus, view, (state) => ({
      events: some.flatMap(({ id: certificateId }, n) => {
        const leafHash = state.certificate(certificateId)?.current?.leafHash ?? '';
        return recordRenewalInfo(state, { certificateId, leafHash, info, chance: evenly(from + n) }).events;
      }),
      result: undefined,
    }));
  }
}

/** What is to happen at which instant. */
function createTimeline() {
  const waiting: { readonly at: number; readonly run: () => Promise<void> }[] = [];
  let now = NOW.getTime();
  return {
    now: () => new Date(now),
    after(ms: number, run: () => Promise<void>) {
      const at = now + ms;
      const index = waiting.findIndex((other) => other.at < at);
      // The last is the next.
      waiting.splice(index < 0 ? waiting.length : index, 0, { at, run });
    },
    async runAll() {
      for (let next = waiting.pop(); next; next = waiting.pop()) {
        now = Math.max(now, next.at);
        await next.run();
      }
    },
  };
}

/** An order as the CA sees it. */
interface Order {
  readonly certificateId: string;
  readonly at: number;
}

/** Lets a manager renew what is due, twenty orders at a time, each of which takes a CA some seconds. */
async function startManager(
  { bus, view }: { readonly bus: Bus; readonly view: ManagerView },
  {
    holder,
    time,
    orders,
  }: { readonly holder: string; readonly time: ReturnType<typeof createTimeline>; readonly orders: Order[] },
): Promise<void> {
  const { now } = time;
  const due = inTurns(dueBy(view.state, { at: now(), now: now() }));
  const queue = await createWorkQueue(due, { now: now(), limit: 10_000, parallel: PARALLEL });
  let underWay = 0;
  let issuances = 0;

  async function renew(work: Work): Promise<void> {
    const { certificateId, leafHash } = work;
    issuances += 1;
    const issuanceId = `${holder}-${issuances}`.padStart(12, 'i');
    const terms = { holder, claimMs: 300_000, graceMs: 120_000, takeOver: false };
    const csr = { csr: 'Y3Ny', sealedKey: 'a2V5', recipientsPosition: view.state.bus.recipientsPosition };
    const otherwise = { challengeType: 'dns-01', directory: DIRECTORY } as const;
    const choice = { otherwise, authorities: {}, unavailable: new Set<string>() };
    const only = { leafHash, dueBy: now() };
    const asked = { ...terms, ...choice, issuanceId, csr, replaces: 'aki.serial', only };
    const claim = await transact(bus, view, (state, at) => claimRenewal(state, at, certificateId, asked), { now });
    if (claim.kind !== 'claimed') return end(work);
    orders.push({ certificateId, at: now().getTime() });
    underWay += 1;
    expect(underWay).toBeLessThanOrEqual(PARALLEL);
    time.after(1_000 + Math.random() * 3_000, async () => {
      const names = [`${certificateId}.test`];
      const leaf = Buffer.from(`renewed ${certificateId}`);
      const span = { notBefore: now(), notAfter: new Date(now().getTime() + 90 * DAY_MS) };
      const content = { leaf, issuers: [], names, serialNumber: '0B', ...span };
      const held = { certificateId, issuanceId, holder };
      await transact(bus, view, (state) => recordObtained(state, held, { content, csr }), { now });
      underWay -= 1;
      end(work);
    });
  }
  function begin(): void {
    const work = queue.take();
    if (work) time.after(0, () => renew(work));
  }
  function end(work: Work): void {
    queue.done(work);
    begin();
  }
  for (let n = 0; n < PARALLEL; n += 1) begin();
}

/** Whether all this was in a bucket that holds so many and gains one each so many milliseconds. */
function isWithin(
  instants: readonly number[],
  { capacity, refillMs }: { readonly capacity: number; readonly refillMs: number },
): boolean {
  let [left, last] = [capacity, instants[0] ?? 0];
  return instants.every((at) => {
    left = Math.min(capacity, left + (at - last) / refillMs) - 1;
    last = at;
    return left >= 0;
  });
}

test('when a CA wants all renewed at once, two managers renew each once, most urgent first, in no order that all draw alike', {
  tags: 'full',
}, async () => {
  const certificates = sized({ small: 600, full: 10_000 });
  const { open } = await beginBus();
  const managers = [await open(), await open()];
  const [first, second] = managers as [(typeof managers)[0], (typeof managers)[0]];
  await seed(first, certificates);
  await catchUp(second.bus, second.view);
  const counts = countsOf(certificates);

  // The CA's windows are over for all, and the instants in it lie evenly, as those that many draw.
  const renewAts = [...first.view.state.all()].map(({ renewalInfo }) => Date.parse(renewalInfo?.renewAt ?? ''));
  const slices = Map.groupBy(renewAts, (at) => Math.floor((at - NOW.getTime() + HOUR_MS) / (0.95 * 3 * MINUTE_MS)));
  expect(renewAts).toHaveLength(certificates);
  expect([...slices.keys()].toSorted((one, other) => one - other)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (const { length } of slices.values()) {
    expect(length).toBeGreaterThan(certificates * 0.05);
    expect(length).toBeLessThan(certificates * 0.15);
  }

  const time = createTimeline();
  const orders: Order[] = [];
  await Promise.all(managers.map((manager, n) => startManager(manager, { holder: `manager-${n}`, time, orders })));
  await time.runAll();

  expect(orders.map(({ certificateId }) => certificateId).toSorted()).toEqual(
    Array.from(first.view.state.all(), ({ certificateId }) => certificateId).toSorted(),
  );
  await catchUp(first.bus, first.view);
  expect([...dueBy(first.view.state, { at: time.now(), now: time.now() })]).toEqual([]);
  for (const { certificateId, current } of first.view.state.all())
    expect(current?.leafHash).toBe(sha256(Buffer.from(`renewed ${certificateId}`)));

  // Orders that are under way together, forty at most, overtake each other.
  const last = (urgency: Asked) => orders.findLastIndex(({ certificateId }) => certificateId.includes(urgency));
  expect(last('lapsed')).toBeLessThan(counts.lapsed + MANAGERS * PARALLEL);
  expect(last('emergency')).toBeLessThan(counts.lapsed + counts.emergency + MANAGERS * PARALLEL);
  const at = orders.map((order) => order.at);
  expect(isWithin(at, LETS_ENCRYPT_LIMITS.requests['new-order'])).toBe(true);
});
