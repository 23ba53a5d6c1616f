import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { BEGINNING, type Commit } from '@certbus/events/history';
import { type Fault, requirePart, startFaultProxy } from 'certbus-services';
import { drawCredentials, sharedDynamoDbLocal, sized } from 'certbus-services/vitest';
import { beforeAll, describe, expect, test } from 'vitest';
import { beginBus, createView, type Keys, removed } from '../../bus.builders.ts';
import { openBus } from '../../bus.ts';
import { checkHistory, conformance, createRecorder } from '../../conformance/index.ts';
import { raceAppends } from '../../conformance/race.ts';
import { StoreError } from '../../errors.ts';
import { follow } from '../../follow.ts';
import type { Log } from '../../log.ts';
import { openLog } from '../../open.ts';
import { transact } from '../../transact.ts';
import { BAD_ITEMS, putBadItem } from './bad-items.builders.ts';
import { openDynamoDbLog } from './dynamodb.ts';

const part = requirePart('dynamodb-local');
const local = { region: 'eu-central-1', credentials: drawCredentials() };

/** What becomes of a hundred requests: replies and requests that are lost, errors after the write, and throttling. */
const HUNDRED = { 'drop-response': 10, 'drop-request': 5, 'error-after': 3, throttle: 3, forward: 79 } as const;

/** Does that to these operations, in any order, so that each of it comes in every hundred. */
function createBadNetwork(operations: readonly string[]) {
  const counts = { 'drop-response': 0, 'drop-request': 0, 'error-after': 0, throttle: 0, forward: 0 };
  const faults = Object.entries(HUNDRED).flatMap(([fault, count]) => Array<Fault>(count).fill(fault as Fault));
  let left: Fault[] = [];
  const draw = (): Fault => {
    if (left.length === 0) left = [...faults];
    const [drawn = 'forward'] = left.splice(Math.floor(Math.random() * left.length), 1);
    return drawn;
  };
  const plan = (operation: string): Fault => {
    if (!operations.includes(operation)) return 'forward';
    const fault = draw();
    counts[fault] += 1;
    return fault;
  };
  return { plan, counts };
}

/** What a bad network may do to a decision or a look; each is tried again. */
const PASSING: ReadonlySet<string> = new Set([
  'CERTBUS_STORE_UNREACHABLE',
  'CERTBUS_STORE_THROTTLED',
  'CERTBUS_STORE_ATTEMPTS_EXHAUSTED',
]);

describe.skipIf(part.skip)(part.title('the DynamoDB adapter against DynamoDB Local'), () => {
  let service: Awaited<ReturnType<typeof sharedDynamoDbLocal>>;
  let tables = 0;
  const newTable = () => {
    tables += 1;
    return `certbus-${tables}`;
  };

  beforeAll(async () => {
    service = await sharedDynamoDbLocal();
  });

  const open = (table: string, endpoint = service.endpoint) => openDynamoDbLog({ ...local, table, endpoint });
  const create = (table: string) => openDynamoDbLog({ ...local, table, endpoint: service.endpoint, create: true });

  conformance({
    describe,
    test,
    async create() {
      const table = newTable();
      const log = await create(table);
      const client = new DynamoDBClient({ ...local, endpoint: service.endpoint });
      const dispose = async () => {
        client.destroy();
        await log.close();
      };
      return {
        log,
        reopen: () => open(table),
        putBadRow: (kind, stream, position) => putBadItem({ client, table }, kind, stream, position),
        dispose,
      };
    },
    badRows: BAD_ITEMS,
    async faults() {
      const { table, log, proxy, stop } = await openFaulty(createBadNetwork(['PutItem', 'Query']).plan);
      return { log, reopen: () => open(table, proxy.endpoint), dispose: stop };
    },
  });

  /** A log on a new table behind a proxy with a plan of faults. */
  async function openFaulty(plan: (operation: string, nth: number) => Fault) {
    const table = newTable();
    await (await create(table)).close();
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

  test('appends by 8 workers through a bad network: none duplicated, lost, or reported failed but present', {
    tags: 'full',
  }, async () => {
    const commits = sized({ small: 300, full: 1_500 });
    const { plan, counts } = createBadNetwork(['PutItem']);
    const { table, log, direct, proxy, stop } = await openFaulty(plan);
    const logs = [log, ...(await Promise.all(Array.from({ length: 7 }, () => open(table, proxy.endpoint))))];
    const { operations, watch } = createRecorder('s');
    await raceAppends(logs.map(watch), { workers: 8, commits });
    const all = await readAll(direct);
    expect(checkHistory(operations, all)).toEqual([]);
    expect(all).toHaveLength(commits);
    expect(new Set(all).size).toBe(commits);
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(0);
    await Promise.all(logs.slice(1).map((other) => other.close()));
    await stop();
  });

  /** Says what a worker has to say, one commit a decision, again where the network kept it from being said. */
  async function say(log: Log, keys: Keys, names: readonly string[]): Promise<void> {
    const bus = openBus(log, 's', keys);
    const view = createView();
    for (const name of names) {
      const decide = (said: readonly string[]) => ({
        events: said.includes(`certificate-${name}`) ? [] : [removed(name)],
        result: undefined,
      });
      for (let isSaid = false; !isSaid; ) {
        isSaid = await transact(bus, view, decide).then(
          () => true,
          (error: unknown) => {
            if (error instanceof StoreError && PASSING.has(error.code)) return false;
            throw error;
          },
        );
      }
    }
  }

  test('three followers through a bad network deliver each commit once, in order, while four workers decide', {
    tags: 'full',
  }, async () => {
    const each = sized({ small: 25, full: 75 });
    const { plan, counts } = createBadNetwork(['PutItem', 'Query']);
    const { table, direct, proxy, stop } = await openFaulty(() => 'forward');
    const { keys } = await beginBus(direct, 's');
    const logs = await Promise.all(Array.from({ length: 7 }, () => open(table, proxy.endpoint)));
    proxy.plan(plan);
    const workers = logs.slice(0, 4).map((log, worker) => {
      const names = Array.from({ length: each }, (_, n) => `${worker}-${n}`);
      return { names, said: say(log, keys, names) };
    });
    let head = Number.POSITIVE_INFINITY;
    const problems = new Set<string>();
    const { signal } = new AbortController();
    const followers = logs.slice(4).map(async (log) => {
      const delivered: Commit[] = [];
      const options = {
        signal,
        intervalMs: 20,
        floorMs: 10,
        confirmEveryMs: 500,
        onError: ({ code }: { code: string }) => problems.add(code),
      };
      for await (const { commits, checkpoint } of follow(openBus(log, 's', keys), BEGINNING, options)) {
        delivered.push(...commits);
        if (checkpoint.position >= head) break;
      }
      return delivered;
    });
    await Promise.all(workers.map(({ said }) => said));
    const view = createView();
    await transact(openBus(direct, 's', keys), view, () => ({ events: [], result: undefined }));
    head = view.checkpoint.position;

    expect(head).toBe(4 * each + 1);
    const names = workers.flatMap((worker) => worker.names.map((name) => `certificate-${name}`));
    expect(view.removals.toSorted()).toEqual(names.toSorted());
    for (const delivered of await Promise.all(followers)) {
      expect(delivered.map(({ position }) => position)).toEqual(Array.from({ length: head }, (_, n) => n + 1));
      const reader = createView();
      reader.apply(delivered, view.checkpoint);
      expect(reader.removals).toEqual(view.removals);
    }
    expect([...problems].filter((code) => !PASSING.has(code))).toEqual([]);
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(0);
    await Promise.all(logs.map((log) => log.close()));
    await stop();
  });

  test('an abort while the outcome is unknown says so', async () => {
    const controller = new AbortController();
    const { log, stop } = await openFaulty((operation) => {
      if (operation !== 'PutItem') return 'forward';
      controller.abort();
      return 'drop-request';
    });
    await expect(log.append('s', 0, Buffer.from('x'), { signal: controller.signal })).rejects.toMatchObject({
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
    const log = await create(table);
    await log.append('prod', 0, Buffer.from('hello'));
    process.env['AWS_ACCESS_KEY_ID'] = local.credentials.accessKeyId;
    process.env['AWS_SECRET_ACCESS_KEY'] = local.credentials.secretAccessKey;
    const address = `dynamodb://${table}/prod?region=eu-central-1&endpoint=${encodeURIComponent(service.endpoint)}`;
    const other = await openLog(address);
    expect((await other.read('prod', 0, { consistent: true })).commits).toHaveLength(1);
    await Promise.all([log.close(), other.close()]);
  });
});
