/** A first replay of a large bus that is killed, again and again: nobody ever serves a part of it. */
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { madeUp } from '../client.builders.ts';
import { connect } from '../connect.ts';
import { type EdgeProcess, startEdgeProcess } from './edge-processes.builders.ts';
import { createSite, MANY_MINUTES, type Site } from './site.builders.ts';

/** Events of one commit, which has 300 KB at most. */
const TOGETHER = 400;

/** Puts many certificates on a bus, whose keys nobody opens. */
async function fill({ bus }: Site, count: number): Promise<void> {
  for (let first = 0; first < count; first += TOGETHER) {
    const names = Array.from({ length: Math.min(TOGETHER, count - first) }, (_, n) => `n${first + n}.test`);
    await bus.append(...names.map(madeUp));
  }
}

/** How many certificates a client serves without its bus; `undefined` where it does not start. */
async function countServed({ options, line }: Site): Promise<number | undefined> {
  line.cut();
  try {
    await using client = await connect({ ...options, startTimeoutMs: 50 });
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

const title =
  'a replay that is killed, at any moment and again and again: each next start finishes it, or serves all, and none serves a part';
test(title, MANY_MINUTES, async () => {
  const { certificates, kills } = sized({
    small: { certificates: 10_000, kills: 3 },
    full: { certificates: 20_000, kills: 100 },
  });
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const site = await createSite(folder.path);
  const from = performance.now();
  await fill(site, certificates);
  // About as long as a replay takes.
  const replayMs = performance.now() - from;
  const { now: _, ...options } = site.options;
  const start = () => startEdgeProcess({ ...options, aheadMs: 0 });
  const begun = async (): Promise<EdgeProcess> => {
    const process = start();
    await expect.poll(() => hasReplica(options.stateDirectory), { interval: 1 }).toBe(true);
    return process;
  };
  for (let kill = 0; kill < kills; kill += 1) {
    const process = await begun();
    // Any moment will do: what is served after it must be right, whether the replay had come to its end or not.
    const moment = new Promise<undefined>((resolve) => setTimeout(() => resolve(undefined), Math.random() * replayMs));
    const finished = await Promise.race([process.started, moment]);
    await process.kill();
    expect([certificates, undefined]).toContain(finished?.served);
    if (kill % 2 === 1) expect([certificates, undefined]).toContain(await countServed(site));
    if (finished) rmSync(options.stateDirectory, { recursive: true });
  }
  expect((await start().started).served).toBe(certificates);
});
