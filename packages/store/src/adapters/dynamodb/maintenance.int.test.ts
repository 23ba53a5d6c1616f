import { join } from 'node:path';
import {
  type AttributeValue,
  DescribeTableCommand,
  DynamoDBClient,
  PutItemCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-dynamodb';
import type { Checkpoint } from '@certbus/events/history';
import { requirePart, startFaultProxy, temporaryFolder } from 'certbus-services';
import { drawCredentials, sharedDynamoDbLocal } from 'certbus-services/vitest';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { beginBus, readPositions, writeCommits } from '../../bus.builders.ts';
import { openBus } from '../../bus.ts';
import { exportBus } from '../../recovery/backup.ts';
import { repair } from '../../recovery/repair.ts';
import { openExportFile } from '../places/export-file.ts';
import { bootstrapTable, openDynamoDbLog } from './dynamodb.ts';

const part = requirePart('dynamodb-local');
const local = { region: 'eu-central-1', credentials: drawCredentials() };

describe.skipIf(part.skip)(part.title('maintenance in DynamoDB'), () => {
  let service: Awaited<ReturnType<typeof sharedDynamoDbLocal>>;
  let tables = 0;
  beforeAll(async () => {
    service = await sharedDynamoDbLocal();
  });
  const options = () => ({ ...local, table: `maintenance-${tables}`, endpoint: service.endpoint });

  test('a trim that was interrupted is completed by the next one', async () => {
    tables += 1;
    const direct = await openDynamoDbLog({ ...options(), create: true });
    for (let after = 0; after < 120; after += 1) await direct.append('s', after, Buffer.from(`c${after + 1}`));
    const proxy = await startFaultProxy({ target: service.endpoint });
    const faulty = await openDynamoDbLog({ ...options(), endpoint: proxy.endpoint, requestTimeoutMs: 3_000 });
    let batches = 0;
    proxy.plan((operation) => {
      if (operation !== 'BatchWriteItem') return 'forward';
      batches += 1;
      return batches > 2 ? 'drop-request' : 'forward';
    });
    await expect(faulty.maintenance?.trim('s', 101)).rejects.toMatchObject({ code: 'CERTBUS_STORE_UNREACHABLE' });
    await expect(direct.read('s', 0)).rejects.toMatchObject({ first: 101 });
    await direct.maintenance?.trim('s', 101);
    await expect(direct.read('s', 99)).rejects.toMatchObject({ first: 101 });
    expect((await direct.read('s', 100)).commits).toHaveLength(20);
    await Promise.all([direct.close(), faulty.close()]);
    await proxy.stop();
  });

  test.each(['throttle', 'drop-request', 'drop-response', 'error-after'] as const)(
    'a trim, a look and a repair of which every second request meets "%s" are done all the same',
    async (fault) => {
      tables += 1;
      const direct = await openDynamoDbLog({ ...options(), create: true });
      for (let after = 0; after < 120; after += 1) await direct.append('s', after, Buffer.from(`c${after + 1}`));
      const proxy = await startFaultProxy({ target: service.endpoint });
      const busy = await openDynamoDbLog({ ...options(), endpoint: proxy.endpoint, requestTimeoutMs: 3_000 });
      const met = new Set<string>();
      proxy.plan((operation, nth) => {
        if (nth % 2 === 1) return 'forward';
        met.add(operation);
        return fault;
      });
      const { maintenance } = busy;
      await maintenance?.trim('s', 101);
      await maintenance?.replace('s', 120, { found: Buffer.from('c120'), bytes: Buffer.from('mended') });
      await maintenance?.replace('s', 119, { found: Buffer.from('c119'), bytes: undefined });
      await maintenance?.removeStray?.('s', '7.5');
      expect(await maintenance?.first('s')).toBe(101);
      expect(await maintenance?.correctFirst('s', 90)).toBe(true);
      expect(await maintenance?.correctFirst('s', 101)).toBe(true);
      const positions: unknown[] = [];
      for await (const page of maintenance?.inspect('s', 100) ?? []) positions.push(...page);
      expect(positions).toHaveLength(19);
      const operations = ['BatchWriteItem', 'DeleteItem', 'GetItem', 'PutItem', 'Query', 'UpdateItem'];
      expect([...met].toSorted()).toEqual(operations);
      await expect(direct.read('s', 99)).rejects.toMatchObject({ first: 101 });
      expect((await direct.read('s', 119)).commits.map(({ bytes }) => String(Buffer.from(bytes)))).toEqual(['mended']);
      await Promise.all([direct.close(), busy.close()]);
      await proxy.stop();
    },
  );

  test('a trim of which DynamoDB takes nothing for two minutes ends, and the next one completes it', async () => {
    tables += 1;
    const direct = await openDynamoDbLog({ ...options(), create: true });
    for (let after = 0; after < 60; after += 1) await direct.append('s', after, Buffer.from(`c${after + 1}`));
    const proxy = await startFaultProxy({ target: service.endpoint });
    const busy = await openDynamoDbLog({ ...options(), endpoint: proxy.endpoint });
    let [batches, later] = [0, 0];
    const { now } = performance;
    const clock = vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + later);
    proxy.plan((operation) => {
      if (operation !== 'BatchWriteItem') return 'forward';
      batches += 1;
      if (batches > 3) later += 60_000;
      return batches === 1 ? 'forward' : 'unprocessed';
    });
    const trimming = busy.maintenance?.trim('s', 51);
    await expect(trimming).rejects.toMatchObject({
      code: 'CERTBUS_STORE_THROTTLED',
      message: expect.stringContaining('is throttling'),
    });
    clock.mockRestore();
    expect(batches).toBeLessThan(7);
    await expect(direct.read('s', 0)).rejects.toMatchObject({ first: 51 });
    expect((await direct.read('s', 50)).commits).toHaveLength(10);
    await direct.maintenance?.trim('s', 51);
    await expect(direct.read('s', 49)).rejects.toMatchObject({ first: 51 });
    await Promise.all([direct.close(), busy.close()]);
    await proxy.stop();
  });

  test('what somebody put into the table who had its credentials and no key, whatever it is, is repaired', async () => {
    tables += 1;
    const log = await openDynamoDbLog({ ...options(), create: true });
    const { keys } = await beginBus(log);
    await writeCommits(log, { keys, count: 30 });
    const folder = temporaryFolder();
    const file = await openExportFile(join(folder.path, 'export'), { create: true });
    await exportBus(openBus(log, 'test', keys), file);
    const client = new DynamoDBClient({ ...local, endpoint: service.endpoint });
    const put = (v: string, more: Record<string, AttributeValue> = {}) =>
      client.send(new PutItemCommand({ TableName: options().table, Item: { s: { S: 'test' }, v: { N: v }, ...more } }));
    await put('1');
    await put('7');
    await put('9', { d: { S: 'a text' } });
    await put('11', { d: { B: Buffer.from('forged') } });
    for (const stray of ['0.5', '12.5', '13.00000000000000000000001', '100000000000000000000000000000000000000'])
      await put(stray, { d: { B: Buffer.from('stray') } });
    await put('32');
    // As if all of it had been trimmed.
    await put('0', { f: { N: '31' }, g: { N: '30' } });
    const request = { stream: 'test', trust: keys.trust, dropTail: true };
    const found = { replaced: [1, 7, 9, 11], dropped: [32], strays: 4, first: 1 };
    expect(await repair(file, log, { ...request, dryRun: true })).toMatchObject(found);
    expect(await repair(file, log, request)).toMatchObject(found);
    expect(await readPositions(openBus(log, 'test', keys))).toHaveLength(31);
    expect(await repair(file, log, request)).toMatchObject({ replaced: [], dropped: [], strays: 0, first: undefined });
    client.destroy();
    await Promise.all([file.close(), log.close()]);
    folder.remove();
  });

  test.each([
    ['a position beyond its head', { f: { N: '1000' }, g: { N: '999' } }, 11],
    ['that a trim got further than it did', { f: { N: '11' }, g: { N: '999' } }, 11],
    ['no numbers', { f: { S: 'a text' }, g: { S: 'a text' } }, 1],
    ['nothing', {}, undefined],
  ])(
    'where a trimmed stream begins, forged to say %s, is repaired, and it can be trimmed again',
    async (_, forged, corrected) => {
      tables += 1;
      const log = await openDynamoDbLog({ ...options(), create: true });
      const { keys } = await beginBus(log);
      const bus = openBus(log, 'test', keys);
      const checkpoint = (await writeCommits(log, { keys, count: 29 })).at(-1) as Checkpoint;
      const range = { first: 1, last: 10, hash: 'A'.repeat(43), manifest: 'A'.repeat(43), place: 'archives/x' };
      await bus.append(checkpoint, [{ type: 'RangeArchived', ...range }], { at: new Date() });
      const folder = temporaryFolder();
      const file = await openExportFile(join(folder.path, 'export'), { create: true });
      await exportBus(bus, file);
      await log.maintenance?.trim('test', 11);
      const client = new DynamoDBClient({ ...local, endpoint: service.endpoint });
      const key = { s: { S: 'test' }, v: { N: '0' } };
      await client.send(new PutItemCommand({ TableName: options().table, Item: { ...key, ...forged } }));

      const request = { stream: 'test', trust: keys.trust };
      expect((await repair(file, log, request)).first).toBe(corrected);
      expect(await repair(file, log, request)).toMatchObject({ replaced: [], first: undefined });
      await log.maintenance?.trim('test', 21);
      for (const after of [0, 12, 19])
        await expect(log.read('test', after, { consistent: true })).rejects.toMatchObject({ first: 21 });
      expect((await log.read('test', 20)).commits).toHaveLength(11);
      client.destroy();
      await Promise.all([file.close(), log.close()]);
      folder.remove();
    },
  );

  test('bootstrapping makes a table that is billed on demand and protected, and protects one that is there', async () => {
    tables += 1;
    const TableName = options().table;
    const client = new DynamoDBClient({ ...local, endpoint: service.endpoint });
    const table = async () => (await client.send(new DescribeTableCommand({ TableName }))).Table;
    await bootstrapTable(options());
    expect(await table()).toMatchObject({
      BillingModeSummary: { BillingMode: 'PAY_PER_REQUEST' },
      DeletionProtectionEnabled: true,
    });
    await client.send(new UpdateTableCommand({ TableName, DeletionProtectionEnabled: false }));
    expect((await table())?.DeletionProtectionEnabled).toBe(false);
    await bootstrapTable(options());
    expect((await table())?.DeletionProtectionEnabled).toBe(true);
    client.destroy();
  });

  test('bootstrapping names the table, twice the same', async () => {
    tables += 1;
    const { tableArn } = await bootstrapTable(options());
    expect(await bootstrapTable(options())).toEqual({ tableArn });
    expect(tableArn).toMatch(/^arn:aws:dynamodb:.*:table\/maintenance-\d+$/);
  });
});
