/** Tests of the notes that are kept in the archive. */
import { gzipSync } from 'node:zlib';
import type { ArchivePlace } from '@certbus/store';
import { expect, test } from 'vitest';
import { archiveNotes, takeArchivedNotes } from './renewal-info-archive.ts';
import { openRenewalInfoNotes } from './renewal-info-notes.ts';
import type { RenewalInfoNote } from './renewal-info-schedule.ts';

const busId = 'bus';
const noteOf = (certificateId: string, directory: string): RenewalInfoNote => ({
  certificateId,
  leafHash: `leaf of ${certificateId}`,
  directory,
  askAt: new Date('2026-11-29T09:00:00Z'),
  failures: 1,
});

/** An archive in memory. */
function createPlace(): ArchivePlace & { readonly objects: Map<string, Uint8Array> } {
  const objects = new Map<string, Uint8Array>();
  return {
    objects,
    get: async (key) => objects.get(key),
    put: async (key, bytes) => void objects.set(key, bytes),
    update: () => Promise.reject(new Error('nothing here is changed in place')),
    close: async () => {},
  };
}

test('notes are kept, and taken where there are none', async () => {
  const place = createPlace();
  const [one, other] = [noteOf('a', 'https://one.test/dir'), noteOf('b', 'https://two.test/dir')];
  using notes = openRenewalInfoNotes(':memory:');
  expect(notes.changes()).toBe(0);
  notes.set(one);
  notes.set(other);
  expect(notes.changes()).toBe(2);
  expect(await archiveNotes(notes, { place, busId })).toBe(0);
  expect([...place.objects.keys()]).toEqual(['snapshots/bus/renewal-info']);
  using empty = openRenewalInfoNotes(':memory:');
  await takeArchivedNotes(empty, { place, busId });
  expect(empty.latest(2_000)).toEqual([one, other]);
  expect(empty.stretch()).toBeUndefined();
  expect(empty.changes()).toBe(0);
  using own = openRenewalInfoNotes(':memory:');
  own.set({ ...one, failures: 2 });
  await takeArchivedNotes(own, { place, busId });
  expect(own.latest(2_000)).toEqual([{ ...one, failures: 2 }]);
});

test('where there is no room for all notes, those are kept that put questions off for longest', async () => {
  const place = createPlace();
  const all = Array.from({ length: 1_000 }, (_, at) => ({
    ...noteOf(crypto.randomUUID(), 'https://one.test/dir'),
    leafHash: crypto.randomUUID(),
    // Now this one first, now that one: the order of the ids is not that of the questions.
    askAt: new Date(Date.UTC(2026, 10, 29) + ((at * 7) % 1_000) * 60_000),
  }));
  using notes = openRenewalInfoNotes(':memory:');
  for (const note of all) notes.set(note);
  const maxBytes = 20_000;
  const leftOut = await archiveNotes(notes, { place, busId, maxBytes });
  const [bytes] = place.objects.values();
  expect(bytes?.length).toBeLessThanOrEqual(maxBytes);
  expect(bytes?.length).toBeGreaterThan(maxBytes * 0.9);
  using taken = openRenewalInfoNotes(':memory:');
  await takeArchivedNotes(taken, { place, busId });
  const idsOf = (some: readonly RenewalInfoNote[]) => some.map(({ certificateId }) => certificateId).toSorted();
  const latest = all.toSorted((one, other) => other.askAt.getTime() - one.askAt.getTime()).slice(0, 1_000 - leftOut);
  expect(leftOut).toBeGreaterThan(0);
  expect(idsOf(taken.latest(2_000))).toEqual(idsOf(latest));
});

test.each([
  ['nothing', undefined],
  ['what is not packed', Buffer.from('{}')],
  ['what is not JSON', gzipSync('notes')],
  ['another version', gzipSync('{"version":2,"directories":[],"notes":[]}')],
  ['an instant that is none', gzipSync('{"version":1,"directories":["d"],"notes":[["a","b",0,1e99,0]]}')],
  ['a directory that is not there', gzipSync('{"version":1,"directories":[],"notes":[["a","b",0,1,0]]}')],
  ['more than fits', gzipSync(' '.repeat(64_000_001))],
])('%s in the archive is no note', async (_, bytes) => {
  const place = createPlace();
  if (bytes) place.objects.set('snapshots/bus/renewal-info', bytes);
  using notes = openRenewalInfoNotes(':memory:');
  await takeArchivedNotes(notes, { place, busId });
  expect(notes.isEmpty()).toBe(true);
});
