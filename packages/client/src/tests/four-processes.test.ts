/** Four processes on one state folder: whichever of them follows the bus is killed, again and again. */
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { checkShown, type Floors } from './edge.builders.ts';
import { type EdgeProcess, startEdgeProcess } from './edge-processes.builders.ts';
import { createSite, MANY_MINUTES, type Site } from './site.builders.ts';

const PROCESSES = 4;
const NAMES = ['a.test', 'b.test', 'x.wild.test'];

/** A process that serves, and what it must not fall behind. */
interface Server {
  readonly process: EdgeProcess;
  readonly port: number;
  readonly floors: Floors;
}

/** One that starts late serves at least what the replica had before. */
async function start({ options: { now: _, ...options } }: Site, floors: Floors): Promise<Server> {
  const process = startEdgeProcess({ ...options, aheadMs: 0 });
  const { port } = await process.started;
  return { process, port, floors: new Map(floors) };
}

/** The one that follows the bus; exactly one does. */
async function advancerOf(servers: readonly Server[]): Promise<Server> {
  const following = async () => {
    const healths = await Promise.all(servers.map(({ process }) => process.health()));
    return servers.filter((_, n) => healths[n]?.following);
  };
  await expect.poll(following, { interval: 20 }).toHaveLength(1);
  const [advancer] = await following();
  if (!advancer) throw new Error('it was there a moment ago');
  return advancer;
}

const title =
  'four processes on one state folder, of which the one that follows is killed: no handshake with the others fails or shows anything older, and another one takes over';
test(title, MANY_MINUTES, async () => {
  const kills = sized({ small: 1, full: 10 });
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const site = await createSite(folder.path);
  for (const name of ['a.test', 'b.test', '*.wild.test']) await site.issue([name]);
  let servers = await Promise.all(Array.from({ length: PROCESSES }, () => start(site, new Map())));
  const untilAllServe = async (position: number) => {
    const positions = async () => Promise.all(servers.map(async ({ process }) => (await process.health()).position));
    await expect.poll(positions, { interval: 20 }).toEqual(servers.map(() => position));
    for (const { port, floors } of servers) await checkShown(port, { site, floors, position }, NAMES);
  };

  let isDone = false;
  async function ask(server: Server): Promise<void> {
    try {
      await checkShown(server.port, { site, floors: server.floors }, NAMES);
    } catch (error) {
      // One that was killed ends what it had begun.
      if (servers.includes(server)) throw error;
    }
  }
  const asking = (async () => {
    while (!isDone) for (const server of servers) await ask(server);
  })();
  asking.catch(() => (isDone = true));
  for (let n = 0; n < kills && !isDone; n += 1) {
    const advancer = await advancerOf(servers);
    servers = servers.filter((each) => each !== advancer);
    await site.issue(['a.test']);
    await advancer.process.kill();
    await site.issue(['*.wild.test']);
    await untilAllServe(site.history.head);
    const shown = new Map(servers.flatMap(({ floors }) => [...floors]));
    servers = [...servers, await start(site, shown)];
    await site.issue(['b.test']);
    await untilAllServe(site.history.head);
  }
  isDone = true;
  await asking;
});
