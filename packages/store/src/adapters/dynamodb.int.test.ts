import { type DynamoDbLocal, type Fault, requirePart, startDynamoDbLocal, startFaultProxy } from 'certbus-testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { beginBus, createView, removed } from '../bus.builders.ts';
import { openBus } from '../bus.ts';
import { conformance } from '../conformance/index.ts';
import { VersionConflictError } from '../errors.ts';
import type { Log } from '../log.ts';
import { openLog } from '../open.ts';
import { transact } from '../transact.ts';
import { openDynamoDbLog } from './dynamodb.ts';

const part = requirePart('dynamodb-local');
// DynamoDB Local looks at the form of credentials only.
const local = { region: 'eu-central-1', credentials: { accessKeyId: 'local', secretAccessKey: 'local' } };

describe.skipIf(part.skip)(part.title('the DynamoDB adapter against DynamoDB Local'), { timeout: 60_000 }, () => {
  let service: DynamoDbLocal;
  let tables = 0;
  const newTable = () => {
    tables += 1;
    return `certbus-${tables}`;
  };

  beforeAll(async () => {
    service = await startDynamoDbLocal();
  }, 120_000);
  afterAll(() => service?.stop());

  const open = (table: string, endpoint = service.endpoint, create = false) =>
    openDynamoDbLog({ ...local, table, endpoint, create });

  conformance({
    describe,
    test,
    async create() {
      const table = newTable();
      const log = await open(table, service.endpoint, true);
      return { log, reopen: () => open(table), dispose: () => log.close() };
    },
  });

  /** A log on a new table behind a proxy with a plan of faults. */
  async function openFaulty(plan: (operation: string, nth: number) => Fault) {
    const table = newTable();
    await (await open(table, service.endpoint, true)).close();
    const proxy = await startFaultProxy({ target: service.endpoint });
    const log = await open(table, proxy.endpoint);
    proxy.plan(plan);
    const direct = await open(table);
    const stop = async () => {
      await Promise.all([log.close(), direct.close()]);
      await proxy.stop();
    };
    return { table, log, direct, proxy, stop };
  }

  async function readAll(log: Log): Promise<string[]> {
    const all: string[] = [];
    for (;;) {
      const { commits, end } = await log.read('s', all.length, { consistent: true });
      for (const { position, bytes } of commits) {
        expect(position).toBe(all.length + 1);
        all.push(Buffer.from(bytes).toString());
      }
      if (end) return all;
    }
  }

  test('a lost reply never duplicates an event', async () => {
    let dropped = 0;
    const { log, direct, stop } = await openFaulty((operation) => {
      if (operation !== 'PutItem' || dropped >= 3) return 'forward';
      dropped += 1;
      return 'drop-response';
    });
    const { bus, keys } = await beginBus(log, 's');
    const view = createView();
    expect(await transact(bus, view, () => ({ events: [removed('once')], result: 'said' }))).toBe('said');
    expect(dropped).toBe(3);
    const reader = createView();
    await transact(openBus(direct, 's', keys), reader, () => ({ events: [], result: undefined }));
    expect(reader.removals).toEqual(['certificate-once']);
    await stop();
  });

  test('400 appends by 8 workers through a bad network: none duplicated, lost, or reported failed but present', async () => {
    const { table, log, direct, proxy, stop } = await openFaulty((operation) => {
      if (operation !== 'PutItem') return 'forward';
      const dice = Math.random() * 100;
      if (dice < 10) return 'drop-response';
      if (dice < 15) return 'drop-request';
      if (dice < 18) return 'error-after';
      return dice < 21 ? 'throttle' : 'forward';
    });
    const logs = [log, ...(await Promise.all(Array.from({ length: 7 }, () => open(table, proxy.endpoint))))];
    const acknowledged: { position: number; text: string }[] = [];
    let next = 0;
    const worker = async (own: Log) => {
      let head = 0;
      while (next < 400) {
        const text = `append ${next}`;
        next += 1;
        for (;;) {
          try {
            head = await own.append('s', head, Buffer.from(text));
            acknowledged.push({ position: head, text });
            break;
          } catch (error) {
            // Any other error would be an append reported failed, and the test with it.
            if (!(error instanceof VersionConflictError)) throw error;
            const { commits } = await own.read('s', head, { consistent: true });
            head = commits.at(-1)?.position ?? head;
          }
        }
      }
    };
    await Promise.all(logs.map(worker));
    const all = await readAll(direct);
    expect(all).toHaveLength(400);
    expect(new Set(all).size).toBe(400);
    expect(acknowledged).toHaveLength(400);
    for (const { position, text } of acknowledged) expect(all[position - 1]).toBe(text);
    await Promise.all(logs.slice(1).map((other) => other.close()));
    await stop();
  }, 120_000);

  test('an abort while the outcome is unknown says so', async () => {
    const { log, stop } = await openFaulty((operation) => (operation === 'PutItem' ? 'drop-request' : 'forward'));
    const signal = AbortSignal.timeout(300);
    await expect(log.append('s', 0, Buffer.from('x'), { signal })).rejects.toMatchObject({
      code: 'CERTBUS_STORE_OUTCOME_UNKNOWN',
    });
    await stop();
  });

  test('a table that does not exist is told with what to do', async () => {
    await expect(open('no-such-table')).rejects.toMatchObject({
      code: 'CERTBUS_STORE_NOT_FOUND',
      message: expect.stringContaining('certbus init'),
    });
  });

  test('wrong credentials are told, at once', async () => {
    const credentials = { accessKeyId: 'not-valid', secretAccessKey: 'x' };
    const opened = openDynamoDbLog({
      table: 'certbus-1',
      region: 'eu-central-1',
      endpoint: service.endpoint,
      credentials,
    });
    await expect(opened).rejects.toMatchObject({ code: 'CERTBUS_STORE_ACCESS_DENIED' });
  });

  test('a service that is not there is told in seconds', async () => {
    await expect(open('any', 'http://127.0.0.1:1')).rejects.toMatchObject({ code: 'CERTBUS_STORE_UNREACHABLE' });
  });

  test('the address with its endpoint opens the same table', async () => {
    const table = newTable();
    const log = await open(table, service.endpoint, true);
    await log.append('prod', 0, Buffer.from('hello'));
    process.env['AWS_ACCESS_KEY_ID'] = 'local';
    process.env['AWS_SECRET_ACCESS_KEY'] = 'local';
    const address = `dynamodb://${table}/prod?region=eu-central-1&endpoint=${encodeURIComponent(service.endpoint)}`;
    const other = await openLog(address);
    expect((await other.read('prod', 0, { consistent: true })).commits).toHaveLength(1);
    await Promise.all([log.close(), other.close()]);
  });
});
