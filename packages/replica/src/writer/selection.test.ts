/** Tests of what a replica finds by what certificates have in common. */
import { expect, test } from 'vitest';
import { beginStory, obtained } from '../replica.builders.ts';
import { openReplica } from '../replica.ts';
import { synchronize } from '../sync.ts';
import type { SelectedPage, Selection } from './selection.ts';

const CA = 'https://ca.test/dir';
const ANY: Pick<Selection, 'traits'> = { traits: () => true };
const NOW = new Date('2026-11-23T00:00:00Z');

test('certificates are found by names, commits, recipients and makers of keys, page by page, and what is put off is named', async () => {
  const story = await beginStory();
  const replica = await openReplica({ path: ':memory:', busId: story.busId });
  const started = (certificateId: string, sealedKey: string) => ({
    type: 'IssuanceStarted' as const,
    ...{ issuanceId: 'issuance0001', certificateId, names: ['d.test'], reason: 'new' as const },
    ...{ challengeType: 'dns-01' as const, directory: CA, holder: 'h', until: NOW.toISOString() },
    ...{ csr: 'Y3Ny', sealedKey, recipientsPosition: 1 },
  });
  await story.say(obtained('certificate1', ['a.test', '*.a.test']), obtained('certificate2', ['b.a.test']));
  await synchronize(replica, story.bus);
  const first = replica.checkpoint().position;
  await story.say(obtained('certificate3', ['xa.test']));
  const fourth = obtained('certificate4', ['d.test']);
  await story.say(started('certificate4', fourth.sealedKey), fourth);
  await synchronize(replica, story.bus);

  const all: SelectedPage = { limit: 10 };
  const of = (selection: Omit<Selection, 'traits'> & Partial<Selection>) =>
    replica.selected({ ...ANY, ...selection }, all).certificateIds.map((id) => Number(id.at(-1)));
  expect(of({})).toEqual([1, 2, 3, 4]);
  expect(of({ domain: 'a.test' })).toEqual([1, 2]);
  expect(of({ pattern: '*a.test' })).toEqual([1, 2, 3]);
  expect(of({ pattern: 'b.*' })).toEqual([2]);
  // Nothing but the star means anything else.
  expect([of({ pattern: '?.test' }), of({ pattern: '[ab].test' })]).toEqual([[], []]);
  expect([of({ obtainedBefore: first + 1 }), of({ obtainedSince: first + 1 })]).toEqual([
    [1, 2],
    [3, 4],
  ]);
  expect(of({ traits: ({ recipientsPosition }) => recipientsPosition === 1 })).toEqual([4]);
  const { keyId } = story.signer;
  expect(of({ traits: ({ by }) => by === keyId })).toEqual([1, 2, 3, 4]);
  expect(of({ traits: ({ keyBy }) => keyBy === keyId })).toEqual([4]);
  expect(of({ traits: () => false })).toEqual([]);
  expect(replica.countDuties({ ...ANY, pattern: 'b.*', obtainedBefore: first + 1 })).toMatchObject([
    { certificates: 1 },
  ]);

  const page = replica.selected(ANY, { limit: 3 });
  expect(page.certificateIds).toHaveLength(3);
  expect(replica.selected(ANY, { limit: 3, after: page.last })).toEqual({
    certificateIds: ['certificate4'],
    last: undefined,
  });

  const notBefore = new Date(NOW.getTime() + 3_600_000);
  const failed = { problem: 'p', class: 'temporary', detail: '', attempt: 1, directory: CA } as const;
  await story.sayAt(NOW, {
    type: 'IssuanceFailed',
    issuanceId: 'issuance0002',
    certificateId: 'certificate2',
    ...failed,
    notBefore: notBefore.toISOString(),
  });
  await synchronize(replica, story.bus);
  expect(replica.selected(ANY, { limit: 10, readyAt: NOW }).certificateIds).not.toContain('certificate2');
  expect(replica.selected(ANY, { limit: 10, readyAt: notBefore }).certificateIds).toContain('certificate2');
  expect([replica.nextReady(ANY, NOW), replica.nextReady(ANY, notBefore)]).toEqual([notBefore, undefined]);
  expect(of({ isFailing: true })).toEqual([2]);
  await replica.close();
});
