/** Tests of clients that read along while another one of their machine follows the bus. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { formatTrust, parseTrust } from '@certbus/events';
import { BEGINNING, floorAt } from '@certbus/events/history';
import { openReplica, replicaPath } from '@certbus/replica';
import { parseAddress } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import type { ConnectOptions } from './cert-bus.ts';
import { alarmsOf, newBus, newClient } from './client.builders.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
let places = 0;

async function newSite() {
  places += 1;
  const place = join(folder.path, String(places));
  const path = `${place}.db`;
  const address = `sqlite:${path}#test`;
  const bus = await newBus(address);
  return { bus, path, address, options: { bus: address, stateDirectory: `${place}-state` } };
}

test('a client that reads along reports the last contact, the liveness and the error of the one that follows', async () => {
  const { bus, path, options } = await newSite();
  await bus.issue(['a.test']);
  const first = await newClient(bus, options);
  const second = await newClient(bus, options);
  expect([first.health().following, second.health().following]).toEqual([true, false]);
  expect(second.health()).toMatchObject({ ready: true, live: true, trouble: undefined });
  const { lastContactAt } = second.health();
  expect(lastContactAt).toBeInstanceOf(Date);
  await expect
    .poll(() => second.health().lastContactAt?.getTime())
    .toBeGreaterThan(lastContactAt?.getTime() ?? Number.NaN);
  const alarms = alarmsOf(second);
  renameSync(path, `${path}.away`);
  const away = { code: 'CERTBUS_STORE_UNREACHABLE', message: expect.stringContaining('is away') };
  await expect.poll(() => second.health().trouble).toMatchObject(away);
  expect(alarms).toMatchObject([away]);
  expect(second.health()).toMatchObject({ ready: true, lagMs: expect.any(Number) });
  renameSync(`${path}.away`, path);
  await expect.poll(() => second.health().trouble).toBeUndefined();
  // What it reported stays true of the machine over a restart of both.
  const contact = second.health().lastContactAt?.getTime() ?? Number.NaN;
  await second.close();
  await first.close();
  renameSync(path, `${path}.away`);
  const third = await newClient(bus, options);
  expect(third.health().lastContactAt?.getTime()).toBeGreaterThanOrEqual(contact);
  expect(third.health()).toMatchObject({ ready: true, live: false });
});

test('on a fresh machine nobody starts, nor reports to be live, while the bus that the first one follows is refused', async () => {
  const { bus, address, options } = await newSite();
  await bus.issue(['a.test']);
  const { checkpoint } = await bus.bus.read(BEGINNING, { consistent: true });
  const trust = formatTrust({ ...parseTrust(bus.trust), floor: floorAt(checkpoint) });
  const log = await openLog(address);
  const { stream } = parseAddress(address);
  const { commits } = await log.read(stream, 2, { limit: 9 });
  for (const { position, bytes } of commits.toReversed())
    await log.maintenance?.replace(stream, position, { found: bytes, bytes: undefined });
  await log.close();
  const below = { code: 'CERTBUS_EVENTS_BELOW_FLOOR' };
  const start = (more: Partial<ConnectOptions> = {}) =>
    newClient({ ...bus, trust }, { ...options, startTimeoutMs: 600_000, ...more });
  const reasons = (await Promise.allSettled([start(), start()])).map((each) =>
    each.status === 'rejected' ? each.reason : undefined,
  );
  expect(reasons).toMatchObject([below, below]);
  // One that reads the same in the note of another process first finds it out by itself once that one has ended.
  const replica = await openReplica({
    path: replicaPath({ stateDirectory: options.stateDirectory, role: 'client', address }),
    busId: parseTrust(trust).busId,
    role: 'client',
  });
  expect(await replica.tryAdvance()).toBe(true);
  const trouble = { code: reasons[0].code, message: reasons[0].message };
  await replica.note({ everyMs: 60_000, lastContactAt: undefined, caughtUpAt: undefined, live: false, trouble });
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  const logger = { error: say, warn: say, info: say, debug: say };
  const third = start({ logger });
  await expect.poll(() => said).toContainEqual(expect.stringContaining(trouble.message));
  await replica.close();
  await expect(third).rejects.toMatchObject(below);
});
