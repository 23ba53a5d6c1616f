/** Tests what the doctor leaves in a state directory, and removes from it. */
import { chmodSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownFolder } from '@certbus/replica';
import { mountDisk, requirePart, temporaryFolder } from 'certbus-services';
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

const disks = requirePart('disks');
test.skipIf(disks.skip)(
  disks.title('little room for the state directory is a warning, and enough of it is none'),
  () => {
    const folder = temporaryFolder();
    onTestFinished(() => folder.remove());
    const examineDiskOf = (megabytes: number) => {
      const stateDirectory = join(folder.path, `disk${megabytes}`);
      const disk = mountDisk(stateDirectory, { megabytes });
      onTestFinished(() => disk.remove());
      chmodSync(stateDirectory, 0o700);
      return { stateDirectory, findings: examineFiles({ files: [], stateDirectory }) };
    };
    const small = examineDiskOf(50);
    expect(small.findings).toEqual([
      {
        check: 'files',
        subject: small.stateDirectory,
        status: 'warning',
        detail: expect.stringMatching(/^the state directory has 5\d MB left$/),
        advice: 'Make room on that disk.',
      },
    ]);
    expect(examineDiskOf(150).findings).toMatchObject([{ status: 'good' }]);
  },
);
