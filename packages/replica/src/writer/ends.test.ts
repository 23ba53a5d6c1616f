import { nextActionAt } from '@certbus/events';
import { expect, test } from 'vitest';
import { beginStory, obtained } from '../replica.builders.ts';
import { openReplica } from '../replica.ts';

const BEGIN = Date.parse('2027-02-19T23:30:00Z');
const STEP_MS = 7 * 60_000;
const endOf = (step: number) => new Date(BEGIN + step * STEP_MS);

test('certificates are counted by their ends as they come, are renewed and go, also by one that was built beside', async () => {
  const story = await beginStory();
  const replica = await openReplica({ path: ':memory:', busId: story.busId });
  const ends = new Map<string, Date>();
  const issue = async (id: number, step: number) => {
    const notAfter = endOf(step);
    ends.set(`certificate${id}`, notAfter);
    await story.say(obtained(`certificate${id}`, [`${id}.test`], `leaf ${id} ${step}`, notAfter.toISOString()));
  };
  for (let id = 0; id < 20; id += 1) await issue(id, id % 7);
  for (let id = 0; id < 20; id += 3) await issue(id, 200 + id);
  for (let id = 1; id < 20; id += 5) {
    ends.delete(`certificate${id}`);
    await story.say({ type: 'CertificateRemoved', certificateId: `certificate${id}` });
  }
  // In pages, so that one certificate changes within a page and across them.
  for (let { position } = replica.checkpoint(); position < story.commits.length; position += 6) {
    const page = story.commits.slice(position, position + 6);
    const checkpoint = story.checkpoints[position + page.length - 1];
    if (checkpoint) await replica.apply(page, checkpoint);
  }
  const expected = (at: Date) => [...ends.values()].filter((end) => end < at).length;
  const hourOf = (at: Date) => Math.floor(at.getTime() / 3_600_000);
  const check = () => {
    expect(replica.countServed()).toBe(ends.size);
    // By when they are due as well: two thirds of their lifetimes, and more than one in an hour.
    const due = [...replica.certificates()].map((each) => hourOf(nextActionAt(each) ?? new Date(0)));
    const counted = replica.countDuties({ traits: ({ isServed }) => isServed });
    expect(counted.map(({ hour, certificates }) => [hour && hourOf(hour), certificates]).toSorted()).toEqual(
      [...Map.groupBy(due, (hour) => hour)].map(([hour, alike]) => [hour, alike.length]).toSorted(),
    );
    expect(replica.countDue(new Date(8e15))).toBe(ends.size);
    expect(replica.countDuties({ traits: () => true, domain: '2.test' })).toMatchObject([{ certificates: 1 }]);
    for (let step = -1; step < 230; step += 1)
      for (const at of [endOf(step), new Date(endOf(step).getTime() + 1)])
        expect([at, replica.countEnding(at)]).toEqual([at, expected(at)]);
  };
  check();
  const records = [...replica.records()];
  const building = await replica.build({ checkpoint: replica.checkpoint(), bus: replica.bus(), rootEvents: [] });
  await building.load(records);
  await building.serve();
  check();
  await replica.close();
});
