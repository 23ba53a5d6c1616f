/** Tests of tables in states in which DynamoDB Local and moto never are. */
import { expect, test } from 'vitest';
import { bootstrapTable } from './dynamodb.ts';
import { type ServiceAnswer, type ServiceCall, startScriptedService } from './service.builders.ts';

const OURS = {
  TableStatus: 'ACTIVE',
  TableArn: 'arn:aws:dynamodb:eu-central-1:123456789012:table/certbus',
  DeletionProtectionEnabled: true,
  KeySchema: [
    { AttributeName: 's', KeyType: 'HASH' },
    { AttributeName: 'v', KeyType: 'RANGE' },
  ],
  AttributeDefinitions: [
    { AttributeName: 's', AttributeType: 'S' },
    { AttributeName: 'v', AttributeType: 'N' },
  ],
};
const ON = {
  ContinuousBackupsDescription: { PointInTimeRecoveryDescription: { PointInTimeRecoveryStatus: 'ENABLED' } },
};

/** Bootstraps a table that is there, and answers as told; what the service does not answer is an error. */
async function bootstrap(answers: Readonly<Record<string, (call: ServiceCall) => ServiceAnswer>>) {
  await using service = await startScriptedService((call) => {
    const inUse = { error: 'ResourceInUseException', message: 'Table already exists: certbus' };
    return (
      answers[call.operation]?.(call) ??
      (call.operation === 'CreateTable' ? inUse : { error: 'UnexpectedException', message: call.operation })
    );
  });
  const credentials = { accessKeyId: 'AKIA', secretAccessKey: 'secret' };
  const { endpoint, operations } = service;
  const made = bootstrapTable({ table: 'certbus', region: 'eu-central-1', endpoint, credentials });
  return { result: await made.catch((error: unknown) => error), operations };
}

const described = (more: object) => () => ({ output: { Table: { ...OURS, ...more } } });

test.each([
  ['DELETING', 'is being deleted. Run this again once it is gone'],
  ['INACCESSIBLE_ENCRYPTION_CREDENTIALS', 'has a KMS key that DynamoDB cannot use'],
  ['ARCHIVED', 'was archived, since its KMS key could not be used'],
])('a table that is %s is not waited for', async (TableStatus, what) => {
  const { result, operations } = await bootstrap({ DescribeTable: described({ TableStatus }) });
  expect(result).toMatchObject({ code: 'CERTBUS_STORE_UNREACHABLE', message: expect.stringContaining(what) });
  expect(operations).toEqual(['CreateTable', 'DescribeTable']);
});

test('a table that somebody updates, as with a replica, which takes hours, is used at once', async () => {
  const { result, operations } = await bootstrap({
    DescribeTable: described({ TableStatus: 'UPDATING' }),
    DescribeContinuousBackups: () => ({ output: ON }),
  });
  expect(result).toEqual({ tableArn: OURS.TableArn });
  // Switching recovery on again would set its period back to the default.
  expect(operations).toEqual(['CreateTable', 'DescribeTable', 'DescribeContinuousBackups']);
});

test('a table that takes no update for now is protected once it does', async () => {
  let tries = 0;
  const { result } = await bootstrap({
    DescribeTable: described({ DeletionProtectionEnabled: false }),
    UpdateTable() {
      tries += 1;
      return tries === 1
        ? { error: 'ResourceInUseException', message: 'Attempt to change a resource which is still in use' }
        : { output: {} };
    },
    DescribeContinuousBackups: () => ({ output: ON }),
  });
  expect(result).toEqual({ tableArn: OURS.TableArn });
  expect(tries).toBe(2);
});

test('a table whose positions are strings is not one of CertBus, and stays as it was', async () => {
  const AttributeDefinitions = OURS.AttributeDefinitions.map((each) => ({ ...each, AttributeType: 'S' }));
  const { result, operations } = await bootstrap({
    DescribeTable: described({ AttributeDefinitions, DeletionProtectionEnabled: false }),
  });
  expect(result).toMatchObject({
    code: 'CERTBUS_STORE_DAMAGED',
    message: expect.stringContaining('lacks the keys "s" (a string) and "v" (a number)'),
  });
  expect(operations).toEqual(['CreateTable', 'DescribeTable']);
});
