/** Tests of a start on a replica whose first replay was interrupted. */
import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { parseTrust } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import { openReplica, replicaPath } from '@certbus/replica';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { connect } from './connect.ts';
import { createTestBus } from './testing.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

test('a client serves no part of a bus: it waits for the bus, and goes on with the replay', async () => {
  const path = join(folder.path, 'bus.db');
  const address = `sqlite:${path}#test`;
  const bus = await createTestBus({ address });
  onTestFinished(() => bus.close());
  for (const name of ['a.test', 'b.test', 'c.test']) await bus.issue([name]);
  const stateDirectory = join(folder.path, 'state');
  const { busId } = parseTrust(bus.trust);
  const part = await bus.bus.read(BEGINNING, { limit: 3 });
  const replica = await openReplica({
    path: replicaPath({ stateDirectory, role: 'client', address }),
    busId,
    role: 'client',
  });
  await replica.apply(part.commits, part.checkpoint);
  expect(replica.lookup('a.test')).toHaveLength(1);
  await replica.close();
  const options = { bus: address, identity: bus.identity, trust: bus.trust, stateDirectory };
  renameSync(path, `${path}.away`);
  await expect(connect({ ...options, startTimeoutMs: 300 })).rejects.toMatchObject({
    code: 'CERTBUS_CLIENT_BUS_UNREACHABLE',
  });
  await expect(
    connect({ ...options, startTimeoutMs: 3_600_000, signal: AbortSignal.timeout(50) }),
  ).rejects.toMatchObject({ name: 'TimeoutError' });
  renameSync(`${path}.away`, path);
  await using client = await connect(options);
  expect([...client.certificates()].map(({ names }) => names[0]).toSorted()).toEqual(['a.test', 'b.test', 'c.test']);
  await client.close();
  renameSync(path, `${path}.away`);
  // It is whole now, and does not wait any more.
  await using again = await connect({ ...options, startTimeoutMs: 1 });
  expect(again.health().certificates.served).toBe(3);
  renameSync(`${path}.away`, path);
});

test('a first start without an end waits until the bus is there, and a time that is not one is refused', async () => {
  const path = join(folder.path, 'late.db');
  const address = `sqlite:${path}#test`;
  const bus = await createTestBus({ address });
  onTestFinished(() => bus.close());
  await bus.issue(['a.test']);
  renameSync(path, `${path}.away`);
  const said: string[] = [];
  const say = (line: string) => said.push(line);
  const logger = { error: say, warn: say, info: say, debug: say };
  const { identity, trust } = bus;
  const options = { bus: address, identity, trust, replica: ':memory:', intervalMs: 100, logger } as const;
  const start = connect({ ...options, startTimeoutMs: Number.POSITIVE_INFINITY });
  await expect.poll(() => said).not.toEqual([]);
  renameSync(`${path}.away`, path);
  await using client = await start;
  expect(client.health().certificates.served).toBe(1);
  for (const times of [{ startTimeoutMs: Number.NaN }, { startTimeoutMs: -1 }, { intervalMs: Number.NaN }])
    await expect(connect({ ...options, ...times })).rejects.toThrow(TypeError);
});
