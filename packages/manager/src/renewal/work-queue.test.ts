/** Tests of the order in which renewals take their turns. */
import type { FailureClass, IssuedCertificate, LostNames, ManagedCertificate } from '@certbus/events';
import { expect, test } from 'vitest';
import { inTurns } from './turns.ts';
import { createWorkQueue, type WorkQueue } from './work-queue.ts';

const NOW = new Date('2026-11-24T03:00:00Z');
const HOUR_MS = 3_600_000;
const inHours = (hours: number) => new Date(NOW.getTime() + hours * HOUR_MS).toISOString();

/** A certificate of 90 days, called after what it is like, that ends in so many hours. */
function ending(certificateId: string, hours: number, more: Partial<ManagedCertificate> = {}): ManagedCertificate {
  const current = { leafHash: `leaf of ${certificateId}`, notBefore: inHours(hours - 2160), notAfter: inHours(hours) };
  const state = { certificateId, directory: 'https://ca.test/dir', current: current as IssuedCertificate, ...more };
  return state as ManagedCertificate;
}

const failed = (failureClass: FailureClass) => ({
  failure: {
    directory: 'https://ca.test/dir',
    problem: 'p',
    class: failureClass,
    detail: '',
    attempt: 1,
    notBefore: inHours(-1),
    since: inHours(-2),
    failedAt: inHours(-2),
  },
});
const windowOver = (hours: number) => ({
  renewalInfo: {
    leafHash: 'leaf',
    windowStart: inHours(hours),
    windowEnd: inHours(-0.5),
    renewAt: inHours(hours),
    explanationUrl: undefined,
  },
});

function several(count: number, make: (id: string) => ManagedCertificate, name: string): ManagedCertificate[] {
  return Array.from({ length: count }, (_, index) => make(`${name}${index}`));
}

function takeAll(queue: WorkQueue): string[] {
  const taken: string[] = [];
  for (let work = queue.take(); work; work = queue.take()) {
    taken.push(work.certificateId);
    queue.done(work);
  }
  return taken;
}

test('a campaign comes behind what is urgent and before what is only due', async () => {
  const due = [
    ending('due', 700),
    ending('of a campaign', 2000),
    ending('asked for', 1500, windowOver(-2)),
    ending('at its floor', 20),
  ];
  const campaignOf = (id: string) => (id === 'of a campaign' ? 'campaign1' : undefined);
  const queue = await createWorkQueue(inTurns(due), { now: NOW, limit: 10, parallel: 20, campaignOf });
  expect(takeAll(queue)).toEqual(['at its floor', 'asked for', 'of a campaign', 'due']);
});

const create = (due: Iterable<ManagedCertificate>, { limit = 1_000, parallel = 20 } = {}) =>
  createWorkQueue(inTurns(due), { now: NOW, limit, parallel });

test('whose names are not ours any more comes last, and at its floor in its turn', async () => {
  const seen = { since: inHours(-90), seenAt: inHours(-40), notBefore: inHours(-38) };
  const found: LostNames = { ...seen, names: ['lost.test'], loss: 'gone', detail: '' };
  const due = ['lost', 'lost, at its floor'].map((id, n) => ending(id, n === 0 ? 500 : 20, { lost: found }));
  due.push(ending('ours', 700));
  expect(takeAll(await create(due))).toEqual(['lost, at its floor', 'ours', 'lost']);
});

test('renewals come most urgent first, whatever has been due for longest', async () => {
  const due = [
    ending('due for days', 600),
    ending('window over', 1_000, windowOver(-1)),
    ending('window over, drawn earlier', 1_000, windowOver(-1.4)),
    ending('ends tonight', 20),
    ending('ends soon', 2),
    ending('has expired', -5),
    ending('has expired for longer', -50),
  ];
  expect(takeAll(await create(due))).toEqual([
    'has expired for longer',
    'has expired',
    'ends soon',
    'ends tonight',
    'window over, drawn earlier',
    'window over',
    'due for days',
  ]);
});

test('new names, renewals and retries take turns, and renewals have half of them', async () => {
  const due = [
    ...several(50, (id) => ending(id, -1, { current: undefined }), 'new'),
    ...several(50, (id) => ending(id, 600), 'renewal'),
    ...several(50, (id) => ending(id, -1, failed('temporary')), 'retry'),
  ];
  const first = takeAll(await create(due)).slice(0, 40);
  const countOf = (name: string) => first.filter((id) => id.startsWith(name)).length;
  expect(['new', 'renewal', 'retry'].map(countOf)).toEqual([10, 20, 10]);
});

test('what failed with its CA as a whole is no retry', async () => {
  const work = (await create([ending('a', 600, failed('authority'))])).take();
  expect(work).toMatchObject({ kind: 'renewal', leafHash: 'leaf of a' });
});

test('slow new names leave three quarters of the places to renewals that wait, and then have all', async () => {
  const due = [
    ...several(30, (id) => ending(id, -1, { current: undefined }), 'new'),
    ...several(15, (id) => ending(id, 600), 'renewal'),
  ];
  const queue = await create(due, { parallel: 20 });
  const begun = Array.from({ length: 20 }, () => queue.take());
  const kinds = begun.map((work) => work?.kind);
  expect(kinds.filter((kind) => kind === 'new')).toHaveLength(5);
  expect(kinds.filter((kind) => kind === 'renewal')).toHaveLength(15);
  expect(queue.take()?.kind).toBe('new');
});

test('one place is enough for every kind of work', async () => {
  const due = [
    ending('renewal', 600),
    ending('new', -1, { current: undefined }),
    ending('retry', 3, failed('temporary')),
  ];
  expect(takeAll(await create(due, { parallel: 1 })).toSorted()).toEqual(['new', 'renewal', 'retry']);
});

test('where only one may be done, it is the most urgent of all work', async () => {
  const due = [ending('renewal', 600), ending('retry', 3, failed('temporary')), ending('other', 700)];
  expect(takeAll(await create(due, { limit: 1 }))).toEqual(['retry']);
  expect(takeAll(await create([], { limit: 1 }))).toEqual([]);
});

test('a hundred thousand can wait', async () => {
  const queue = await create(several(100_000, (id) => ending(id, 600), 'c'));
  expect(new Set(takeAll(queue)).size).toBe(1_000);
});
