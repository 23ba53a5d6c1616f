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

test('notes are kept after a CA was asked, and taken where there are none', async () => {
  const place = createPlace();
  const [one, other] = [noteOf('a', 'https://one.test/dir'), noteOf('b', 'https://two.test/dir')];
  using notes = openRenewalInfoNotes(':memory:');
  await archiveNotes(notes, { place, busId });
  expect(place.objects.size).toBe(0);
  notes.set(one);
  notes.set(other);
  await archiveNotes(notes, { place, busId });
  expect([...place.objects.keys()]).toEqual(['snapshots/bus/renewal-info']);
  using empty = openRenewalInfoNotes(':memory:');
  await takeArchivedNotes(empty, { place, busId });
  expect(empty.all()).toEqual([one, other]);
  expect(empty.stretch()).toBeUndefined();
  expect(empty.hasChanged()).toBe(false);
  using own = openRenewalInfoNotes(':memory:');
  own.set({ ...one, failures: 2 });
  await takeArchivedNotes(own, { place, busId });
  expect(own.all()).toEqual([{ ...one, failures: 2 }]);
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
