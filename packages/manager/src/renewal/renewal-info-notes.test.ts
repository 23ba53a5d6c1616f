/** Tests of the notes of when to ask the CAs. */
import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { openRenewalInfoNotes } from './renewal-info-notes.ts';
import type { RenewalInfoNote } from './renewal-info-schedule.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const DAY_MS = 86_400_000;
const NOW = new Date('2026-11-24T09:00:00Z');
const DIRECTORY = 'https://ca.test/dir';
const inDays = (days: number) => new Date(NOW.getTime() + days * DAY_MS);

const noteOf = (certificateId: string, more: Partial<RenewalInfoNote> = {}): RenewalInfoNote => ({
  certificateId,
  leafHash: `leaf of ${certificateId}`,
  directory: DIRECTORY,
  askAt: inDays(-1),
  failures: 0,
  ...more,
});
const idsOf = (notes: Iterable<RenewalInfoNote>) => Array.from(notes, ({ certificateId }) => certificateId);

test('what was noted is there after a restart, for this user only', () => {
  const path = join(folder.path, 'state', 'notes.db');
  const notes = openRenewalInfoNotes(path);
  expect(notes.get('a')).toBeUndefined();
  notes.set(noteOf('a', { failures: 2 }));
  notes.set(noteOf('a', { askAt: NOW }));
  notes[Symbol.dispose]();
  const again = openRenewalInfoNotes(path);
  expect(again.get('a')).toEqual(noteOf('a', { askAt: NOW }));
  again[Symbol.dispose]();
  if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('one CA is asked about what has waited longest first, and last about what a wrong clock put off', () => {
  using notes = openRenewalInfoNotes(':memory:');
  notes.set(noteOf('put off by years', { askAt: inDays(365) }));
  notes.set(noteOf('waits', { askAt: inDays(-1) }));
  notes.set(noteOf('in a week', { askAt: inDays(7) }));
  notes.set(noteOf('waits for longer', { askAt: inDays(-2) }));
  notes.set(noteOf('never asked', { askAt: new Date(5) }));
  notes.set(noteOf('of another CA', { directory: 'https://other.test/dir' }));
  const open = ['never asked', 'waits for longer', 'waits', 'put off by years'];
  expect(idsOf(notes.open(DIRECTORY, NOW))).toEqual(open);
});

test('what is noted while it is read changes nothing about what is left, however many have the same time', () => {
  using notes = openRenewalInfoNotes(':memory:');
  const ids = Array.from({ length: 450 }, (_, n) => `certificate${1_000 + n}`);
  for (const id of ids) notes.set(noteOf(id));
  const read: string[] = [];
  for (const note of notes.open(DIRECTORY, NOW)) {
    read.push(note.certificateId);
    notes.set({ ...note, askAt: inDays(1) });
  }
  expect(read).toEqual(ids);
  expect(idsOf(notes.open(DIRECTORY, NOW))).toEqual([]);
});

test('a leaf that is noted keeps its note, a new one takes its place, and one that is gone is forgotten', () => {
  using notes = openRenewalInfoNotes(':memory:');
  expect(notes.stretch()).toBeUndefined();
  notes.set(noteOf('asked', { askAt: inDays(1) }));
  notes.set(noteOf('renewed', { leafHash: 'old', askAt: inDays(1), failures: 3 }));
  notes.set(noteOf('removed'));
  const stretch = { restored: 0, after: 3, upTo: 9 };
  notes.extend(stretch, { notes: ['asked', 'renewed', 'new'].map((id) => noteOf(id)), gone: ['removed', 'unknown'] });
  expect(notes.stretch()).toEqual(stretch);
  expect(notes.get('asked')?.askAt).toEqual(inDays(1));
  expect(notes.get('renewed')).toEqual(noteOf('renewed'));
  expect(notes.get('new')).toEqual(noteOf('new'));
  expect(notes.get('removed')).toBeUndefined();
  notes.forget('new');
  expect(notes.get('new')).toBeUndefined();
});

test('a file that is damaged, or whose tables are others, is set aside and begun again', () => {
  const damaged = join(folder.path, 'damaged.db');
  writeFileSync(damaged, 'no database at all, and long enough to be looked at');
  const foreign = join(folder.path, 'foreign.db');
  const other = new DatabaseSync(foreign);
  other.exec('CREATE TABLE notes (leaf_hash TEXT)');
  other.close();
  for (const path of [damaged, foreign]) {
    using notes = openRenewalInfoNotes(path);
    notes.set(noteOf('a'));
    expect(notes.get('a')).toEqual(noteOf('a'));
  }
  const aside = readdirSync(folder.path).filter((name) => name.includes('.db.damaged-'));
  expect(aside).toHaveLength(2);
});

test('a file that breaks while it is in use holds nothing up: what it lost is asked for again', () => {
  const path = join(folder.path, 'breaks.db');
  using notes = openRenewalInfoNotes(path);
  notes.set(noteOf('a'));
  const other = new DatabaseSync(path);
  other.exec('DROP TABLE notes');
  other.close();
  expect(notes.get('a')).toBeUndefined();
  expect([...notes.open(DIRECTORY, NOW)]).toEqual([]);
  notes.set(noteOf('a'));
  notes.extend({ restored: 0, after: 0, upTo: 5 }, { notes: [noteOf('a')], gone: [] });
  expect(notes.stretch()).toBeUndefined();
});

test('notes with a view without end in the place of a table are set aside', () => {
  const path = join(folder.path, 'view.db');
  openRenewalInfoNotes(path)[Symbol.dispose]();
  const database = new DatabaseSync(path);
  database.exec(`DROP TABLE stretch; CREATE VIEW stretch AS WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
    SELECT 1 AS id, 0 AS restored, 0 AS after, 0 AS up_to FROM n WHERE i < 0`);
  database.close();
  const notes = openRenewalInfoNotes(path);
  expect(notes.stretch()).toBeUndefined();
  notes.set(noteOf('a'));
  expect(notes.get('a')).toEqual(noteOf('a'));
  notes[Symbol.dispose]();
});
