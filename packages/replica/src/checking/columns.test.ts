/** The check of a replica finds a date or a name that a list, or what is due, is read from, where it is not that of the certificate. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginStory, obtained } from '../replica.builders.ts';
import { openReplica } from '../replica.ts';
import { synchronize } from '../sync.ts';
import { checkFile } from './check.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const pathOf = (role: string) => join(folder.path, `${role}.db`);

beforeAll(async () => {
  const story = await beginStory();
  const { busId } = story;
  await story.say(
    obtained('certificate1', ['a.test'], 'leaf 1', '2027-02-20T00:00:00.000Z'),
    obtained('certificate2', ['b.test'], 'leaf 2', '2027-02-20T00:00:00.000Z'),
    {
      type: 'IssuanceFailed',
      certificateId: 'certificate2',
      issuanceId: 'issuance0001',
      problem: 'p',
      class: 'temporary',
      detail: '',
      attempt: 1,
      directory: 'https://ca.test/dir',
      notBefore: '2027-01-01T00:00:00.000Z',
    },
  );
  for (const role of ['manager', 'client'] as const) {
    const replica = await openReplica({ path: pathOf(role), busId, role });
    await synchronize(replica, story.bus);
    await replica.close();
  }
});

function check(path: string): void {
  for (const _ of checkFile(path));
}

/** Changes a file, looks, and takes the change back. */
function checkWith(path: string, change: string): void {
  const database = new DatabaseSync(path);
  database.exec(
    'SAVEPOINT before; CREATE TABLE kept AS SELECT * FROM certificates; CREATE TABLE traits_kept AS SELECT * FROM traits; RELEASE before',
  );
  database.exec(change);
  try {
    check(path);
  } finally {
    database.exec('DELETE FROM certificates; INSERT INTO certificates SELECT * FROM kept; DROP TABLE kept');
    database.exec('DELETE FROM traits; INSERT INTO traits SELECT * FROM traits_kept; DROP TABLE traits_kept');
    database.close();
  }
}

test.each(['manager', 'client'])('nothing is wrong with the replica of a %s', (role) => {
  expect(() => check(pathOf(role))).not.toThrow();
});

test.each([
  ['manager', 'not_after', 'not_after = not_after + (1 << 40)'],
  ['manager', 'urgent_at', 'urgent_at = urgent_at + 1'],
  ['manager', 'wanted_at', 'wanted_at = wanted_at - (1 << 20)'],
  ['manager', 'next_action_at', 'next_action_at = next_action_at + (1 << 41)'],
  ['manager', 'paused_until', 'paused_until = paused_until + 4096'],
  ['manager', 'failing', "failing = 'tfmporary' WHERE failing IS NOT NULL"],
  ['manager', 'plain_names', `plain_names = '["b.test"]' WHERE plain_names IS NOT NULL`],
  ['client', 'not_after', 'not_after = not_after - 1'],
])("in a %s's replica, a damaged %s is found", (role, column, change) => {
  expect(() => checkWith(pathOf(role), `UPDATE certificates SET ${change}`)).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_REPLICA_DAMAGED',
      message: expect.stringContaining(`the column ${column} of a certificate does not fit its state`),
    }),
  );
  expect(() => check(pathOf(role))).not.toThrow();
});

test('damaged traits, which have the CA of a list, are found', () => {
  const change = "UPDATE traits SET traits = replace(traits, 'ca.test', 'cb.test')";
  expect(() => checkWith(pathOf('manager'), change)).toThrow('the column traits of a certificate');
});
