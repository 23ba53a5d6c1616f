import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { requirePart } from 'certbus-services';
import { drawCredentials, sharedDynamoDbLocal } from 'certbus-services/vitest';
import { beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { StoreError } from '../../errors.ts';
import { openLog } from '../../open.ts';
import { openDynamoDbLog } from './dynamodb.ts';

const part = requirePart('dynamodb-local');
const credentials = drawCredentials();
const local = { region: 'eu-central-1', credentials };
const ERROR = 'com.amazonaws.dynamodb.v20120810#';

/** What a service in between answers instead of the real one, which may be nothing; `undefined`: pass it on. */
type Instead = (
  operation: string,
  nth: number,
) => { readonly status: number; readonly json: object } | 'silence' | undefined;

async function listen(answer: (call: IncomingMessage, response: ServerResponse) => Promise<void>) {
  const server = createServer((call, response) => {
    answer(call, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const stop = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return { endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, stop };
}

/** Stands before DynamoDB Local, counts each operation and says some things that the emulator never says. */
async function startBetween(target: string, instead: Instead) {
  const seen = new Map<string, number>();
  const between = await listen(async (call, response) => {
    const operation = String(call.headers['x-amz-target']).replace(/^.*\./, '');
    const nth = seen.get(operation) ?? 0;
    seen.set(operation, nth + 1);
    const body = await buffer(call);
    const answer = instead(operation, nth);
    if (answer === 'silence') return;
    if (answer) return void response.writeHead(answer.status).end(JSON.stringify(answer.json));
    const headers = Object.fromEntries(
      ['x-amz-target', 'authorization', 'x-amz-date', 'content-type'].map((name) => [name, String(call.headers[name])]),
    );
    const got = await fetch(target, { method: 'POST', headers, body });
    response.writeHead(got.status).end(Buffer.from(await got.arrayBuffer()));
  });
  return { ...between, seen };
}

describe.skipIf(part.skip)(part.title('the DynamoDB adapter in outages'), () => {
  let service: Awaited<ReturnType<typeof sharedDynamoDbLocal>>;
  let tables = 0;
  const newTable = () => {
    tables += 1;
    return `outages-${tables}`;
  };

  beforeAll(async () => {
    service = await sharedDynamoDbLocal();
  });

  test("somebody else's table is refused, also when a bus is to be created in it", async () => {
    const table = newTable();
    const client = new DynamoDBClient({ ...local, endpoint: service.endpoint });
    const AttributeDefinitions = [{ AttributeName: 'id', AttributeType: 'S' as const }];
    const KeySchema = [{ AttributeName: 'id', KeyType: 'HASH' as const }];
    await client.send(
      new CreateTableCommand({ TableName: table, BillingMode: 'PAY_PER_REQUEST', AttributeDefinitions, KeySchema }),
    );
    client.destroy();
    for (const create of [false, true]) {
      const opened = openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create });
      await expect(opened).rejects.toMatchObject({ code: 'CERTBUS_STORE_DAMAGED' });
    }
  });

  test('creating a table that exists opens it as it is', async () => {
    const table = newTable();
    const first = await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true });
    await first.append('s', 0, Buffer.from('one'));
    await first.close();
    const again = await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true });
    expect((await again.read('s', 0, { consistent: true })).commits).toHaveLength(1);
    await again.close();
  });

  test('a new table that is not seen yet, and whose backups are still prepared, is waited for', async () => {
    const between = await startBetween(service.endpoint, (operation, nth) => {
      if (/^(?:CreateTable|DescribeTable|(?:Describe|Update)ContinuousBackups)$/.test(operation) && nth === 0)
        return { status: 500, json: { __type: `${ERROR}InternalServerError`, message: 'No' } };
      if (operation === 'DescribeTable' && nth < 3)
        return {
          status: 400,
          json: { __type: `${ERROR}ResourceNotFoundException`, message: 'Requested resource not found' },
        };
      if (operation === 'UpdateContinuousBackups' && nth < 3)
        return {
          status: 400,
          json: { __type: `${ERROR}ContinuousBackupsUnavailableException`, message: 'Backups are being enabled' },
        };
      return undefined;
    });
    const options = { ...local, table: newTable(), endpoint: between.endpoint, create: true };
    const log = await openDynamoDbLog(options);
    expect(await log.append('s', 0, Buffer.from('one'))).toBe(1);
    expect(between.seen.get('CreateTable')).toBe(2);
    expect(between.seen.get('DescribeTable')).toBe(4);
    expect(between.seen.get('UpdateContinuousBackups')).toBe(4);
    await (await openDynamoDbLog(options)).close();
    expect(between.seen.get('DescribeContinuousBackups')).toBe(2);
    await log.close();
    await between.stop();
  });

  test('an empty page that is not the last one is read on from', async () => {
    const table = newTable();
    const direct = await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true });
    for (let after = 0; after < 3; after += 1) await direct.append('s', after, Buffer.from('x'));
    const LastEvaluatedKey = { s: { S: 's' }, v: { N: '1.5' } };
    // The first query is the one that opening makes.
    const between = await startBetween(service.endpoint, (operation, nth) =>
      operation === 'Query' && nth === 1 ? { status: 200, json: { Items: [], Count: 0, LastEvaluatedKey } } : undefined,
    );
    const log = await openDynamoDbLog({ ...local, table, endpoint: between.endpoint });
    const { commits, end } = await log.read('s', 1, { consistent: true });
    expect(commits.map(({ position }) => position)).toEqual([2, 3]);
    expect(end).toBe(true);
    await Promise.all([log.close(), direct.close()]);
    await between.stop();
  });

  test('one append is one request when nothing goes wrong, and nothing is read before it', async () => {
    const table = newTable();
    await (await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true })).close();
    const between = await startBetween(service.endpoint, () => undefined);
    const log = await openDynamoDbLog({ ...local, table, endpoint: between.endpoint });
    between.seen.clear();
    for (let after = 0; after < 5; after += 1) await log.append('s', after, Buffer.from('x'));
    expect([...between.seen]).toEqual([['PutItem', 5]]);
    await log.close();
    await between.stop();
  });

  test('an append behind a position that this process never saw looks for it first, strongly', async () => {
    const table = newTable();
    const direct = await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true });
    await direct.append('s', 0, Buffer.from('x'));
    const between = await startBetween(service.endpoint, () => undefined);
    const log = await openDynamoDbLog({ ...local, table, endpoint: between.endpoint });
    between.seen.clear();
    expect(await log.append('s', 1, Buffer.from('y'))).toBe(2);
    expect([...between.seen]).toEqual([
      ['Query', 1],
      ['PutItem', 1],
    ]);
    await expect(log.append('s', 9, Buffer.from('z'))).rejects.toMatchObject({
      code: 'CERTBUS_STORE_VERSION_CONFLICT',
    });
    await Promise.all([log.close(), direct.close()]);
    await between.stop();
  });

  test('an append that never gets an answer is tried again until it is stopped, and then says that it does not know', async () => {
    const table = newTable();
    await (await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true })).close();
    const stop = new AbortController();
    const between = await startBetween(service.endpoint, (operation, nth) => {
      if (operation !== 'PutItem') return undefined;
      if (nth > 0) stop.abort();
      return 'silence';
    });
    const log = await openDynamoDbLog({ ...local, table, endpoint: between.endpoint, requestTimeoutMs: 2_000 });
    const append = log.append('s', 0, Buffer.from('x'), { signal: stop.signal });
    await expect(append).rejects.toMatchObject({ code: 'CERTBUS_STORE_OUTCOME_UNKNOWN' });
    expect(between.seen.get('PutItem')).toBeGreaterThan(1);
    await log.close();
    await between.stop();
  });

  /** A log whose appends are refused, each try with the error of its turn, the last one for all that follow. */
  async function openRefusing(...names: readonly string[]) {
    const table = newTable();
    await (await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true })).close();
    const between = await startBetween(service.endpoint, (operation, nth) => {
      if (operation !== 'PutItem') return undefined;
      const name = names[Math.min(nth, names.length - 1)];
      return { status: name === 'InternalServerError' ? 500 : 400, json: { __type: `${ERROR}${name}`, message: 'No' } };
    });
    const log = await openDynamoDbLog({ ...local, table, endpoint: between.endpoint });
    onTestFinished(async () => {
      vi.restoreAllMocks();
      await log.close();
      await between.stop();
    });
    return { log, tries: () => between.seen.get('PutItem') ?? 0 };
  }

  test.each([
    [['ThrottlingException'], 'CERTBUS_STORE_THROTTLED'],
    [['TransactionConflictException', 'ProvisionedThroughputExceededException'], 'CERTBUS_STORE_THROTTLED'],
    [['InternalServerError', 'ThrottlingException'], 'CERTBUS_STORE_OUTCOME_UNKNOWN'],
    [['ThrottlingException', 'ExpiredTokenException'], 'CERTBUS_STORE_ACCESS_DENIED'],
  ])('an append that meets %j until it is given up ends with %s', async (names, code) => {
    const { log, tries } = await openRefusing(...names);
    const { now } = performance;
    // Minutes later, once it was tried a few times.
    vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + (tries() > 2 ? 180_000 : 0));
    await expect(log.append('s', 0, Buffer.from('x'))).rejects.toMatchObject({ code });
    expect((await log.read('s', 0, { consistent: true })).commits).toEqual([]);
  });

  test.each([
    ['only throttled ends with the reason of the signal', 'ThrottlingException', /^Error: stop$/],
    ['not, perhaps, says that nobody knows', 'InternalServerError', /It is not known whether/],
  ])('an append that is stopped when it was %s', async (_, name, what) => {
    const { log, tries } = await openRefusing(name);
    const stop = new AbortController();
    const { random } = Math;
    // Each pause draws its length.
    vi.spyOn(Math, 'random').mockImplementation(() => {
      if (tries() > 1) stop.abort(new Error('stop'));
      return random();
    });
    const stopped = log.append('s', 0, Buffer.from('x'), { signal: stop.signal }).then(String, String);
    expect(await stopped).toMatch(what);
    expect(tries()).toBe(2);
  });

  test.each([
    ['ExpiredTokenException', 'CERTBUS_STORE_ACCESS_DENIED', 'have expired'],
    ['ThrottlingException', 'CERTBUS_STORE_THROTTLED', 'is throttling'],
    ['ProvisionedThroughputExceededException', 'CERTBUS_STORE_THROTTLED', 'is throttling'],
    ['TransactionConflictException', 'CERTBUS_STORE_THROTTLED', 'another program is writing to the same item'],
    ['AccessDeniedException', 'CERTBUS_STORE_ACCESS_DENIED', 'look at the policy'],
  ])('a read that meets %s ends with its code, and goes on once that is over', async (name, code, what) => {
    const table = newTable();
    await (await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true })).close();
    let isOver = false;
    const between = await startBetween(service.endpoint, (operation, nth) =>
      operation === 'Query' && nth > 0 && !isOver
        ? { status: 400, json: { __type: `${ERROR}${name}`, message: 'No' } }
        : undefined,
    );
    const log = await openDynamoDbLog({ ...local, table, endpoint: between.endpoint, requestTimeoutMs: 2_000 });
    await expect(log.read('s', 0)).rejects.toMatchObject({ code, message: expect.stringContaining(what) });
    isOver = true;
    expect((await log.read('s', 0)).commits).toEqual([]);
    await log.close();
    await between.stop();
  });

  test.each([
    ['throttled ten times is tried again each time', 'ThrottlingException', 11],
    ['answered by an error each time is given up after the third', 'InternalServerError', 3],
  ])('a read that is %s', async (_, name, tries) => {
    const table = newTable();
    await (await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true })).close();
    // The first query is the one that opening makes.
    const between = await startBetween(service.endpoint, (operation, nth) =>
      operation === 'Query' && nth > 0 && nth <= 10
        ? { status: name === 'InternalServerError' ? 500 : 400, json: { __type: `${ERROR}${name}`, message: 'No' } }
        : undefined,
    );
    const log = await openDynamoDbLog({ ...local, table, endpoint: between.endpoint });
    vi.spyOn(Math, 'random').mockReturnValue(0);
    onTestFinished(() => void vi.restoreAllMocks());
    const code = await log.read('s', 0).then(
      () => 'read',
      (error: unknown) => (error instanceof StoreError ? error.code : error),
    );
    expect(code).toBe(tries > 10 ? 'read' : 'CERTBUS_STORE_UNREACHABLE');
    expect(between.seen.get('Query')).toBe(1 + tries);
    await log.close();
    await between.stop();
  });

  test('credentials that expire between two tries of an append leave its outcome unknown, not refused', async () => {
    const table = newTable();
    await (await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true })).close();
    const between = await startBetween(service.endpoint, (operation, nth) => {
      if (operation !== 'PutItem') return undefined;
      const name = nth === 0 ? 'InternalServerError' : 'ExpiredTokenException';
      return { status: nth === 0 ? 500 : 400, json: { __type: `${ERROR}${name}`, message: 'No' } };
    });
    const log = await openDynamoDbLog({ ...local, table, endpoint: between.endpoint });
    await expect(log.append('s', 0, Buffer.from('x'))).rejects.toMatchObject({ code: 'CERTBUS_STORE_OUTCOME_UNKNOWN' });
    await log.close();
    await between.stop();
  });

  test('a table in another region is not found, and the message says to look at the region', async () => {
    const table = newTable();
    await (await openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true })).close();
    const elsewhere = { ...local, region: 'us-east-1', table, endpoint: service.endpoint };
    await expect(openDynamoDbLog(elsewhere)).rejects.toMatchObject({
      code: 'CERTBUS_STORE_NOT_FOUND',
      message: expect.stringContaining('region'),
    });
  });

  test('the address, and credentials with it, opens the table', async () => {
    const table = newTable();
    const address = `dynamodb://${table}/prod?region=eu-central-1&endpoint=${encodeURIComponent(service.endpoint)}`;
    await expect(openLog(address, { credentials })).rejects.toMatchObject({ code: 'CERTBUS_STORE_NOT_FOUND' });
    const log = await openLog(address, { credentials, create: true });
    expect(await log.append('prod', 0, Buffer.from('x'))).toBe(1);
    await log.close();
  });
});

describe('a service that does not answer', () => {
  const silent = () => listen(async () => {});
  const stalling = () =>
    listen(async (_, response) => {
      response.writeHead(200, { 'content-length': 1_000 }).write('{"Items"');
    });

  test.each([
    ['says nothing', silent],
    ['stops in the middle of its answer', stalling],
  ])('that %s is told as out of reach, in bounded time', async (_, start) => {
    const server = await start();
    const opened = openDynamoDbLog({ ...local, table: 'any', endpoint: server.endpoint, requestTimeoutMs: 300 });
    await expect(opened).rejects.toMatchObject({ code: 'CERTBUS_STORE_UNREACHABLE' });
    await server.stop();
  });

  test('ends with the signal', async () => {
    const server = await silent();
    const reason = new Error('stop');
    const controller = new AbortController();
    const opened = openDynamoDbLog({ ...local, table: 'any', endpoint: server.endpoint, signal: controller.signal });
    setTimeout(() => controller.abort(reason), 100);
    await expect(opened).rejects.toBe(reason);
    await server.stop();
  });
});
