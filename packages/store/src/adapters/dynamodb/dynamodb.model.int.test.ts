import { requirePart } from 'certbus-services';
import { drawCredentials, sharedDynamoDbLocal, sized } from 'certbus-services/vitest';
import { beforeAll, describe, expect, test } from 'vitest';
import { FEWEST, runModel } from '../model.builders.ts';
import { openDynamoDbLog } from './dynamodb.ts';

const part = requirePart('dynamodb-local');
const local = { region: 'eu-central-1', credentials: drawCredentials() };

describe.skipIf(part.skip)(part.title('the model on DynamoDB Local'), () => {
  let service: Awaited<ReturnType<typeof sharedDynamoDbLocal>>;

  beforeAll(async () => {
    service = await sharedDynamoDbLocal();
  });

  test('random sequences of commands leave a DynamoDB log and a plain list the same', { tags: 'full' }, async () => {
    const wanted = sized({ small: 50, full: 1_000 });
    const address = { ...local, table: 'model', endpoint: service.endpoint };
    await (await openDynamoDbLog({ ...address, create: true })).close();
    const open = () => openDynamoDbLog(address);
    const { sequences, counts } = await runModel({ open, sequences: wanted, parallel: 8 });
    expect(sequences.length).toBeGreaterThanOrEqual(wanted);
    expect(Math.min(...sequences)).toBeGreaterThanOrEqual(FEWEST);
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(wanted);
  });
});
