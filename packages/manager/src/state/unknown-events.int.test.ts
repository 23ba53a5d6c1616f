/** Tests that a manager decides nothing on a bus with events that it does not know. */
import type { WrittenEvent } from '@certbus/events/history';
import { BEGINNING } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import type { Manager } from '../index.ts';
import { createSite, type Site, withManager } from '../issuance/manager.builders.ts';
import { DIRECTORY, obtained, say, withBus } from '../renewal/fleet.builders.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let sites = 0;
afterAll(() => folder.remove());

const config = {
  version: 1,
  authorities: { ca: { directory: DIRECTORY, termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
  dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
};

/** A bus with one certificate and an event that only a later release knows all of. */
async function siteWith(event: object): Promise<Site> {
  sites += 1;
  const site = await createSite(`${folder.path}/bus${sites}.db`, config);
  await withBus(site, async (bus) => {
    const { checkpoint } = await bus.read(BEGINNING);
    await say(bus, checkpoint, [obtained('certificate1')]);
    const { checkpoint: head } = await bus.read(BEGINNING);
    await say(bus, head, [event as WrittenEvent]);
  });
  return site;
}

const headOf = (site: Site) => withBus(site, async (bus) => (await bus.read(BEGINNING)).checkpoint.position);

/** Whatever can write to the bus. */
const DECISIONS: readonly (readonly [string, (manager: Manager) => Promise<unknown>])[] = [
  ['remove', (manager) => manager.remove('certificate1')],
  ['configure', (manager) => manager.configure(config)],
  ['issue', (manager) => manager.issue({ names: ['new.test'] }, { signal })],
  ['renew', (manager) => manager.renew('certificate1', { signal })],
  ['roll accounts over', (manager) => manager.rollOverAccounts({ signal })],
  ['renew what is due', (manager) => manager.runOnce({ signal })],
];

test.each(DECISIONS)('a manager does not %s where an event is of a type that it does not know', async (_, decide) => {
  const site = await siteWith({ type: 'MoonPhaseChanged', phase: 'full' });
  const before = await headOf(site);
  await withManager(site, { holder: 'one' }, async (manager) => {
    await manager.refresh();
    const refused = decide(manager);
    await expect(refused).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_UPGRADE_NEEDED' });
    await expect(refused).rejects.toThrow('MoonPhaseChanged');
    // What is only read is shown all the same.
    expect(manager.certificate('certificate1').names).toEqual(['certificate1.test']);
    expect(await manager.configuration()).toMatchObject({ json: config });
  });
  expect(await headOf(site)).toBe(before);
});

test('a field that it does not know keeps a manager from nothing', async () => {
  const site = await siteWith({ type: 'Heartbeat', mood: 'good' });
  await withManager(site, { holder: 'one' }, async (manager) => {
    await manager.refresh();
    await manager.remove('certificate1');
    expect([...manager.state.all()]).toEqual([]);
  });
});
