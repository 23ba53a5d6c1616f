/** Tests that a run of renewals shows on the bus that there is a manager. */
import { BEGINNING } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { createSite, type Site, withManager } from '../issuance/manager.builders.ts';
import { DIRECTORY, withBus } from './fleet.builders.ts';

const { signal } = new AbortController();
const HOUR_MS = 3_600_000;
const folder = temporaryFolder();
afterAll(() => folder.remove());

const typesOn = (site: Site) =>
  withBus(site, async (bus) =>
    (await bus.read(BEGINNING)).commits.flatMap(({ events }) => events.map(({ type }) => type)),
  );

test('a run writes a heartbeat where the bus was quiet for a day, and no other does', async () => {
  const site = await createSite(`${folder.path}/bus.db`, {
    version: 1,
    authorities: { ca: { directory: DIRECTORY, termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
  });
  const begun = Date.now();
  let now = begun;
  const heartbeats = async () => (await typesOn(site)).filter((type) => type === 'Heartbeat').length;
  const found: number[] = [];
  await withManager(site, { holder: 'one', now: () => new Date(now) }, async (manager) => {
    for (const hours of [1, 23, 25, 26, 48, 50]) {
      now = begun + hours * HOUR_MS;
      expect((await manager.runOnce({ signal })).outcomes).toEqual([]);
      found.push(await heartbeats());
    }
  });
  expect(found).toEqual([0, 0, 1, 1, 1, 2]);
});
