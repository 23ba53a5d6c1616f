import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { BEGINNING, type Checkpoint, type ReadEvent } from '@certbus/events/history';
import { type Log, openBus, transact, type View } from '@certbus/store';
import { openDynamoDbLog } from '@certbus/store/dynamodb';
import { startDynamoDbLocal } from 'certbus-services';
import { openCastore } from './castore.ts';
import type { Benchmark } from './figure.ts';
import { createFleet, createFleetKeys } from './fleet.ts';
import { interleave, perSecond, ratioOf } from './slices.ts';
import { randomBytes } from './template.ts';

const COMMIT_BYTES = 5_000;
const DECISIONS = 100;
const bytesOf = () => Uint8Array.from(randomBytes(COMMIT_BYTES));

type Settings = {
  readonly region: string;
  readonly endpoint: string;
  readonly credentials: { accessKeyId: string; secretAccessKey: string };
};

/** `store.append.dynamodb`: our append against the bare SDK's conditional put of the same item. */
async function measureAppend(settings: Settings, { each, rounds }: { each: number; rounds: number }) {
  const log = await openDynamoDbLog({ ...settings, table: 'append', create: true });
  const client = new DynamoDBClient(settings);
  let head = 0;
  const positions = { peer: 0, again: 0 };
  const bare = (stream: 'peer' | 'again') => () =>
    perSecond(each, async () => {
      for (let n = 0; n < each; n += 1) {
        positions[stream] += 1;
        const Item = { s: { S: stream }, v: { N: String(positions[stream]) }, d: { B: bytesOf() } };
        await client.send(
          new PutItemCommand({ TableName: 'append', Item, ConditionExpression: 'attribute_not_exists(s)' }),
        );
      }
    });
  const ours = () =>
    perSecond(each, async () => {
      for (let n = 0; n < each; n += 1) head = await log.append('ours', head, bytesOf());
    });
  const contenders = { ours, peer: bare('peer'), again: bare('again') };
  await interleave(3, contenders);
  const measures = await interleave(rounds, contenders);
  await log.close();
  client.destroy();
  return ratioOf('store.append.dynamodb', { against: "the bare SDK's conditional put", ...measures });
}

async function createCastoreTable(settings: Settings): Promise<void> {
  const client = new DynamoDBClient(settings);
  await client.send(
    new CreateTableCommand({
      TableName: 'castore',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'aggregateId', AttributeType: 'S' },
        { AttributeName: 'version', AttributeType: 'N' },
      ],
      KeySchema: [
        { AttributeName: 'aggregateId', KeyType: 'HASH' },
        { AttributeName: 'version', KeyType: 'RANGE' },
      ],
    }),
  );
  client.destroy();
}

async function readAll(log: Log, stream: string): Promise<number> {
  for (let position = 0; ; ) {
    const { commits, end } = await log.read(stream, position);
    position = commits.at(-1)?.position ?? position;
    if (end) return position;
  }
}

/** `store.replay.dynamodb`: events of 5 KB read back, against castore's adapter with its defaults. */
async function measureReplay(settings: Settings, { events, rounds }: { events: number; rounds: number }) {
  const log = await openDynamoDbLog({ ...settings, table: 'replay', create: true });
  await createCastoreTable(settings);
  const castore = await openCastore('castore', settings);
  const context = { eventStoreId: 'fleet' };
  for (let version = 1; version <= events; version += 1) {
    // As an item both have 5 KB: castore's payload is text.
    const payload = { bytes: randomBytes(COMMIT_BYTES * 0.73).toString('base64') };
    await log.append('s', version - 1, bytesOf());
    await castore.pushEvent({ aggregateId: 'a', version, type: 'SAID', payload }, context);
  }
  const read = () =>
    perSecond(events, async () => {
      if ((await castore.getEvents('a', context)).events.length !== events) throw new Error('castore lost events');
    });
  const ours = () =>
    perSecond(events, async () => {
      if ((await readAll(log, 's')) !== events) throw new Error('the log lost commits');
    });
  const measures = await interleave(rounds, { ours, peer: read, again: read });
  await log.close();
  return ratioOf('store.replay.dynamodb', {
    against: "castore's DynamoDB adapter 2.4.2, in its pages of 1 MB",
    ...measures,
  });
}

/** A view that counts what was removed, and nothing else. */
function createCounter(): View<number> {
  let count = 0;
  let checkpoint: Checkpoint = BEGINNING;
  const countIn = (events: readonly ReadEvent[]) => events.filter(({ type }) => type === 'CertificateRemoved').length;
  return {
    get checkpoint() {
      return checkpoint;
    },
    apply(commits, reached) {
      for (const { events } of commits) count += countIn(events);
      checkpoint = reached;
    },
    async rebuild() {
      throw new TypeError('no manager is expelled here');
    },
    draft() {
      let drafted = count;
      return {
        get state() {
          return drafted;
        },
        apply: (events) => {
          drafted += countIn(events);
        },
      };
    },
  };
}

/** `store.transact.contended`: a hundred decisions that one process has at once, against a commit for each, one after the other. */
async function measureContended(settings: Settings, { rounds }: { rounds: number }) {
  const keys = await createFleetKeys();
  const log = await openDynamoDbLog({ ...settings, table: 'contended', create: true });
  const fleet = await createFleet({ certificates: 0, together: 1, keys });
  for (const { position, bytes } of fleet.commits()) await log.append('s', position - 1, bytes);
  const bus = openBus(log, 's', keys);
  const view = createCounter();
  const decide = (count: number) => ({
    events: [{ type: 'CertificateRemoved' as const, certificateId: `certificate${count}` }],
    result: count,
  });
  const together = () =>
    perSecond(DECISIONS, async () => {
      await Promise.all(Array.from({ length: DECISIONS }, () => transact(bus, view, decide)));
    });
  const queued = () =>
    perSecond(DECISIONS, async () => {
      for (let n = 0; n < DECISIONS; n += 1) await transact(bus, view, decide);
    });
  const contenders = { ours: together, peer: queued, again: queued };
  await interleave(1, contenders);
  const measures = await interleave(rounds, contenders);
  await log.close();
  return ratioOf('store.transact.contended', { against: 'a commit for each, one after the other', ...measures });
}

/** What the store does with DynamoDB, on DynamoDB Local. */
export const storeDynamoDb: Benchmark = async ({ quick }) => {
  const service = await startDynamoDbLocal();
  const settings = {
    region: 'eu-central-1',
    endpoint: service.endpoint,
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  };
  try {
    return [
      await measureAppend(settings, { each: quick ? 50 : 200, rounds: quick ? 3 : 41 }),
      await measureReplay(settings, { events: quick ? 500 : 10_000, rounds: quick ? 2 : 5 }),
      await measureContended(settings, { rounds: quick ? 3 : 15 }),
    ];
  } finally {
    await service.stop();
  }
};
