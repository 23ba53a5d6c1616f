/** Tests what the doctor leaves in a state directory, and removes from it. */
import { mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownFolder } from '@certbus/replica';
import { expect, onTestFinished, test } from 'vitest';
import { examineFiles } from './files.ts';

test('a file that a killed doctor left is removed an hour later, and that of a running one is not', () => {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'certbus-'));
  onTestFinished(() => rmSync(stateDirectory, { recursive: true }));
  examineFiles({ files: [], stateDirectory });
  const folder = ownFolder(stateDirectory);
  const before = readdirSync(folder);
  const [left, live] = [`doctor-${crypto.randomUUID()}`, `doctor-${crypto.randomUUID()}`];
  for (const name of [left, live]) writeFileSync(join(folder, name), '');
  const twoHoursAgo = new Date(Date.now() - 7_200_000);
  utimesSync(join(folder, left), twoHoursAgo, twoHoursAgo);
  examineFiles({ files: [], stateDirectory });
  expect(readdirSync(folder).sort()).toEqual([...before, live].sort());
});
