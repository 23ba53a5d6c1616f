/** Tests of what is said of what was imported. */
import type { AdoptionOutcome } from '@certbus/manager';
import { expect, test } from 'vitest';
import { warningsOf } from './report.ts';

const account = (outcome: AdoptionOutcome['outcome']): AdoptionOutcome => ({
  source: `${outcome}.json`,
  outcome,
  directory: 'https://ca.test/dir',
  thumbprint: undefined,
  accountUrl: 'https://ca.test/acct/1',
  why: undefined,
});

test('each account key that is in use and in the files of another program is one to change', () => {
  const accounts = (['imported', 'replaced', 'unchanged', 'skipped', 'refused'] as const).map(account);
  const warned = warningsOf({ isDryRun: false, certificates: [], accounts });
  expect(warned.map((line) => /is in (\w+)\.json: .*"certbus account rollover"/.exec(line)?.[1])).toEqual([
    'imported',
    'replaced',
    'unchanged',
  ]);
  expect(warned[0]).toContain('https://ca.test/acct/1');
  expect(warningsOf({ isDryRun: true, certificates: [], accounts })).toEqual([]);
});
