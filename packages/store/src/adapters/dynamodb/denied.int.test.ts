/** Tests of a log whose credentials may not do everything: DynamoDB Local behind a proxy that judges by policies. */
import { DynamoDBClient, UpdateTableCommand } from '@aws-sdk/client-dynamodb';
import {
  type IamJudge,
  type IamProxy,
  type Moto,
  requirePart,
  startIamJudge,
  startIamProxy,
  startMoto,
} from 'certbus-services';
import { sharedDynamoDbLocal } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLog } from '../../open.ts';
import { bootstrapTable, openDynamoDbLog } from './dynamodb.ts';

const parts = [requirePart('dynamodb-local'), requirePart('iam-judge'), requirePart('moto')];
const missing = parts.find(({ skip }) => skip);
const region = 'eu-central-1';
const bytes = Buffer.from('commit');

describe.skipIf(missing)(missing?.title('denied requests') ?? 'denied requests', () => {
  let judge: IamJudge;
  let proxy: IamProxy;
  let moto: Moto;
  let account: IamProxy;
  beforeAll(async () => {
    const { endpoint } = await sharedDynamoDbLocal();
    judge = await startIamJudge();
    proxy = await startIamProxy(judge, { dynamodb: endpoint });
    moto = await startMoto();
    account = await startIamProxy(judge, { dynamodb: moto.endpoint });
  });
  afterAll(async () => {
    await proxy?.stop();
    await account?.stop();
    await moto?.stop();
    await judge?.stop();
  });

  /** Credentials of a role that may do these things to one stream of a table. */
  function roleWith(name: string, table: string, actions: readonly string[], stream: string | undefined = 'prod') {
    const statement = {
      Effect: 'Allow',
      Action: actions.map((action) => `dynamodb:${action}`),
      Resource: `arn:aws:dynamodb:${region}:123456789012:table/${table}`,
      ...(actions.includes('CreateTable')
        ? {}
        : {
            Condition: {
              'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': [stream] },
              Null: { 'dynamodb:LeadingKeys': 'false' },
            },
          }),
    };
    return proxy.addRole(name, [{ Version: '2012-10-17', Statement: [statement] }]);
  }

  /** A role that may do these things to a table that moto has: DynamoDB Local has neither backups nor protection. */
  function optionsOf(table: string, actions: readonly string[]) {
    const statement = {
      Effect: 'Allow',
      Action: actions.map((action) => `dynamodb:${action}`),
      Resource: `arn:aws:dynamodb:${region}:123456789012:table/${table}`,
    };
    const credentials = account.addRole('maker', [{ Version: '2012-10-17', Statement: [statement] }]);
    return { table, stream: 'prod', region, endpoint: account.endpoint, create: true, credentials };
  }
  const MAKER = ['CreateTable', 'DescribeTable', 'Query'];

  test.each([
    [[], /may have no point-in-time recovery: these credentials may neither look nor.*DescribeContinuousBackups/],
    [['DescribeContinuousBackups'], /has no point-in-time recovery: these credentials may not switch that on/],
  ])('a table is not taken without its backups in silence, by those who may also %s', async (more, refusal) => {
    const table = `t${crypto.randomUUID()}`;
    const options = optionsOf(table, [...MAKER, ...more]);
    const denied = {
      code: 'CERTBUS_STORE_ACCESS_DENIED',
      message: expect.stringMatching(/maker\/session lacks dynamodb:UpdateContinuousBackups.*"certbus bus bootstrap"/),
    };
    const first = openDynamoDbLog(options);
    await expect(first).rejects.toMatchObject(denied);
    await expect(first).rejects.toThrow('has no point-in-time recovery: these credentials may not switch that on');
    // It is there now, as one that somebody else made.
    const second = openDynamoDbLog(options);
    await expect(second).rejects.toMatchObject(denied);
    await expect(second).rejects.toThrow(refusal);
    await bootstrapTable(optionsOf(table, [...MAKER, 'UpdateContinuousBackups']));
    await (await openDynamoDbLog(optionsOf(table, [...MAKER, 'DescribeContinuousBackups']))).close();
  });

  test('a table is not taken without its deletion protection in silence', async () => {
    const table = `t${crypto.randomUUID()}`;
    const all = [...MAKER, 'UpdateContinuousBackups', 'UpdateTable'];
    await bootstrapTable(optionsOf(table, all));
    const administrator = optionsOf(table, all);
    const client = new DynamoDBClient(administrator);
    await client.send(new UpdateTableCommand({ TableName: table, DeletionProtectionEnabled: false }));
    client.destroy();
    const options = optionsOf(table, [...MAKER, 'DescribeContinuousBackups']);
    await expect(openDynamoDbLog(options)).rejects.toMatchObject({
      code: 'CERTBUS_STORE_ACCESS_DENIED',
      message: expect.stringMatching(/has no deletion protection.*maker\/session lacks dynamodb:UpdateTable/),
    });
    await (await openDynamoDbLog(administrator)).close();
    await (await openDynamoDbLog(options)).close();
  });

  test('a manager that may make no table takes one that is there, and says what it lacks where there is none', async () => {
    const table = `t${crypto.randomUUID()}`;
    const options = { table, stream: 'prod', region, endpoint: proxy.endpoint, create: true };
    const administrator = roleWith('administrator', table, [
      'CreateTable',
      'DescribeTable',
      'UpdateTable',
      'UpdateContinuousBackups',
      'Query',
    ]);
    await expect(
      openDynamoDbLog({ ...options, credentials: roleWith('manager', table, ['GetItem', 'Query', 'PutItem']) }),
    ).rejects.toMatchObject({
      code: 'CERTBUS_STORE_ACCESS_DENIED',
      message: expect.stringMatching(/assumed-role\/manager\/session lacks dynamodb:CreateTable on arn:aws:\S+table\//),
    });
    await (await openDynamoDbLog({ ...options, credentials: administrator })).close();
    const manager = roleWith('manager', table, ['GetItem', 'Query', 'PutItem']);
    const log = await openDynamoDbLog({ ...options, credentials: manager });
    await log.append('prod', 0, bytes);
    await expect(log.append('other', 0, bytes)).rejects.toThrow('manager/session lacks dynamodb:PutItem');
    await log.close();
    const reader = roleWith('balancer', table, ['GetItem', 'Query']);
    const address = `dynamodb://${table}/prod?region=${region}&endpoint=${proxy.endpoint}&account=123456789012`;
    const follower = await openLog(address, { credentials: reader });
    expect((await follower.read('prod', 0)).commits).toHaveLength(1);
    await expect(follower.append('prod', 1, bytes)).rejects.toThrow('balancer/session lacks dynamodb:PutItem');
    await follower.close();
    expect(proxy.decided.filter(({ role, allowed }) => role === 'balancer' && !allowed)).toHaveLength(1);
  });
});
