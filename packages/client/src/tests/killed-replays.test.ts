/** A first replay of a large bus that is killed, again and again: nobody ever serves a part of it. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseTrust } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import { openReplica, synchronize } from '@certbus/replica';
import { parseAddress, publishSnapshot, writeSnapshot } from '@certbus/store';
import { openFolder } from '@certbus/store/folder';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { madeUp } from '../client.builders.ts';
import { connect } from '../connect.ts';
import { type EdgeProcess, startEdgeProcess } from './edge-processes.builders.ts';
import { createSite, MANY_MINUTES, type Site } from './site.builders.ts';

/** Events of one commit, which has 300 KB at most. */
const TOGETHER = 400;

/** Certificates that are issued behind a snapshot. */
const BEHIND = 1_000;

/** Puts many certificates on a bus, whose keys nobody opens. */
async function fill({ bus }: Site, from: number, to: number): Promise<void> {
  for (let first = from; first < to; first += TOGETHER) {
    const names = Array.from({ length: Math.min(TOGETHER, to - first) }, (_, n) => `n${first + n}.test`);
    await bus.append(...names.map(madeUp));
  }
}

/** Takes a snapshot of all that a bus has said, and trims the log: a start without the snapshot gets nowhere. */
async function takeSnapshot({ bus, options }: Site, folder: string): Promise<void> {
  const { busId } = parseTrust(options.trust);
  const place = openFolder(folder);
  const replica = await openReplica({ path: ':memory:', busId });
  try {
    await synchronize(replica, bus.bus);
    const checkpoint = replica.checkpoint();
    const from = { checkpoint, bus: replica.bus(), rootEvents: replica.rootEvents(), records: replica.records() };
    const taken = await writeSnapshot(place, busId, from);
    await bus.append({ type: 'SnapshotTaken', ...taken });
    await publishSnapshot(place, busId, taken, { restored: checkpoint.restored, head: checkpoint });
    const log = await openLog(options.bus);
    await log.maintenance?.trim(parseAddress(options.bus).stream, checkpoint.position);
    await log.close();
    await expect(bus.bus.read(BEGINNING)).rejects.toMatchObject({ code: 'CERTBUS_STORE_TRIMMED' });
  } finally {
    await replica.close();
  }
}

/** How many certificates a client serves without its bus; `undefined` where it does not start. */
async function countServed({ options, line }: Site, archive: string | undefined): Promise<number | undefined> {
  line.cut();
  try {
    await using client = await connect({ ...options, archive, startTimeoutMs: 50 });
    client.on('alarm', () => {});
    const served = [...client.certificates()].length;
    expect(client.health()).toMatchObject({ ready: true, certificates: { served } });
    return served;
  } catch (error) {
    expect(error).toMatchObject({ code: 'CERTBUS_CLIENT_BUS_UNREACHABLE' });
    return undefined;
  } finally {
    line.mend();
  }
}

const hasReplica = (folder: string): boolean =>
  existsSync(folder) && readdirSync(folder).some((name) => /^client-\w+\.db$/.test(name));

test.each([
  ['from the log', { hasSnapshot: false }],
  ['from a snapshot', { hasSnapshot: true }],
])(
  'a replay %s that is killed, at any moment and again and again: each next start finishes it, or serves all, and none serves a part',
  MANY_MINUTES,
  async (_, { hasSnapshot }) => {
    const { certificates, kills } = sized({
      small: { certificates: 10_000, kills: 3 },
      full: { certificates: 20_000, kills: 100 },
    });
    const folder = temporaryFolder();
    onTestFinished(() => folder.remove());
    const site = await createSite(folder.path);
    const began = performance.now();
    await fill(site, 0, certificates - BEHIND);
    const archive = hasSnapshot ? `file:${join(folder.path, 'archive')}` : undefined;
    if (hasSnapshot) await takeSnapshot(site, join(folder.path, 'archive'));
    await fill(site, certificates - BEHIND, certificates);
    // At least as long as a replay takes.
    const replayMs = performance.now() - began;
    const { now: _now, ...options } = site.options;
    const start = () => startEdgeProcess({ ...options, ...(archive ? { archive } : {}), aheadMs: 0 });
    const begun = async (): Promise<EdgeProcess> => {
      const process = start();
      await expect.poll(() => hasReplica(options.stateDirectory), { interval: 1 }).toBe(true);
      return process;
    };
    for (let kill = 0; kill < kills; kill += 1) {
      const process = await begun();
      // Any moment will do: what is served after it must be right, whether the replay had come to its end or not.
      const moment = new Promise<undefined>((resolve) =>
        setTimeout(() => resolve(undefined), Math.random() * replayMs),
      );
      const finished = await Promise.race([process.started, moment]);
      await process.kill();
      expect([certificates, undefined]).toContain(finished?.served);
      if (kill % 2 === 1) expect([certificates, undefined]).toContain(await countServed(site, archive));
      if (finished) rmSync(options.stateDirectory, { recursive: true });
    }
    expect((await start().started).served).toBe(certificates);
  },
);
