import { DatabaseSync } from 'node:sqlite';
import type { ManagedCertificate } from '@certbus/events';
import { expect, test } from 'vitest';
import { createReader } from '../reader.ts';
import { beginStory, obtained } from '../replica.builders.ts';
import { loadedRows } from './rows.ts';
import { createTables } from './tables.ts';
import { createWriter } from './writer.ts';

const certificate = (n: number): ManagedCertificate => ({
  certificateId: `certificate${n}`,
  names: [`${'n'.repeat(200)}${n}.test`],
  challengeType: 'dns-01',
  profile: undefined,
  keyType: undefined,
  directory: undefined,
  current: undefined,
  predecessors: [],
  issuance: undefined,
  failure: undefined,
  renewalInfo: undefined,
  revoked: false,
  removed: false,
});

test('a disk that fills up while a snapshot is loaded stops that build only: what is served moves on', async () => {
  const story = await beginStory();
  await story.say(obtained('certificate1', ['one.test']));
  const database = new DatabaseSync(':memory:');
  createTables(database, story.busId);
  const write = createWriter(database, { busId: story.busId, role: 'manager' });
  const [first, second] = story.commits;
  const [beginning, reached] = story.checkpoints;
  if (!first || !second || !beginning || !reached) throw new TypeError('the story has two commits');
  write({ kind: 'apply', commits: [first], checkpoint: beginning });
  write({ kind: 'build', state: undefined });
  const pages = Number(database.prepare('PRAGMA page_count').get()?.['page_count']);
  database.exec(`PRAGMA max_page_count = ${pages + 20}`);
  const records = Array.from({ length: 500 }, (_, n) => ({ position: 1, certificate: certificate(n) }));
  expect(() => write({ kind: 'load', loaded: loadedRows(records, 'manager') })).toThrow('full');
  database.exec('PRAGMA max_page_count = 1000000');
  write({ kind: 'abandon' });
  write({ kind: 'apply', commits: [second], checkpoint: reached });
  expect(createReader(database).lookup('one.test')).toHaveLength(1);
});
