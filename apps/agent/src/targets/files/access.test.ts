import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createSite } from '../../agent.builders.ts';
import { preview } from '../../preview.ts';
import { createLateTarget } from '../late-target.ts';
import { bring, createWanted } from '../target.builders.ts';
import { resolveAccess } from './access.ts';
import { createFilesTarget, type FilesSettings } from './files.ts';

test.each([
  ['the agent alone', {}, { uid: undefined, gid: undefined, secretMode: 0o600, publicMode: 0o644, folderMode: 0o700 }],
  ['a group', { group: '42' }, { uid: undefined, gid: 42, secretMode: 0o640, publicMode: 0o644, folderMode: 0o750 }],
  [
    'a mode',
    { mode: '0400' },
    { uid: undefined, gid: undefined, secretMode: 0o400, publicMode: 0o444, folderMode: 0o700 },
  ],
  [
    'names',
    { owner: 'root', group: 'root', mode: '640' },
    { uid: 0, gid: 0, secretMode: 0o640, publicMode: 0o644, folderMode: 0o750 },
  ],
])('files are for %s', async (_, settings, expected) => {
  expect(await resolveAccess(settings)).toEqual(expected);
});

test.each([
  ['user', { owner: 'no-such-user' }],
  ['group', { group: '--help' }],
])('a %s that does not exist is named', async (what, settings) => {
  await expect(resolveAccess(settings)).rejects.toThrow(`There is no ${what} "${Object.values(settings)[0]}"`);
});

/** Puts a program in the place of the system's getent, or none. */
function standIn(program?: string): void {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  if (program !== undefined) writeFileSync(join(path, 'getent'), `#!/bin/sh\n${program}\n`, { mode: 0o700 });
  vi.stubEnv('PATH', program === undefined ? path : `${path}:${process.env['PATH']}`);
  onTestFinished(() => void vi.unstubAllEnvs());
}

test('a group is found by a getent that knows no options, such as that of Alpine', async () => {
  // It looks for each argument in turn, and ends at the first that is not there.
  standIn('shift; for name; do test "$name" = somebody || exit 2; echo "$name:x:4242:"; done');
  expect(await resolveAccess({ group: 'somebody' })).toMatchObject({ gid: 4_242 });
  await expect(resolveAccess({ group: 'nobody-else' })).rejects.toThrow('There is no group "nobody-else"');
});

test('a user is found on a system without getent', async () => {
  standIn();
  expect(await resolveAccess({ owner: 'root' })).toMatchObject({ uid: 0 });
  await expect(resolveAccess({ owner: 'no-such-user' })).rejects.toThrow('There is no user "no-such-user"');
});

test('a directory of users that does not answer is not taken for one without the user', async () => {
  standIn('exec sleep 60');
  await expect(resolveAccess({ owner: 'somebody' }, { lookupMs: 50 })).rejects.toMatchObject({
    code: 'CERTBUS_AGENT_TARGET_TIMED_OUT',
    message: expect.stringContaining('did not find the user "somebody" within 0.05 s'),
  });
});

type Call = (...args: readonly unknown[]) => Promise<unknown>;

/** Calls `look` before and after each call that changes a file, by its path or by its handle. */
async function watchSteps(look: () => void): Promise<void> {
  const handle = await fs.open(import.meta.filename);
  const handles: object = Object.getPrototypeOf(handle);
  await handle.close();
  const watch = (owner: object, names: readonly string[]) => {
    for (const name of names) {
      const own: Call = Reflect.get(owner, name);
      async function watched(this: unknown, ...args: readonly unknown[]) {
        look();
        const result = await own.apply(this, [...args]);
        look();
        return result;
      }
      Reflect.set(owner, name, watched);
      onTestFinished(() => void Reflect.set(owner, name, own));
    }
  };
  onTestFinished(() => syncBuiltinESMExports());
  watch(fs, ['chmod', 'chown', 'link', 'mkdir', 'open', 'rename', 'symlink']);
  watch(handles, ['chmod', 'chown', 'sync', 'writeFile']);
  syncBuiltinESMExports();
}

const isRoot = process.getuid?.() === 0;

test.each(['swap', 'replace'])('with %s a key is read by owner and group alone, at every step', async (replaceBy) => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const folder = join(site.folder, 'certs');
  // Where anybody can enter the folder, the files themselves are what keeps others out.
  mkdirSync(folder, { mode: 0o755 });
  const own = isRoot ? { owner: '1234', group: '4321' } : {};
  const seen = new Set<string>();
  await watchSteps(() => {
    for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
      const stats = lstatSync(join(folder, name), { throwIfNoEntry: false });
      if (!stats?.isFile() || !readFileSync(join(folder, name), 'utf8').includes('PRIVATE KEY')) continue;
      seen.add((stats.mode & 0o777).toString(8));
      expect(stats.mode & 0o007).toBe(0);
      // Nobody of the group reads a key before it has its owner, and no owner but this one before it has its mode.
      if (stats.mode & 0o070 && isRoot) expect([stats.uid, stats.gid]).toEqual([1234, 4321]);
    }
  });
  const agent = await site.start([{ type: 'files', folder, layout: 'combined', replaceBy, mode: '0640', ...own }]);
  await agent.started;
  expect(agent.status().targets[0]?.error).toBeNull();
  await agent.stop();
  const place = replaceBy === 'swap' ? join(folder, 'current') : folder;
  const { mode, uid, gid } = lstatSync(join(place, 'a.test.pem'));
  expect(mode & 0o777).toBe(0o640);
  if (isRoot) expect([uid, gid]).toEqual([1234, 4321]);
  expect([...seen].sort()).toEqual(['600', '640']);
  // An owner of a folder could put a link in the place of a file.
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    const stats = lstatSync(join(folder, name));
    if (stats.isDirectory() && isRoot)
      expect([stats.uid, stats.gid, stats.mode & 0o777], name).toEqual([0, 4321, 0o751]);
  }
});

test.runIf(isRoot).each(['swap', 'replace'])(
  'with %s a group that is named later gets into every folder of the agent, and a folder that a group has access to stays as it is',
  async (replaceBy) => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    const [made, given] = [join(site.folder, 'made'), join(site.folder, 'given')];
    mkdirSync(given, { mode: 0o710 });
    chownSync(given, 0, 77);
    const bring = async (own: Readonly<Record<string, string>>) => {
      const target = (folder: string) => ({ type: 'files', name: basename(folder), folder, replaceBy, ...own });
      const agent = await site.start([target(made), target(given)]);
      await agent.started;
      expect(agent.status().targets.map(({ error }) => error)).toEqual([null, null]);
      await agent.stop();
    };
    const place = replaceBy === 'swap' ? 'current/a.test' : 'a.test';
    const accessOf = (...path: string[]) => {
      const { mode, gid } = lstatSync(join(...path));
      return `${(mode & 0o777).toString(8)} ${gid}`;
    };
    await bring({});
    expect([accessOf(made), accessOf(made, place)]).toEqual(['700 0', '700 0']);
    await bring({ group: '4321' });
    expect([accessOf(made), accessOf(made, place)]).toEqual(['750 4321', '750 4321']);
    await bring({ owner: '1234', group: '5432' });
    expect([accessOf(made), accessOf(made, place)]).toEqual(['750 4321', '751 5432']);
    expect([accessOf(given), accessOf(given, place)]).toEqual(['710 77', '751 5432']);
  },
);

const isOpen = (folder: string) => chmodSync(folder, 0o777);
const isOfOwner = (folder: string) => chownSync(folder, 1234, 1234);

test.each([
  ['others can write to', isOpen],
  ['is in one that others can write to', (folder: string) => isOpen(dirname(folder))],
  // Another user can be made by root alone.
  ['belongs to its owner', isRoot ? isOfOwner : isOpen],
  [
    'has a link in the place of its versions',
    (folder: string) => symlinkSync('../elsewhere', join(folder, '.versions')),
  ],
  [
    'has a link in the place of the current one',
    (folder: string) => symlinkSync('../elsewhere', join(folder, 'current')),
  ],
])('nothing is written, given away or read in a folder that %s', async (_, lead) => {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const outer = join(site.folder, 'outer');
  const [folder, elsewhere] = [join(outer, 'certs'), join(outer, 'elsewhere')];
  for (const each of [outer, folder, elsewhere]) mkdirSync(each, { mode: 0o700 });
  writeFileSync(join(elsewhere, 'a.test.pem'), 'of another', { mode: 0o600 });
  lead(folder);
  const found = () => [folder, elsewhere].map((each) => [readdirSync(each), lstatSync(each).mode, lstatSync(each).uid]);
  const before = found();
  const own = isRoot ? { owner: '1234' } : {};
  const agent = await site.start([{ type: 'files', folder, layout: 'combined', mode: '0640', ...own }]);
  await agent.started;
  expect(agent.status().targets[0]?.error?.code).toBe('CERTBUS_AGENT_TARGET_FAILED');
  expect(agent.status().targets[0]?.error?.message).toMatch(/lead it elsewhere|is not a (?:folder|symbolic)/);
  expect(found()).toEqual(before);
  expect(lstatSync(join(elsewhere, 'a.test.pem'))).toMatchObject({ uid: process.getuid?.(), mode: 0o100600 });
});

/** A volume as a pod of Kubernetes has it (emptyDir), and a target in a folder of it. */
async function createVolume() {
  const site = await createSite();
  await site.bus.issue(['a.test']);
  const volume = join(site.folder, 'volume');
  mkdirSync(volume);
  chmodSync(volume, 0o777);
  const [folder, link] = [join(volume, 'certs'), join(site.folder, 'link')];
  symlinkSync(volume, link);
  const bring = async (own: Readonly<Record<string, string>>) => {
    const targets = [{ type: 'files', folder, layout: 'combined', ...own }];
    const agent = await site.start(targets);
    await agent.started;
    await agent.stop();
    const [settings] = site.configuration(targets).targets;
    const problems = settings && (await createLateTarget(settings).problems(new AbortController().signal));
    return { error: agent.status().targets[0]?.error?.message, problems };
  };
  return { volume, folder, link, bring };
}

test.each(['swap', 'replace'])(
  'with %s a folder in a volume that a pod shares is written where that is named',
  async (replaceBy) => {
    const { volume, folder, link, bring } = await createVolume();
    const refused = await bring({ replaceBy });
    expect(refused.error).toMatch(
      /lead it elsewhere: .*volume can be written by others \(mode 0777\).*"sharedVolume" names/,
    );
    expect(refused.problems).toHaveLength(1);
    expect(readdirSync(volume)).toEqual([]);
    for (const sharedVolume of [volume, link]) {
      const folderThere = sharedVolume === link ? join(link, 'certs') : folder;
      expect(await bring({ replaceBy, sharedVolume, folder: folderThere })).toEqual({ error: undefined, problems: [] });
    }
    const place = replaceBy === 'swap' ? join(folder, 'current') : folder;
    expect(readFileSync(join(place, 'a.test.pem'), 'utf8')).toContain('PRIVATE KEY');
    expect(lstatSync(folder).mode & 0o777).toBe(0o700);
  },
);

test.each([
  ['others can write to', isOpen],
  ['belongs to another user', isRoot ? isOfOwner : isOpen],
])('a folder in a volume of a pod that %s itself is refused all the same', async (_, open) => {
  const { volume, folder, bring } = await createVolume();
  mkdirSync(folder);
  open(folder);
  expect((await bring({ sharedVolume: volume })).error).toContain(`elsewhere: ${folder}`);
  expect(readdirSync(folder)).toEqual([]);
});

test.each(['swap', 'replace'])(
  'a check names the folder that keeps a group from its files, with %s',
  async (replaceBy) => {
    const site = await createSite();
    await site.bus.issue(['a.test']);
    chmodSync(site.folder, 0o755);
    const folder = join(site.folder, 'certs');
    mkdirSync(folder, { mode: 0o750 });
    const { gid } = statSync(folder);
    const notesFor = async (group: string) => {
      const configuration = site.configuration([{ type: 'files', folder, group, replaceBy }]);
      return (await preview(configuration, new AbortController().signal)).targets[0]?.notes;
    };
    const [own, other] = [String(gid), String(gid + 4_321)];
    expect(await notesFor(own)).toEqual([]);
    const note = `Members of the group "${other}" do not get to the files in ${folder}: they cannot enter ${folder} (mode 0750, group ${gid}).`;
    expect(await notesFor(other)).toEqual([expect.stringContaining(note)]);
    chmodSync(folder, 0o751);
    expect(await notesFor(other)).toEqual([]);
    // A folder above it is on the way as well.
    chmodSync(site.folder, 0o700);
    expect(await notesFor(other)).toEqual([expect.stringContaining(`they cannot enter ${site.folder} (mode 0700`)]);
    chmodSync(site.folder, 0o755);
    const state = join(site.folder, 'state');
    const targets = [{ type: 'files', folder: join(state, 'certs'), group: other, replaceBy }];
    const [target] = (await preview(site.configuration(targets), new AbortController().signal)).targets;
    expect(target?.notes).toEqual([
      expect.stringMatching(/state \(mode 0700.*name a "folder".*not in the state directory/),
    ]);
  },
);

/** A target of files, without a bus, whose command notes that it was run. */
async function createOwnTarget(more: Partial<FilesSettings>) {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const [folder, ran, script] = [join(path, 'certs'), join(path, 'ran'), join(path, 'after')];
  writeFileSync(script, `#!/bin/sh\necho ran >> ${ran}\n`, { mode: 0o700 });
  const access = await resolveAccess({ mode: '0640' });
  const settings: FilesSettings = {
    ...{ name: 'files', folder, layout: 'certbot', keyEncoding: 'pkcs8', replaceBy: 'swap', access, test: undefined },
    ...{ after: { command: [script] }, address: undefined, ...more },
  };
  const live = settings.replaceBy === 'swap' ? join(folder, 'current') : folder;
  const modeOf = (file: string) => (statSync(join(live, 'a.test', file)).mode & 0o777).toString(8);
  return {
    live,
    modes: () => [modeOf('privkey.pem'), modeOf('fullchain.pem')],
    runs: () => readFileSync(ran, 'utf8').trim().split('\n').length,
    create: () => createFilesTarget(settings),
  };
}

test.each(['swap', 'replace'] as const)(
  'with %s, files that somebody made readable for all or for nobody get their modes back, as they are',
  async (replaceBy) => {
    const { live, modes, runs, create } = await createOwnTarget({ replaceBy });
    const wanted = await createWanted('a', ['a.test']);
    await bring(create(), [wanted]);
    expect(modes()).toEqual(['640', '644']);
    const { ino } = statSync(join(live, 'a.test', 'privkey.pem'));
    const target = create();
    const ended = { ...wanted, open: () => Promise.reject(new Error('it is not opened')) };
    for (const mode of [0o644, 0o400]) {
      for (const file of ['privkey.pem', 'fullchain.pem']) chmodSync(join(live, 'a.test', file), mode);
      expect(await bring(target, [ended])).toEqual({ isInEffect: false, refused: new Map() });
      expect(modes()).toEqual(['640', '644']);
      expect(await bring(target, [ended])).toMatchObject({ isInEffect: true });
    }
    expect(statSync(join(live, 'a.test', 'privkey.pem')).ino).toBe(ino);
    expect(runs()).toBe(1);
  },
);

test('files that somebody gave to another group are given back', async () => {
  // Only root can give them to others.
  const [uid, gid] = isRoot ? [1_233, 1_234] : [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  const access = await resolveAccess({ owner: String(uid), group: String(gid) });
  const { live, create } = await createOwnTarget({ access });
  const wanted = await createWanted('a', ['a.test']);
  await bring(create(), [wanted]);
  const key = join(live, 'a.test', 'privkey.pem');
  if (isRoot) chownSync(key, 0, 4_321);
  else chmodSync(key, 0o600);
  expect(await bring(create(), [wanted])).toMatchObject({ isInEffect: false });
  expect(lstatSync(key)).toMatchObject({ uid, gid, mode: 0o100640 });
});

/** What the files of a test are opened by, to stand in for what a file system or another user does. */
async function handleIn(folder: string) {
  const handle = await fs.open(folder);
  await handle.close();
  return Object.getPrototypeOf(handle) as typeof handle;
}

test('a file that belongs to another user by now is written again, and holds up no other', async () => {
  const { live, modes, create } = await createOwnTarget({});
  const wanted = await createWanted('a', ['a.test']);
  await bring(create(), [wanted]);
  const key = join(live, 'a.test', 'privkey.pem');
  chmodSync(key, 0o644);
  const [{ ino }, content] = [statSync(key), readFileSync(key, 'utf8')];
  const refused = Object.assign(new Error('EPERM: operation not permitted, fchmod'), { code: 'EPERM' });
  const chmod = vi.spyOn(await handleIn(live), 'chmod').mockRejectedValueOnce(refused);
  onTestFinished(() => chmod.mockRestore());
  const target = create();
  const more = await createWanted('b', ['b.test']);
  await bring(target, [wanted, more]);
  expect(await bring(target, [wanted, more])).toMatchObject({ isInEffect: true });
  expect([modes(), readFileSync(key, 'utf8')]).toEqual([['640', '644'], content]);
  expect(statSync(key).ino).not.toBe(ino);
});

test.each(['modes', 'groups'])('a file system that keeps no %s is not given them over and over', async (what) => {
  const gid = process.getgid?.() ?? 0;
  const { live, create } = await createOwnTarget({ access: await resolveAccess({ group: String(gid), mode: '0640' }) });
  const wanted = await createWanted('a', ['a.test']);
  await bring(create(), [wanted]);
  const key = join(live, 'a.test', 'privkey.pem');
  // Only root can give files to others.
  if (what === 'groups' && isRoot) chownSync(key, -1, gid + 4_321);
  else chmodSync(key, 0o644);
  const spies = (['chmod', 'chown'] as const).map(async (name) =>
    vi.spyOn(await handleIn(live), name).mockResolvedValue(),
  );
  for (const spy of await Promise.all(spies)) onTestFinished(() => spy.mockRestore());
  const target = create();
  expect(await bring(target, [wanted])).toMatchObject({ isInEffect: false });
  expect(await bring(target, [wanted])).toMatchObject({ isInEffect: true });
});
