/** The ticket keys of workers on one port. */
import { fork } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { newBus } from '../client.builders.ts';
import type { ClusterOrder, ClusterReport } from './cluster-process.builders.ts';
import { shakeHands } from './tls.builders.ts';

const PROGRAM = fileURLToPath(new URL('./cluster-process.builders.ts', import.meta.url));
const folder = temporaryFolder();
afterAll(() => folder.remove());
let places = 0;

/** A bus with two certificates, and a cluster that has no worker yet. */
async function newCluster() {
  places += 1;
  const place = join(folder.path, String(places));
  const address = `sqlite:${place}.db#test`;
  const bus = await newBus(address);
  const { certificateId } = await bus.issue(['gone.test']);
  await bus.issue(['stays.test']);
  const options = { bus: address, identity: bus.identity, trust: bus.trust, stateDirectory: `${place}-state` };
  const primary = fork(PROGRAM, [JSON.stringify(options)], { execArgv: ['--conditions=certbus:source'] });
  onTestFinished(() => void primary.kill('SIGKILL'));
  const workers = new Map<number, ClusterReport>();
  primary.on('message', (report: ClusterReport) => workers.set(report.worker, report));
  const order = (wanted: ClusterOrder) => primary.send(wanted);
  return {
    bus,
    remove: () => bus.remove(certificateId),
    worker: (number: number) => workers.get(number),
    /** Starts the next worker, and returns its port. */
    async begin(): Promise<number> {
      const number = workers.size + 1;
      order({ kind: 'begin' });
      await expect.poll(() => workers.get(number)?.port).toBeTypeOf('number');
      return workers.get(number)?.port ?? Number.NaN;
    },
    /** Has a worker close its server, so that the others get all connections. */
    async close(number: number): Promise<void> {
      order({ kind: 'close', worker: number });
      await expect.poll(() => workers.get(number)?.isClosed).toBe(true);
    },
  };
}

test('a worker that is forked while nothing was removed resumes the sessions of the others', async () => {
  const { bus, begin, close } = await newCluster();
  const port = await begin();
  const { session } = await shakeHands(port, 'stays.test', { ca: bus.roots });
  await bus.issue(['new.test']);
  expect(await begin()).toBe(port);
  await close(1);
  if (!session) throw new TypeError('a ticket was given');
  expect(await shakeHands(port, 'stays.test', { ca: bus.roots, session })).toMatchObject({ reused: true });
});

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a worker that is forked after a removal resumes no %s session of before',
  async (maxVersion) => {
    const { bus, remove, worker, begin, close } = await newCluster();
    const port = await begin();
    const visit = (name: string, session?: Buffer) =>
      shakeHands(port, name, { ca: bus.roots, maxVersion, ...(session && { session }) });
    const [gone, stays] = [await visit('gone.test'), await visit('stays.test')];
    await remove();
    await expect.poll(() => worker(1)?.rotations).toBe(1);
    expect(await begin()).toBe(port);
    await close(1);
    if (!gone.session || !stays.session) throw new TypeError('tickets were given');
    expect(await visit('stays.test', stays.session)).toMatchObject({ reused: false });
    await expect(visit('gone.test', gone.session)).rejects.toThrow();
  },
);
