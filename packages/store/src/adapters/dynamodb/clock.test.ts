/** Tests of a machine whose clock is wrong: the service refuses what is signed for another time. */
import { afterEach, expect, test, vi } from 'vitest';
import { openDynamoDbLog } from './dynamodb.ts';
import { type ServiceAnswer, type ServiceCall, startScriptedService } from './service.builders.ts';

const NOW = new Date('2026-11-30T08:00:00Z');
const MINUTES = 60_000;
afterEach(() => vi.useRealTimers());

/** The time of a signature. */
const timeOf = ({ signedAt }: ServiceCall): number =>
  Date.parse(signedAt.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'));

/** The service, which takes signatures of five minutes before and after. */
function answer(call: ServiceCall): ServiceAnswer {
  const skew = timeOf(call) - NOW.getTime();
  if (Math.abs(skew) <= 5 * MINUTES) return { output: { Items: [] } };
  const why =
    skew < 0 ? 'Signature expired: it is now earlier than' : 'Signature not yet current: it is still later than';
  return { error: 'InvalidSignatureException', message: `${why} ${NOW.toISOString()}` };
}

const options = {
  table: 'certbus',
  region: 'eu-central-1',
  credentials: { accessKeyId: 'AKIA', secretAccessKey: 'secret' },
};

test.each([-90, -6, 6, 1_440])('a clock that is %i minutes off keeps nobody from the bus', async (minutes) => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW.getTime() + minutes * MINUTES });
  await using service = await startScriptedService(answer, { date: () => NOW });
  const log = await openDynamoDbLog({ ...options, endpoint: service.endpoint });
  expect((await log.read('s', 0)).commits).toEqual([]);
  await log.append('s', 0, Buffer.from('x'));
  await log.close();
  // What opens the table is sent twice: from then on all is signed by the clock of the service.
  expect(service.operations).toEqual(['Query', 'Query', 'Query', 'PutItem']);
});

test('a clock that is corrected while a bus is open keeps nobody from it', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW.getTime() - 90 * MINUTES });
  await using service = await startScriptedService(answer, { date: () => NOW });
  const log = await openDynamoDbLog({ ...options, endpoint: service.endpoint });
  vi.setSystemTime(NOW);
  await log.append('s', 0, Buffer.from('x'));
  await log.append('s', 1, Buffer.from('y'));
  await log.close();
  expect(service.operations).toEqual(['Query', 'Query', 'PutItem', 'PutItem', 'PutItem']);
});

test('a clock that the service does not set right is named as the reason', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW.getTime() - 90 * MINUTES });
  // What is in between has the same wrong clock.
  await using service = await startScriptedService(answer, { date: () => new Date() });
  await expect(openDynamoDbLog({ ...options, endpoint: service.endpoint })).rejects.toMatchObject({
    code: 'CERTBUS_STORE_ACCESS_DENIED',
    message: 'The DynamoDB table "certbus" refuses the request: the clock of this machine is wrong.',
  });
  expect(service.operations).toEqual(['Query', 'Query']);
});
