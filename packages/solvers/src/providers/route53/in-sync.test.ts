import { ChangeResourceRecordSetsCommand, Route53Client } from '@aws-sdk/client-route-53';
import { startJumpClock } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { createBudget } from './budget.ts';
import { createAwaitInSync } from './in-sync.ts';
import type { Submitted } from './queued-edit.ts';
import { setUp } from './solver.builders.ts';

const { signal } = new AbortController();
const ENDLESS = { perSecond: 1e9, burst: 1e9 };

async function start(inSyncMs: number) {
  const { now, sleep } = startJumpClock();
  const { fake } = await setUp([{ id: 'Z1', name: 'example.test' }], { inSyncMs, now });
  const client = new Route53Client({
    endpoint: fake.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'id', secretAccessKey: 'made-up' },
  });
  onTestFinished(() => client.destroy());
  const budget = createBudget({ requests: ENDLESS, changes: ENDLESS, now, sleep });
  const awaitInSync = createAwaitInSync({ client, budget, sleep, random: Math.random }, now);
  let changes = 0;
  async function change(): Promise<Submitted> {
    changes += 1;
    const set = {
      Name: `n${changes}.example.test.`,
      Type: 'TXT' as const,
      TTL: 60,
      ResourceRecords: [{ Value: '"x"' }],
    };
    const ChangeBatch = { Changes: [{ Action: 'CREATE' as const, ResourceRecordSet: set }] };
    const { ChangeInfo } = await client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: 'Z1', ChangeBatch }));
    return { id: ChangeInfo?.Id ?? '', at: now() };
  }
  return { fake, awaitInSync, change };
}

test('a hundred who wait for one change are one poller, and who comes later asks nobody', async () => {
  const { fake, awaitInSync, change } = await start(10_000);
  const made = await change();
  await Promise.all(Array.from({ length: 100 }, () => awaitInSync(made, signal)));
  const polls = fake.count('GetChange');
  expect(polls).toBeLessThan(12);
  await awaitInSync(made, signal);
  expect(fake.count('GetChange')).toBe(polls);
});

test('the first change tells the others how long it takes', async () => {
  const { fake, awaitInSync, change } = await start(30_000);
  const made = [await change(), await change(), await change(), await change(), await change()];
  await Promise.all(made.map((each) => awaitInSync(each, signal)));
  expect(fake.count('GetChange')).toBeLessThan(15 + 4 * 3);
  const polls = fake.count('GetChange');
  await awaitInSync(await change(), signal);
  expect(fake.count('GetChange') - polls).toBeLessThanOrEqual(3);
});

test('where the first gives up, another takes its place', async () => {
  const { awaitInSync, change } = await start(5000);
  const stop = new AbortController();
  const first = awaitInSync(await change(), stop.signal);
  const second = awaitInSync(await change(), signal);
  stop.abort(new Error('enough'));
  await expect(first).rejects.toThrow('enough');
  await second;
});

test('a change that never gets in sync is given up after ten minutes', async () => {
  const { awaitInSync, change } = await start(3_600_000);
  const { id } = await change();
  const at = new Date(Date.now() - 650_000);
  await expect(awaitInSync({ id, at }, signal)).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringMatching(/still pending after 10 minutes/),
  });
});

test('a change that Route 53 does not know is told', async () => {
  const { awaitInSync } = await start(0);
  await expect(awaitInSync({ id: '/change/C99', at: new Date() }, signal)).rejects.toMatchObject({
    message: expect.stringMatching(/C99.*NoSuchChange/),
  });
});
