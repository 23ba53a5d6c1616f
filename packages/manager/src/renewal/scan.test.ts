/** Tests that a run of renewals reads no more certificates than it acts on. */
import { BEGINNING, type Checkpoint, type WrittenEvent } from '@certbus/events/history';
import { openReplica, type Replica, synchronize } from '@certbus/replica';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite, type Site, withManager } from '../issuance/manager.builders.ts';
import { counted, DIRECTORY, ISSUED_AT, leafHashOf, obtained, say, withBus } from './fleet.builders.ts';
import { openRenewalInfoNotes } from './renewal-info-notes.ts';
import type { RenewalInfoNote } from './renewal-info-schedule.ts';
import { noteLeaves } from './renewal-info-stretch.ts';

const { signal } = new AbortController();
const DAY_MS = 86_400_000;
const IDS = Array.from({ length: 1_200 }, (_, n) => `certificate${1_000 + n}`);
const folder = temporaryFolder();
const days = (n: number) => new Date(ISSUED_AT.getTime() + n * DAY_MS);
let site: Site;
let head: Checkpoint;

beforeAll(async () => {
  site = await createSite(`${folder.path}/bus.db`, {
    version: 1,
    authorities: { ca: { directory: DIRECTORY, termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
  });
  head = await withBus(site, async (bus) => {
    const { checkpoint } = await bus.read(BEGINNING);
    return say(
      bus,
      checkpoint,
      IDS.map((id) => obtained(id)),
    );
  });
});
afterAll(() => folder.remove());

const noteOf = (certificateId: string, askAt: Date): RenewalInfoNote => ({
  certificateId,
  leafHash: leafHashOf(obtained(certificateId)),
  directory: DIRECTORY,
  askAt,
  failures: 0,
});

test('a run in which nothing is due and no CA is to be asked reads no certificate', async () => {
  using notes = openRenewalInfoNotes(':memory:');
  const stretch = { restored: 0, after: 0, upTo: head.position };
  notes.extend(stretch, { notes: IDS.map((id) => noteOf(id, days(31))), gone: [] });
  let replica: ReturnType<typeof counted> | undefined;
  const throughReplica = (opened: Replica) => (replica = counted(opened));
  const now = () => days(30);
  await withManager(site, { holder: 'one', now, notes, throughReplica }, async (manager) => {
    expect((await manager.runOnce({ signal })).outcomes).toEqual([]);
    expect(manager.due()).toEqual([]);
  });
  expect(replica?.readings).toEqual({ certificates: 0, leaves: 0 });
});

/** A replica at the head of the site's bus, and the head after what more is said. */
async function withReplica(
  run: (replica: ReturnType<typeof counted>, more: (...events: WrittenEvent[]) => Promise<void>) => Promise<void>,
): Promise<void> {
  const replica = counted(await openReplica({ path: ':memory:', busId: site.trust.busId }));
  await withBus(site, async (bus) => {
    await synchronize(replica, bus);
    await run(replica, async (...events) => {
      await say(bus, replica.checkpoint(), events);
      await synchronize(replica, bus);
    });
  });
  await replica.close();
}

test('every certificate is noted once, then only what has changed since', async () => {
  using notes = openRenewalInfoNotes(':memory:');
  await withReplica(async (replica, more) => {
    const note = async (read: Replica = replica) => {
      replica.readings.leaves = 0;
      await noteLeaves({ view: { replica: read }, random: () => 0.5, now: () => days(0) }, notes);
      return replica.readings.leaves;
    };
    expect(await note()).toBe(IDS.length);
    const open = Array.from(notes.open(DIRECTORY, days(0)), ({ certificateId }) => certificateId);
    expect(open.toSorted()).toEqual(IDS);
    expect(await note()).toBe(0);

    const [renewed = '', removed = '', asked = ''] = IDS;
    notes.set(noteOf(renewed, days(1)));
    notes.set(noteOf(asked, days(1)));
    const renewal = obtained(renewed, 'another leaf');
    await more(renewal, { type: 'CertificateRemoved', certificateId: removed });
    expect(await note()).toBe(2);
    expect(notes.get(renewed)).toMatchObject({ leafHash: leafHashOf(renewal) });
    expect(notes.get(renewed)?.askAt.getTime()).toBeLessThan(days(0).getTime());
    expect(notes.get(removed)).toBeUndefined();

    // On another line of a restored bus, positions mean something else; what is still served keeps its note.
    const restored = Object.assign(Object.create(replica) as Replica, {
      checkpoint: () => ({ ...replica.checkpoint(), restored: 7 }),
    });
    expect(await note(restored)).toBe(IDS.length);
    expect(notes.get(asked)).toEqual(noteOf(asked, days(1)));
    expect(await note(restored)).toBe(0);
  });
});
