/** Tests of what a monitor asks about a manager's certificates, and of the next instant at which one is due. */

import { expect, test } from 'vitest';
import { beginStory, obtained } from '../replica.builders.ts';
import { openReplica } from '../replica.ts';
import { synchronize } from '../sync.ts';

const CA = 'https://ca.test/dir';
/** Issued on 2026-11-22: due, urgent and over on days that follow from its 90 days. */
const DUE = new Date('2027-01-21T00:00:00Z');
const URGENT = new Date('2027-02-05T00:00:00Z');
const END = new Date('2027-02-20T00:00:00Z');
const before = (instant: Date) => new Date(instant.getTime() - 1);

test('due, urgent, failing and the first end are counted as the bus says, and told in order', async () => {
  const story = await beginStory();
  const replica = await openReplica({ path: ':memory:', busId: story.busId });
  await story.say(
    obtained('certificate1', ['a.test']),
    obtained('certificate2', ['b.test'], 'two', '2027-05-21T00:00:00Z'),
  );
  await synchronize(replica, story.bus);
  expect([before(DUE), DUE].map(replica.countDue)).toEqual([0, 1]);
  expect([before(URGENT), URGENT].map(replica.countUrgent)).toEqual([0, 1]);
  expect([replica.firstEnd(CA), replica.firstEnd('https://other.test/dir')]).toEqual([END, undefined]);
  expect([...replica.countFailing()]).toEqual([]);
  const second = new Date('2027-03-22T00:00:00Z');
  const upcoming = (after: Date) => [...replica.upcoming(after)].map(({ certificateId, at }) => [certificateId, at]);
  expect(upcoming(before(DUE))).toEqual([
    ['certificate1', DUE],
    ['certificate2', second],
  ]);
  expect(upcoming(DUE)).toEqual([['certificate2', second]]);

  const notBefore = '2027-02-06T00:00:00.000Z';
  const failed = { problem: 'p', class: 'temporary', detail: '', attempt: 1, notBefore, directory: CA } as const;
  await story.sayAt(URGENT, {
    type: 'IssuanceFailed',
    issuanceId: 'issuance0002',
    certificateId: 'certificate1',
    ...failed,
  });
  await synchronize(replica, story.bus);
  // A back-off puts the renewal off, and makes it no less urgent.
  expect([replica.countDue(URGENT), replica.countUrgent(URGENT)]).toEqual([0, 1]);
  expect([...replica.countFailing()]).toEqual([['temporary', 1]]);
  expect([replica.failing('temporary', 10), replica.failing('authority', 10)]).toEqual([['certificate1'], []]);
  const late = new Date('2027-05-21T00:00:00Z');
  expect([replica.urgent(URGENT, 10), replica.urgent(late, 10), replica.urgent(late, 1)]).toEqual([
    ['certificate1'],
    ['certificate1', 'certificate2'],
    ['certificate1'],
  ]);

  await story.say({ type: 'CertificateRemoved', certificateId: 'certificate1' });
  await synchronize(replica, story.bus);
  expect([...replica.countFailing()]).toEqual([]);
  expect([replica.countUrgent(URGENT), replica.firstEnd(CA)]).toEqual([0, new Date('2027-05-21T00:00:00Z')]);
  await replica.close();
});
