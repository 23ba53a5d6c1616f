import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { AgentError } from '../../errors.ts';
import { createWanted, type TestWanted } from '../target.builders.ts';
import type { Change } from '../target.ts';
import type { AdminApi } from './admin-api.ts';
import { createNginxTarget } from './nginx.ts';
import { openStartFiles } from './start-files.ts';

const refusal = new AgentError('CERTBUS_AGENT_PAIR_REFUSED', 'It has ended.');

const changeOf = (wanted: readonly TestWanted[], put: readonly TestWanted[] = []): Change => ({
  ...{ put, remove: [], defaultId: undefined, bestFor: () => undefined },
  wanted: new Map(wanted.map((each) => [each.certificateId, each])),
});

test('what nginx holds and cannot be opened any more is named, writes the folder once, and keeps no other out of it', async () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const folder = join(path, 'certs');
  const [a, b, c] = [
    await createWanted('a', ['a.test']),
    await createWanted('b', ['b.test']),
    await createWanted('c', ['c.test']),
  ];
  const kept = new Map([a, b, c].map(({ certificateId: id, leafHash, names }) => [id, { leafHash, names }]));
  const files = openStartFiles(folder);
  expect(await files.follow(kept, changeOf([a, b, c], [a, b, c]))).toEqual(new Map());
  expect(await files.areSame(kept)).toBe(true);
  // A mode that somebody changed is given back.
  const key = join(folder, 'current', 'a.test.pem');
  chmodSync(key, 0o644);
  expect(await files.areSame(kept)).toBe(false);
  await files.follow(kept, changeOf([a, b, c]));
  expect([await files.areSame(kept), statSync(key).mode & 0o777]).toEqual([true, 0o600]);
  rmSync(folder, { recursive: true });
  const again = openStartFiles(folder);
  const ended = { ...a, open: () => Promise.reject(refusal) };
  // The bus has another one by now, and nginx took the one before it.
  const renewed = { ...(await createWanted('b', ['b.test'])), names: b.names };
  const versions: string[] = [];
  for (const _ of ['at once', 'a minute later']) {
    const refused = await again.follow(kept, changeOf([ended, renewed, c]));
    expect([...refused].map(([id, error]) => [id, error.message])).toEqual([
      ['a', "Certificate a (a.test) is in nginx's memory and not in the files for its next start: It has ended."],
      [
        'b',
        "Certificate b (b.test) is in nginx's memory and not in the files for its next start: it was renewed since.",
      ],
    ]);
    versions.push(readlinkSync(join(folder, 'current')));
    expect(await again.areSame(kept)).toBe(false);
  }
  expect(versions[1]).toBe(versions[0]);
  expect(readdirSync(join(folder, 'current')).filter((name) => name.endsWith('.pem'))).toEqual(['c.test.pem']);
  expect(readFileSync(join(folder, 'current', 'certbus.list'), 'utf8')).toMatch(/^c\.test\.pem c \S+ c\.test\n$/);
});

test('the files of an nginx in a pod are in its volume where that is named, and a check says so where it is not', async () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const volume = join(path, 'volume');
  mkdirSync(volume);
  chmodSync(volume, 0o777);
  const folder = join(volume, 'certs');
  const a = await createWanted('a', ['a.test']);
  const kept = new Map([['a', a]]);
  const api = { list: async () => new Map(), close() {} } as unknown as AdminApi;
  const problemsOf = (files: ReturnType<typeof openStartFiles>) =>
    createNginxTarget({ name: 'nginx', address: undefined, files }, api).problems(new AbortController().signal);
  const refused = openStartFiles(folder);
  await expect(refused.follow(kept, changeOf([a], [a]))).rejects.toThrow('"sharedVolume" names a volume');
  expect(await problemsOf(refused)).toEqual([expect.stringContaining('can be written by others (mode 0777)')]);
  expect(readdirSync(volume)).toEqual([]);
  const files = openStartFiles(folder, { sharedVolume: volume });
  expect(await problemsOf(files)).toEqual([]);
  expect(await files.follow(kept, changeOf([a], [a]))).toEqual(new Map());
  expect(readdirSync(join(folder, 'current'))).toContain('a.test.pem');
});
