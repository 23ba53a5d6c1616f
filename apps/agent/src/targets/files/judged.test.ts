/** What a kill leaves before a test has judged it, and what a balancer goes on reading that took no reload. */
import { X509Certificate } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { MAP_FILE, nginxMap } from '../nginx/map.ts';
import { bring, createWanted } from '../target.builders.ts';
import { settled } from '../tls.builders.ts';
import { resolveAccess } from './access.ts';
import { createFilesTarget, type FilesSettings } from './files.ts';

async function createPlace() {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const folder = join(path, 'certs');
  const script = (name: string, text: string) => {
    const file = join(path, name);
    writeFileSync(file, `#!/bin/sh\n${text}\n`, { mode: 0o700 });
    return { command: [file] };
  };
  const settings: FilesSettings = {
    ...{ name: 'files', folder, layout: 'combined', keyEncoding: 'pkcs8', replaceBy: 'swap' },
    ...{ access: await resolveAccess({}), test: undefined, after: undefined, address: undefined },
  };
  return { path, folder, script, settings };
}

const serialOf = (...path: string[]) => new X509Certificate(readFileSync(join(...path))).serialNumber;

test.each(['swap', 'replace'] as const)(
  'with %s, what was swapped and not tested before a kill is tested by itself, and taken back where that refuses it',
  async (replaceBy) => {
    const { path, folder, script, settings } = await createPlace();
    const live = replaceBy === 'swap' ? join(folder, 'current') : folder;
    const isGood = script('good', 'true');
    const [a, gone] = [await createWanted('a', ['a.test']), await createWanted('gone', ['gone.test'])];
    await bring(createFilesTarget({ ...settings, replaceBy, test: isGood }), [a, gone]);
    // The agent ends while the test runs, as by a kill: nothing is judged.
    const stop = new AbortController();
    const hangs = script('hangs', `echo > ${path}/begun; sleep 60 & wait`);
    const [renewed, added] = [await createWanted('a', ['a.test']), await createWanted('b', ['b.test'])];
    const killed = createFilesTarget({ ...settings, replaceBy, test: hangs });
    const running = expect(bring(killed, [renewed, added], { signal: stop.signal })).rejects.toThrow();
    await settled(() => expect(existsSync(join(path, 'begun'))).toBe(true));
    stop.abort(new Error('killed'));
    await running;
    expect(serialOf(live, 'a.test.pem')).toBe(renewed.serialNumber);
    // The next start finds the files as they are to be, and does not take them for good.
    const refuses = script(
      'refuses',
      `grep -q . ${live}/b.test.pem && echo "cannot load ${live}/a.test.pem" && exit 1`,
    );
    const next = createFilesTarget({ ...settings, replaceBy, test: refuses });
    await expect(bring(next, [renewed, added])).rejects.toMatchObject({ code: 'CERTBUS_AGENT_COMMAND_FAILED' });
    // What it named is taken back first, and all of the change where that did not help.
    expect(serialOf(live, 'a.test.pem')).toBe(a.serialNumber);
    expect(serialOf(live, 'gone.test.pem')).toBe(gone.serialNumber);
    expect(existsSync(join(live, 'b.test.pem'))).toBe(false);
    const mended = createFilesTarget({ ...settings, replaceBy, test: isGood });
    expect(await bring(mended, [renewed, added])).toMatchObject({ isInEffect: false });
    expect(serialOf(live, 'a.test.pem')).toBe(renewed.serialNumber);
    expect(await bring(mended, [renewed, added])).toMatchObject({ isInEffect: true });
    expect(readdirSync(folder).filter((name) => name === '.certbus-agent-before')).toEqual([]);
  },
);

test('files that name their version are there for a balancer that took no reload since, with what is newest', async () => {
  const { folder, settings } = await createPlace();
  const target = createFilesTarget({ ...settings, shared: nginxMap(folder) });
  await bring(target, [await createWanted('a', ['a.test'])]);
  const [, path = ''] = /"a\.test" "([^"]+)";/.exec(readFileSync(join(folder, 'current', MAP_FILE), 'utf8')) ?? [];
  const named = join(folder, path);
  for (let change = 0; change < 4; change += 1) {
    const renewed = await createWanted('a', ['a.test']);
    await bring(target, [renewed]);
    expect(serialOf(named)).toBe(change === 0 ? serialOf(named) : renewed.serialNumber);
  }
  expect(readdirSync(join(folder, '.versions'))).toHaveLength(2);
  expect(lstatSync(join(named, '..')).isSymbolicLink()).toBe(true);
  expect(readlinkSync(join(named, '..'))).toBe('../current');
});

test('a map is written again where another certificate ranks first by now, and one that somebody changed', async () => {
  const { folder, settings } = await createPlace();
  const target = createFilesTarget({ ...settings, shared: nginxMap(folder) });
  const [one, two] = [await createWanted('one', ['a.test']), await createWanted('two', ['a.test', 'b.test'])];
  const map = () => readFileSync(join(folder, 'current', MAP_FILE), 'utf8');
  const nameOf = (id: string) => (/^[^"]*"a\.test" "[^"]*\/([^"]+)\.pem"/m.exec(map())?.[1] ?? '').includes(id);
  await bring(target, [one, two]);
  expect(nameOf('-two')).toBe(false);
  await bring(target, [two, one]);
  expect(nameOf('-two')).toBe(true);
  expect(await bring(target, [two, one])).toMatchObject({ isInEffect: true });
  const before = map();
  writeFileSync(join(folder, 'current', MAP_FILE), 'meddled with');
  await bring(target, [two, one]);
  expect(map().replaceAll(/\d{8}/g, '')).toBe(before.replaceAll(/\d{8}/g, ''));
});

test.each(['leads "current" back to an earlier version', 'removes "current"'])(
  'a folder whose newest version is good takes changes also where somebody %s',
  async (what) => {
    const { folder, script, settings } = await createPlace();
    const files = { ...settings, test: script('good', 'true') };
    const [a, b] = [await createWanted('a', ['a.test']), await createWanted('b', ['b.test'])];
    await bring(createFilesTarget(files), [a]);
    if (what !== 'removes "current"') await bring(createFilesTarget(files), [a, b]);
    unlinkSync(join(folder, 'current'));
    if (what !== 'removes "current"') symlinkSync('.versions/00000001', join(folder, 'current'));
    await bring(createFilesTarget(files), [a, b]);
    expect(serialOf(folder, 'current', 'b.test.pem')).toBe(b.serialNumber);
    expect(await bring(createFilesTarget(files), [a, b])).toMatchObject({ isInEffect: true });
  },
);

test('nobody waits until a slow disk has removed what was replaced, but the next change and the end', async () => {
  const { folder, script, settings } = await createPlace();
  const target = createFilesTarget({ ...settings, replaceBy: 'replace', test: script('good', 'true') });
  const [first, second, third] = [1, 2, 3].map(() => createWanted('a', ['a.test']));
  if (!first || !second || !third) throw new Error('there are three');
  await bring(target, [await first]);
  const own = fs.rm;
  const disk = Promise.withResolvers<void>();
  const steps: string[] = [];
  fs.rm = async (path, options) => {
    if (!String(path).includes('.certbus-agent-before')) return own(path, options);
    await disk.promise;
    await own(path, options);
    steps.push('removed');
  };
  syncBuiltinESMExports();
  onTestFinished(() => {
    fs.rm = own;
    syncBuiltinESMExports();
  });
  await bring(target, [await second]);
  expect(serialOf(folder, 'a.test.pem')).toBe((await second).serialNumber);
  const next = bring(target, [await third]).then(() => void steps.push('changed'));
  const end = target.close().then(() => void steps.push('ended'));
  disk.resolve();
  await Promise.all([next, end]);
  expect(steps[0]).toBe('removed');
  await target.close();
  expect(readdirSync(folder).filter((name) => name.includes('before'))).toEqual([]);
  expect(serialOf(folder, 'a.test.pem')).toBe((await third).serialNumber);
});
