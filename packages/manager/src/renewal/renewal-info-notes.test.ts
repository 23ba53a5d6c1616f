import { readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { openRenewalInfoNotes } from './renewal-info-notes.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const askAt = new Date('2026-11-24T09:00:00Z');

test('what was noted is there after a restart, for this user only', () => {
  const path = join(folder.path, 'state', 'notes.db');
  const notes = openRenewalInfoNotes(path, () => askAt);
  expect(notes.get('leaf')).toBeUndefined();
  notes.set('leaf', { askAt: new Date(0), failures: 2 });
  notes.set('leaf', { askAt, failures: 0 });
  notes[Symbol.dispose]();
  const again = openRenewalInfoNotes(path, () => askAt);
  expect(again.get('leaf')).toEqual({ askAt, failures: 0 });
  again[Symbol.dispose]();
  if (process.platform !== 'win32') expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('leaves that nobody asked about for a month are forgotten', () => {
  const path = join(folder.path, 'old.db');
  const notes = openRenewalInfoNotes(path, () => askAt);
  notes.set('leaf', { askAt, failures: 0 });
  notes[Symbol.dispose]();
  const later = openRenewalInfoNotes(path, () => new Date(askAt.getTime() + 31 * 86_400_000));
  expect(later.get('leaf')).toBeUndefined();
  later[Symbol.dispose]();
});

test('a damaged file is set aside and begun anew', () => {
  const path = join(folder.path, 'damaged.db');
  writeFileSync(path, 'no database at all, and long enough to be looked at');
  const notes = openRenewalInfoNotes(path);
  notes.set('leaf', { askAt, failures: 0 });
  notes[Symbol.dispose]();
  expect(readdirSync(folder.path).some((name) => name.startsWith('damaged.db.damaged-'))).toBe(true);
});

test('a file that breaks while it is in use holds nothing up: what it lost is asked for again', () => {
  const path = join(folder.path, 'breaks.db');
  const notes = openRenewalInfoNotes(path, () => askAt);
  notes.set('leaf', { askAt, failures: 0 });
  const other = new DatabaseSync(path);
  other.exec('DROP TABLE notes');
  other.close();
  expect(notes.get('leaf')).toBeUndefined();
  notes.set('leaf', { askAt, failures: 1 });
  notes[Symbol.dispose]();
});
