/** Tests of a log whose credentials may not do everything: DynamoDB Local behind a proxy that judges by policies. */
import { type IamJudge, type IamProxy, requirePart, startIamJudge, startIamProxy } from 'certbus-services';
import { sharedDynamoDbLocal } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLog } from '../../open.ts';
import { openDynamoDbLog } from './dynamodb.ts';

const parts = [requirePart('dynamodb-local'), requirePart('iam-judge')];
const missing = parts.find(({ skip }) => skip);
const region = 'eu-central-1';
const bytes = Buffer.from('commit');

describe.skipIf(missing)(missing?.title('denied requests') ?? 'denied requests', () => {
  let judge: IamJudge;
  let proxy: IamProxy;
  beforeAll(async () => {
    const { endpoint } = await sharedDynamoDbLocal();
    judge = await startIamJudge();
    proxy = await startIamProxy(judge, { dynamodb: endpoint });
  });
  afterAll(async () => {
    await proxy?.stop();
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

  test('a table is not made without its backups in silence', async () => {
    const table = `t${crypto.randomUUID()}`;
    const maker = roleWith('maker', table, ['CreateTable', 'DescribeTable', 'Query']);
    const options = { table, stream: 'prod', region, endpoint: proxy.endpoint, create: true, credentials: maker };
    await expect(openDynamoDbLog(options)).rejects.toMatchObject({
      code: 'CERTBUS_STORE_ACCESS_DENIED',
      message: expect.stringMatching(
        /was made, and has no point-in-time recovery.*maker\/session lacks dynamodb:UpdateContinuousBackups.*"certbus bus bootstrap"/,
      ),
    });
    // Whose table it is, and what it has, is another's affair from then on.
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
