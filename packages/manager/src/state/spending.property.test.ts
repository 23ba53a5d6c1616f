/** Compares the ledger of CA limits, however it was read, with a plain recount of the log. */
import {
  createBusId,
  createManagerKey,
  createRootKey,
  nameSetKey,
  parseManagerKey,
  parseRootKey,
} from '@certbus/events';
import {
  BEGINNING,
  type Checkpoint,
  type Commit,
  ledgerKey,
  ORDER_KINDS,
  renewedDomain,
  signRootEvent,
  type WrittenEvent,
} from '@certbus/events/history';
import { openReplica, type Replica, synchronize } from '@certbus/replica';
import { type Bus, catchUp, openBus } from '@certbus/store';
import { createMemoryLog } from '@certbus/store/memory';
import { sized } from 'certbus-services/vitest';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createView } from './view.ts';

const START = Date.now();
const DIRECTORY = 'https://ca.test/dir';
const OTHER = 'https://other.test/dir';
const RECIPIENT = 'age1'.padEnd(62, 'q');
const MINUTE_MS = 60_000;
const csr = { csr: 'Y3Ny', sealedKey: 'c2VhbGVk', recipientsPosition: 1 };

const NAMES = [
  ['a.one.test', 'b.one.test'],
  ['*.one.test', 'one.test'],
  ['two.test', 'x.three.test'],
  ['2001:db8::1', '2001:db8::2'],
] as const;

/** What is asked of the ledger. */
const COUNTS = [DIRECTORY, OTHER].flatMap((directory) => [
  ...ORDER_KINDS.map((kind) => ['orders', directory, kind] as const),
  ...['one.test', 'two.test', 'three.test', '2001:db8:0:0'].flatMap((it) =>
    [it, renewedDomain(it)].map((subject) => ['domains', directory, subject] as const),
  ),
  ...NAMES.map((names) => ['name-sets', directory, nameSetKey(names)] as const),
  ...['one.test', 'a.one.test', 'two.test', '2001:db8:0:0'].map((it) => ['failures', directory, it] as const),
]);

async function beginBus(at: Date = new Date(START)) {
  const root = parseRootKey(createRootKey());
  const { signer } = parseManagerKey(await createManagerKey());
  const trust = { busId: createBusId(), rootKey: root.publicKey };
  const log = createMemoryLog();
  const managers = [{ name: 'alice', signingKey: signer.publicKey, recipient: RECIPIENT }];
  const first: WrittenEvent[] = [
    { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
    signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
    signRootEvent(root, trust.busId, 2, {
      type: 'RecipientsUpdated',
      recipients: [{ name: 'edge', recipient: RECIPIENT }],
    }),
  ];
  await openBus(log, 'test', { trust, signer: root }).append(BEGINNING, first, { at });
  return { bus: openBus(log, 'test', { trust, signer }), busId: trust.busId };
}

const open = (busId: string) => openReplica({ path: ':memory:', busId });

/** The CA has counted a certificate that came and was not taken. */
const REFUSED = 'CERTBUS_ACME_CERTIFICATE_REFUSED';

/** One step of a history: what becomes of one of five certificates, and how much later. */
const step = fc.record({
  id: fc.integer({ min: 1, max: 5 }),
  what: fc.constantFrom('start', 'renew', 'order', 'take', 'fail', 'obtain', 'window', 'remove' as const),
  n: fc.nat(3),
  ms: fc.constantFrom(0, 90_000, 7 * MINUTE_MS, 3_600_000),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

/** The events of a step: an issuance is always the certificate's last one, or one that nobody knows. */
function eventOf(
  { id, what, n }: Step,
  at: Date,
  last: Map<number, { issuanceId: string; leaf: string }>,
): WrittenEvent {
  const certificateId = `certificate${id}`;
  const names = NAMES[(id + n) % NAMES.length] as readonly string[];
  const known = last.get(id) ?? { issuanceId: 'unknown0001', leaf: 'none' };
  const directory = n === 3 ? OTHER : DIRECTORY;
  const issuance = { issuanceId: known.issuanceId, certificateId };
  const until = new Date(at.getTime() + MINUTE_MS).toISOString();
  const subject = { names, challengeType: 'dns-01' as const, directory };
  const renewal = what === 'renew' ? { replaces: 'aki.serial' } : {};
  switch (what) {
    case 'start':
    case 'renew': {
      const issuanceId = `issuance${at.getTime()}`;
      last.set(id, { ...known, issuanceId });
      const reason = what === 'renew' ? ('renewal' as const) : ('new' as const);
      return {
        type: 'IssuanceStarted',
        certificateId,
        issuanceId,
        ...subject,
        reason,
        ...renewal,
        holder: 'h',
        until,
        ...csr,
      };
    }
    case 'order':
      return { type: 'OrderCreated', ...issuance, holder: 'h', orderUrl: `https://ca.test/${n}` };
    case 'take':
      return { type: 'IssuanceTakenOver', ...issuance, holder: n === 0 ? 'h' : `h${n}`, until };
    case 'fail': {
      const invalidNames = n === 0 ? {} : { invalidNames: ['one.test', 'one.test', '2001:db8::7'] };
      const problem = n === 1 ? REFUSED : 'p';
      const why = { problem, class: 'temporary' as const, detail: '', attempt: 1, notBefore: until };
      return { type: 'IssuanceFailed', ...issuance, ...why, ...invalidNames };
    }
    case 'obtain': {
      const leaf = Buffer.from(`leaf ${at.getTime()}`).toString('base64');
      last.set(id, { ...known, leaf });
      const dates = { notBefore: at.toISOString(), notAfter: new Date(at.getTime() + 90 * 86_400_000).toISOString() };
      const content = { leaf, issuers: [], sealedKey: 'c2VhbGVk', serialNumber: '0A', ...dates };
      return { type: 'CertificateObtained', ...issuance, ...subject, reason: n === 0 ? 'new' : 'renewal', ...content };
    }
    case 'window':
      return {
        type: 'RenewalInfoUpdated',
        certificateId,
        leafHash: 'A'.repeat(43),
        windowStart: at.toISOString(),
        windowEnd: until,
        renewAt: at.toISOString(),
      };
    default:
      return { type: 'CertificateRemoved', certificateId };
  }
}

/** What is counted of one subject: when, or that an issuance holds it. */
interface Recount {
  readonly spent: number[];
  held: number;
}

const bare = (name: string) => (name.includes(':') ? '2001:db8:0:0' : name.replace(/^\*\./, ''));
const registered = (name: string) => (name.includes(':') ? bare(name) : bare(name).split('.').slice(-2).join('.'));

/** Counts again by the log alone, in the plainest way: which issuances there were, and how each one ended. */
function recount(commits: readonly Commit[]): Map<string, Recount> {
  const counts = new Map<string, Recount>();
  const of = (limit: string, directory: string, subject: string): Recount => {
    const key = `${limit} ${directory} ${subject}`;
    const found = counts.get(key) ?? { spent: [], held: 0 };
    counts.set(key, found);
    return found;
  };
  interface Open {
    id: string;
    directory: string;
    isNew: boolean;
    names: readonly string[];
    holder: string;
    url?: string;
  }
  const opened = new Map<string, Open>();
  const known = new Set<string>();
  const removed = new Set<string>();
  const domainsOf = ({ names, directory, isNew }: Pick<Open, 'directory' | 'names' | 'isNew'>) =>
    [...new Set(names.map(registered))].map((domain) =>
      of('domains', directory, isNew ? domain : renewedDomain(domain)),
    );
  const end = (certificateId: string) => {
    const open = opened.get(certificateId);
    for (const domain of open ? domainsOf(open) : []) domain.held -= 1;
    opened.delete(certificateId);
  };
  for (const { events, at } of commits)
    for (const { event } of events) {
      if (!event || !('certificateId' in event) || removed.has(event.certificateId)) continue;
      const { certificateId } = event;
      const open = opened.get(certificateId);
      const order = (directory: string, isNew: boolean) =>
        of('orders', directory, isNew ? 'new' : 'repeated').spent.push(at.getTime());
      const issue = (issued: Pick<Open, 'directory' | 'names' | 'isNew'>) => {
        of('name-sets', issued.directory, nameSetKey(issued.names)).spent.push(at.getTime());
        for (const domain of domainsOf(issued)) domain.spent.push(at.getTime());
      };
      const isOwn = 'issuanceId' in event && open?.id === event.issuanceId;
      if (event.type === 'IssuanceStarted') {
        end(certificateId);
        known.add(certificateId);
        const { issuanceId: id, directory, names, holder } = event;
        const isNew = event.replaces === undefined;
        opened.set(certificateId, { id, directory, names, holder, isNew });
        order(directory, isNew);
        for (const domain of domainsOf({ directory, names, isNew })) domain.held += 1;
      } else if (event.type === 'OrderCreated' && open && isOwn) {
        if (open.url !== undefined && open.url !== event.orderUrl) order(open.directory, open.isNew);
        open.url = event.orderUrl;
      } else if (event.type === 'IssuanceTakenOver' && open && isOwn) {
        if (open.url === undefined && open.holder !== event.holder) order(open.directory, open.isNew);
        open.holder = event.holder;
      } else if (event.type === 'IssuanceFailed' && open && isOwn) {
        end(certificateId);
        for (const name of event.invalidNames ?? [])
          of('failures', open.directory, bare(name)).spent.push(at.getTime());
        if (event.problem === REFUSED) issue(open);
      } else if (event.type === 'CertificateObtained') {
        const isNew = isOwn ? (open?.isNew ?? false) : event.reason === 'new';
        end(certificateId);
        known.add(certificateId);
        issue({ ...event, isNew });
      } else if (event.type === 'CertificateRemoved' && known.has(certificateId)) {
        end(certificateId);
        removed.add(certificateId);
      }
    }
  return counts;
}

/** Instants within five minutes as one, as the ledger keeps them. */
function inSlots(instants: readonly number[]): { at: number; count: number }[] {
  const slots = Map.groupBy(instants, (at) => Math.floor(at / (5 * MINUTE_MS)));
  return [...slots.values()].map((alike) => ({ at: Math.max(...alike), count: alike.length }));
}

const total = (spent: readonly { readonly count: number }[]) => spent.reduce((sum, { count }) => sum + count, 0);

test('the ledger is what a recount of the log gives: by a replica, by layers on one, and by a snapshot', {
  tags: 'full',
  timeout: 600_000,
}, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 40 }), fc.nat(40), async (steps, taken) => {
      const { bus, busId } = await beginBus();
      const [whole, part, loaded] = await Promise.all([open(busId), open(busId), open(busId)]);
      try {
        await synchronize(part, bus);
        const view = createView(readOnly(part), {
          readAgain: async () => false,
          readElsewhere: async () => part,
          onReplicaFailed() {},
        });
        await catchUp(bus, view);
        let checkpoint: Checkpoint = part.checkpoint();
        let now = START;
        const last = new Map<number, { issuanceId: string; leaf: string }>();
        for (const [index, each] of steps.entries()) {
          now += each.ms + 1;
          const at = new Date(now);
          ({ checkpoint } = await bus.append(checkpoint, [eventOf(each, at, last)], { at }));
          if (index % 3 === 0) await catchUp(bus, view);
          // Another process takes it into the replica that this one has layers on.
          if (index === taken) await synchronize(part, bus);
        }
        await catchUp(bus, view);
        await synchronize(whole, bus);
        await load(loaded, whole);
        const counts = recount((await bus.read(BEGINNING, { limit: 1_000 })).commits);
        const stretch = { since: new Date(START), until: new Date(now) };
        for (const [limit, directory, subject] of COUNTS) {
          const { spent = [], held = 0 } = counts.get(`${limit} ${directory} ${subject}`) ?? {};
          const key = ledgerKey(limit, directory, subject);
          const expected = { held, spent: inSlots(spent) };
          expect(whole.spending(key, stretch)).toEqual(expected);
          expect(loaded.spending(key, stretch)).toEqual(expected);
          const layered = view.state.spending(key, stretch);
          expect([layered.held, total(layered.spent)]).toEqual([held, spent.length]);
          expect(Math.max(...layered.spent.map(({ at }) => at))).toBe(Math.max(...spent));
        }
      } finally {
        for (const replica of [whole, part, loaded]) await replica.close();
      }
    }),
    { numRuns: sized({ small: 40, full: 1_000 }) },
  );
});

/** A replica that another process advances. */
const readOnly = (replica: Replica): Replica => Object.assign(Object.create(replica) as Replica, { advancing: false });

/** Loads what a snapshot of one replica holds into another. */
async function load(into: Replica, from: Replica): Promise<void> {
  const building = await into.build({ checkpoint: from.checkpoint(), bus: from.bus(), rootEvents: from.rootEvents() });
  await building.load([...from.records()]);
  await building.serve();
}

test('what no limit looks back on is dropped, also by what a manager with a wrong clock wrote', async () => {
  const days = (n: number) => new Date(START + n * 86_400_000);
  const { bus, busId } = await beginBus(days(-41));
  const replica = await open(busId);
  await synchronize(replica, bus);
  let checkpoint = replica.checkpoint();
  const kept = () => new Set([...replica.records()].flatMap((each) => ('spent' in each ? [each.spent.at] : []))).size;
  const obtain = async (at: Date) => {
    const event = eventOf({ id: 1, what: 'obtain', n: 1, ms: 0 }, at, new Map());
    ({ checkpoint } = await bus.append(checkpoint, [event], { at }));
    await synchronize(replica, bus as Bus);
  };
  await obtain(days(-40));
  await obtain(days(-20));
  expect(kept()).toBe(1);
  await obtain(days(-10));
  await obtain(days(30_000));
  await obtain(days(0));
  expect(kept()).toBe(3);
  await replica.close();
});
