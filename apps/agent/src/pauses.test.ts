import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { openPauses } from './pauses.ts';

test('a pause that cannot be kept, or ended, is an error that names the place', () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const pauses = openPauses(path);
  writeFileSync(join(path, 'paused'), 'something else');
  const refused = { code: 'CERTBUS_AGENT_TARGET_FAILED', message: expect.stringContaining(join(path, 'paused')) };
  expect(() => pauses.pause('one')).toThrow(expect.objectContaining(refused));
  expect(() => pauses.resume('one')).toThrow(expect.objectContaining(refused));
  expect(pauses.has('one')).toBe(false);
});

test('the end of a pause says whether there was one', () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const pauses = openPauses(path);
  expect(pauses.resume('one')).toBe(false);
  pauses.pause('one');
  expect(pauses.resume('one')).toBe(true);
  expect(pauses.has('one')).toBe(false);
});
