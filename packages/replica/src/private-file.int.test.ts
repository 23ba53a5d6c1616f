import { fileURLToPath } from 'node:url';
import { requirePart, run } from 'certbus-services';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Scene } from './private-file.builders.ts';
import type { FileExamination } from './private-file.ts';

const PROCESS = fileURLToPath(new URL('./private-file.builders.ts', import.meta.url));
const USER = 4711;
const GROUP = 4800;
const STRANGER = 4712;
const part = requirePart('disks');

/** `good`, or `reported`, accepted only because nothing can be written there; else how a refusal reads. */
type Expected = 'good' | 'reported' | RegExp;
type Case = readonly [title: string, expected: Expected, script: string, scene?: Partial<Scene>];

const CONFIG: Partial<Scene> = { file: 'certbus.json', isSecret: false };
const byRoot: Partial<Scene> = { uid: 0, groups: [0] };

/** A key file with an owner and a mode. */
const key = (owner: string, mode: string) => `touch key && chown ${owner} key && chmod ${mode} key`;
/** Mounts a folder or file over itself, read-only, as container runtimes do with one of the host. */
const readOnly = (path: string) => `mount --bind ${path} ${path} && mount -o remount,bind,ro ${path}`;
/** A Kubernetes volume: what was written last is behind the link `..data`. */
const volume = (files: string) =>
  `mkdir -p v/..2026_11_28 && chmod 1777 v && ( cd v/..2026_11_28 && ${files} ) && ln -s ..2026_11_28 v/..data && ln -s ..data/key v/key`;
/** Users and groups of the machine, in place of its own. */
const accounts = (users: string, groups: string) =>
  `printf 'root:x:0:0::/:/bin/sh\\n${users}' > passwd && printf 'root:x:0:\\n${groups}' > group && mount --bind passwd /etc/passwd && mount --bind group /etc/group`;
const alice = `alice:x:${USER}:${GROUP}::/:/bin/sh\\n`;
/** A folder and a file in it that a group can write. */
const shared = `mkdir f && touch f/certbus.json && chown -R ${USER}:${GROUP} f && chmod 775 f && chmod 664 f/certbus.json`;
const inShared: Partial<Scene> = { file: 'f/certbus.json', isSecret: false };

const cases: readonly Case[] = [
  ...['600', '400', '700'].map((mode): Case => [`one's own key of mode ${mode}`, 'good', key(`${USER}`, mode)]),
  ...['640', '440', '660', '620'].map(
    (mode): Case => [
      `one's own key of mode ${mode}`,
      /\/key can be (read|used) by group/,
      key(`${USER}:${GROUP}`, mode),
    ],
  ),
  ...['644', '604', '444', '606', '601', '666'].map(
    (mode): Case => [
      `one's own key of mode ${mode}`,
      /\/key can be (read|used) by others.*chmod 600/,
      key(`${USER}`, mode),
    ],
  ),
  ["root's own key of mode 600, for root", 'good', key('root', '600'), byRoot],
  ["root's own key of mode 640, for root", /by group 0.*chmod 600/, key('root', '640'), byRoot],
  [
    "root's own key of mode 640 for another group, for root",
    /by group 4800 \(mode 0640\), and this is root\. Run this as the user of that group (?!.*chmod)/,
    key(`root:${GROUP}`, '640'),
    byRoot,
  ],
  ["a stranger's key of mode 600, for root", /belongs to user 4712/, key(`${STRANGER}`, '600'), byRoot],
  [
    "a stranger's key of mode 640 and a group of this process",
    /belongs to user 4712/,
    key(`${STRANGER}:${GROUP}`, '640'),
  ],
  ...['640', '440', '600', '400'].map(
    (mode): Case => [`root's key of mode ${mode} and a group of this process`, 'good', key(`root:${GROUP}`, mode)],
  ),
  ["root's key of mode 440 and the first group", 'good', key('root:4900', '440'), { groups: [4900] }],
  ["root's key of mode 440 and another group", /by group 4999.*chgrp/, key('root:4999', '440')],
  ["root's key of mode 660 and a group of this process", /can be used by group/, key(`root:${GROUP}`, '660')],
  ...['644', '444', '604'].map(
    (mode): Case => [`root's key of mode ${mode}`, /can be read by others/, key(`root:${GROUP}`, mode)],
  ),

  [
    'a Kubernetes secret with fsGroup',
    'good',
    `${volume(key(`root:${GROUP}`, '440'))} && ${readOnly('v')}`,
    { file: 'v/key' },
  ],
  ['a Kubernetes secret for all', 'reported', `${volume(key('root', '444'))} && ${readOnly('v')}`, { file: 'v/key' }],
  [
    'a Kubernetes secret of the default mode',
    'reported',
    `${volume(key('root', '644'))} && ${readOnly('v')}`,
    { file: 'v/key' },
  ],
  ['the same for root', 'reported', `${volume(key('root', '644'))} && ${readOnly('v')}`, { file: 'v/key', ...byRoot }],
  ['the same where it can be written', /\.\.2026_11_28\/key|v\/key/, volume(key('root', '644')), { file: 'v/key' }],
  [
    'such a volume with a link of a stranger',
    /data belongs to user 4712/,
    `${volume(key('root', '400'))} && chown -h ${STRANGER} v/..data`,
    { file: 'v/key' },
  ],
  [
    'such a volume with a link to a folder that others can write',
    /open can be written by others/,
    `${volume(key('root', '400'))} && mkdir -m 777 open && mv v/..2026_11_28 open/ && rm v/..data && ln -s ../open/..2026_11_28 v/..data`,
    { file: 'v/key' },
  ],
  [
    'a ConfigMap of mode 777 on a read-only mount',
    'reported',
    `mkdir -m 777 v && touch v/certbus.json && ${readOnly('v')}`,
    { ...CONFIG, file: 'v/certbus.json' },
  ],
  [
    'the same where it can be written',
    /v can be written by others.*chmod go-w/,
    'mkdir -m 777 v && touch v/certbus.json',
    { ...CONFIG, file: 'v/certbus.json' },
  ],

  [
    'a systemd credential of the user',
    'good',
    `mkdir -m 500 c && cd c && ${key(`${USER}`, '400')} && cd .. && chown ${USER} c && ${readOnly('c')}`,
    { file: 'c/key' },
  ],
  [
    'a systemd credential of root with an access list',
    'reported',
    `mkdir -m 550 c && cd c && ${key('root', '440')} && cd .. && chown root:${GROUP} c && ${readOnly('c')}`,
    { file: 'c/key' },
  ],
  [
    'the same where it can be written',
    /by group 0/,
    `mkdir -m 550 c && cd c && ${key('root', '440')} && cd .. && chown root:${GROUP} c`,
    { file: 'c/key' },
  ],

  ['a Docker secret', 'reported', `${key('root', '444')} && ${readOnly('key')}`],
  [
    'a Docker secret on a disk of its own',
    'reported',
    `mkdir s && mount -t tmpfs -o mode=755 tmpfs s && touch s/key && chmod 444 s/key && mount -o remount,ro s`,
    { file: 's/key' },
  ],
  ["a Compose secret with the host's owner", 'reported', `${key('1000:1000', '664')} && ${readOnly('key')}`, byRoot],
  [
    'the same where it can be written',
    /belongs to user 1000/,
    `${key('1000:1000', '600')} && mount --bind key key`,
    byRoot,
  ],
  [
    "a Compose mount of the host's certbus.json",
    'reported',
    `touch certbus.json && chown 1000 certbus.json && ${readOnly('certbus.json')}`,
    CONFIG,
  ],
  [
    'a read-only mount in a folder that others can write',
    /open can be written by others/,
    `mkdir -m 777 open && cd open && ${key('root', '444')} && ${readOnly('key')}`,
    { file: 'open/key' },
  ],
  [
    'a read-only mount with a folder on top that is not',
    /can be read by others/,
    `mkdir -p m/n && ${readOnly('m')} && mount -t tmpfs -o mode=755 tmpfs m/n && cd m/n && ${key('root', '444')}`,
    { file: 'm/n/key' },
  ],
  [
    'a disk on top of a read-only mount of the same place',
    /can be read by others/,
    `mkdir m && ${readOnly('m')} && mount -t tmpfs -o mode=755 tmpfs m && touch m/key && chmod 444 m/key`,
    { file: 'm/key' },
  ],

  ["a file of root in root's folder", 'good', 'touch certbus.json', CONFIG],
  ["one's own file in one's own folder", 'good', `touch certbus.json && chown ${USER} . certbus.json`, CONFIG],
  [
    'a file that others can write',
    /json can be written by others.*chmod go-w/,
    `touch certbus.json && chmod 646 certbus.json`,
    CONFIG,
  ],
  ["a stranger's file", /json belongs to user 4712/, `touch certbus.json && chown ${STRANGER} certbus.json`, CONFIG],
  [
    "a stranger's file, for root",
    /json belongs to user 4712/,
    `touch certbus.json && chown ${STRANGER} certbus.json`,
    { ...CONFIG, ...byRoot },
  ],
  [
    "root's file in a stranger's folder, for root",
    /f belongs to user 4712/,
    `mkdir f && touch f/certbus.json && chown ${STRANGER} f`,
    { ...CONFIG, ...byRoot, file: 'f/certbus.json' },
  ],
  [
    "one's own folder in a stranger's",
    /f belongs to user 4712/,
    `mkdir -p f/g && touch f/g/certbus.json && chown ${STRANGER} f`,
    { ...CONFIG, file: 'f/g/certbus.json' },
  ],
  [
    'a folder that others can write, two above',
    /f can be written by others/,
    'mkdir -p f/g/h && touch f/g/h/certbus.json && chmod 777 f',
    { ...CONFIG, file: 'f/g/h/certbus.json' },
  ],
  [
    'the same with the sticky bit',
    'good',
    'mkdir -p f/g/h && touch f/g/h/certbus.json && chmod 1777 f',
    { ...CONFIG, file: 'f/g/h/certbus.json' },
  ],
  [
    "a stranger's folder with the sticky bit",
    /f belongs to user 4712/,
    `mkdir f && touch f/certbus.json && chown ${STRANGER} f && chmod 1777 f`,
    { ...CONFIG, file: 'f/certbus.json' },
  ],
  [
    "a stranger's link in a folder with the sticky bit",
    /json belongs to user 4712/,
    `mkdir -m 1777 f && touch good && ln -s ../good f/certbus.json && chown -h ${STRANGER} f/certbus.json`,
    { ...CONFIG, file: 'f/certbus.json' },
  ],
  [
    'a link in a folder that others can write',
    /f can be written by others/,
    'mkdir -m 777 f && touch good && ln -s ../good f/certbus.json',
    { ...CONFIG, file: 'f/certbus.json' },
  ],
  [
    'a file that others can write and that has the sticky bit',
    /can be written by others/,
    'touch certbus.json && chmod 1666 certbus.json',
    CONFIG,
  ],
  [
    "the folder above a link's target",
    /open can be written/,
    'mkdir -p -m 777 open && mkdir open/g && touch open/certbus.json && ln -s open/g link',
    { ...CONFIG, file: 'link/../certbus.json' },
  ],

  ["a group of one's own", 'good', `${accounts(alice, `alice:x:${GROUP}:\\n`)} && ${shared}`, inShared],
  [
    "a group of one's own and root",
    'good',
    `${accounts(alice, `alice:x:${GROUP}:alice,root\\n`)} && ${shared}`,
    inShared,
  ],
  [
    'a group with another member',
    /by group 4800/,
    `${accounts(`${alice}bob:x:${STRANGER}:1::/:/bin/sh\\n`, `alice:x:${GROUP}:bob\\n`)} && ${shared}`,
    inShared,
  ],
  [
    'a group with a member whom nobody knows',
    /by group 4800/,
    `${accounts(alice, `alice:x:${GROUP}:ghost\\n`)} && ${shared}`,
    inShared,
  ],
  [
    'a group that is the first of another user',
    /by group 4800/,
    `${accounts(`${alice}bob:x:${STRANGER}:${GROUP}::/:/bin/sh\\n`, `alice:x:${GROUP}:\\n`)} && ${shared}`,
    inShared,
  ],
  [
    'a group with two entries, one of them with another member',
    /by group 4800/,
    `${accounts(`${alice}bob:x:${STRANGER}:1::/:/bin/sh\\n`, `alice:x:${GROUP}:\\nboth:x:${GROUP}:bob\\n`)} && ${shared}`,
    inShared,
  ],
  ['a user and a group without entries', /by group 4800/, `${accounts('', '')} && ${shared}`, inShared],
  [
    'users that are also kept elsewhere',
    /by group 4800/,
    `${accounts(`${alice}+::::::\\n`, `alice:x:${GROUP}:\\n`)} && ${shared}`,
    inShared,
  ],
  [
    'a list of users that cannot be read',
    /by group 4800/,
    `${accounts(alice, `alice:x:${GROUP}:\\n`)} && ${shared} && chmod 600 passwd`,
    inShared,
  ],
  [
    "root's group, in which is nobody else",
    'good',
    `touch certbus.json && chmod 664 certbus.json && chmod 775 . && ${accounts(alice, '')}`,
    CONFIG,
  ],
];

describe.skipIf(part.skip)(part.title('owners and modes'), () => {
  let answers: FileExamination[] = [];

  beforeAll(async () => {
    const scenes = cases.map(([, , script, scene]): Scene => {
      return { script, file: 'key', isSecret: true, uid: USER, groups: [GROUP, 4801], ...scene };
    });
    const command = ['--mount', process.execPath, '--conditions=certbus:source', PROCESS, JSON.stringify(scenes)];
    answers = JSON.parse(await run('unshare', command));
  });

  test.each(cases.map(([title, expected], index) => ({ title, expected, index })))(
    '$title: $expected',
    ({ expected, index }) => {
      const { refused, accepted } = answers[index] ?? {};
      if (expected instanceof RegExp) expect(`${refused?.path} ${refused?.what}. ${refused?.advice}`).toMatch(expected);
      else expect({ refused, isReported: accepted?.length !== 0 }).toEqual({ isReported: expected === 'reported' });
    },
  );
});
