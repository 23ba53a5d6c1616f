import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { parseConfiguration } from './read-configuration.ts';

const parse = (targets: readonly Record<string, unknown>[], more: Readonly<Record<string, unknown>> = {}) =>
  parseConfiguration(
    JSON.stringify({ bus: 'sqlite:/bus.db#test', trust: 'bus.pub', identity: 'x.key', targets, ...more }),
    '/etc/certbus/agent.json',
  );

const files = (name: string, folder: string) => ({ type: 'files', name, folder });
const nginx = (name: string, socket: string) => ({ type: 'nginx', name, socket, tokenFile: '/etc/certbus/token' });

test('targets that would remove what each other puts are refused, whatever leads to their place', () => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const [folder, link] = [join(path, 'certs'), join(path, 'link')];
  mkdirSync(folder);
  symlinkSync(folder, link);
  for (const other of [folder, `${folder}/`, join(path, '.', 'certs'), `${path}/link/../certs`, link])
    expect(() => parse([files('one', folder), files('two', '/y'), files('three', other)]), other).toThrow(
      /: the targets "one" and "three" both have the folder /,
    );
  const haproxy = { type: 'haproxy', folder: '/not/there', socket: '/s' };
  expect(() => parse([files('one', '/not//there/'), haproxy])).toThrow('"one" and "haproxy" both have the folder');
  expect(() => parse([nginx('one', '/s'), nginx('two', '/./s')])).toThrow('"one" and "two" both have the socket /s');
});

test('two lists of one HAProxy, and folders below each other, are targets of their own', () => {
  const haproxy = (name: string) => ({ type: 'haproxy', name, folder: `/x/${name}`, socket: '/s' });
  const { targets } = parse([haproxy('one'), haproxy('two'), files('three', '/x'), nginx('four', '/n')]);
  expect(targets.map(({ name }) => name)).toEqual(['one', 'two', 'three', 'four']);
});

test.each([
  ['[::1]', '::1'],
  ['::1', '::1'],
  ['127.0.0.1', '127.0.0.1'],
])('pages are shown on %s', (written, host) => {
  const { endpoints } = parse([files('one', '/x')], { endpoints: { port: 9402, host: written } });
  expect(endpoints).toEqual({ port: 9402, host });
});

test.each([
  ['file:snapshots', 'file:/etc/certbus/snapshots'],
  ['file:../snapshots', 'file:/etc/snapshots'],
  ['file:/srv/snapshots', 'file:/srv/snapshots'],
  ['s3://bucket/prefix?region=eu-central-1', 's3://bucket/prefix?region=eu-central-1'],
])('the archive %s is taken from the folder of the configuration, wherever a command is run', (written, archive) => {
  expect(parse([files('one', '/x')], { archive: written })).toMatchObject({ archive });
});

test.each([{ names: [] }, { ids: [] }, { ids: [], names: [] }])(
  'a target that would lose every certificate by the empty list of %j is refused',
  (certificates) => {
    expect(() => parse([{ ...files('one', '/x'), certificates }])).toThrow(
      /targets\.0\.certificates: must have a name or an id: empty lists would remove every certificate/,
    );
  },
);

test.each([{}, { ids: [], names: ['a.test'] }, { ids: ['one'], names: [] }])('a target takes %j', (certificates) => {
  expect(parse([{ ...files('one', '/x'), certificates }]).targets).toMatchObject([{ certificates }]);
});

test.each(['/certs', '/certs/', '/certs/x/..', '/certs/a/b', '/other', '/cert'])(
  'a target that is not below the volume %s is refused',
  (sharedVolume) => {
    const folder = sharedVolume === '/certs/a/b' ? '/certs/a' : '/certs';
    expect(() => parse([{ ...files('one', folder), sharedVolume }])).toThrow(
      '"folder" must be a folder below "sharedVolume"',
    );
  },
);

test('a target below a volume is taken, whatever its folder is called', () => {
  const at = (name: string, folder: string) => ({ ...files(name, folder), sharedVolume: '/certs' });
  const targets = [at('one', '/certs/one'), at('two', '/certs/..two'), at('three', '/certs/three/four')];
  expect(parse(targets).targets).toHaveLength(3);
});

test('nginx with Lua has its files below a volume as well', () => {
  const nginx = { type: 'nginx', socket: '/run/nginx/certbus.sock', tokenFile: '/etc/certbus/token.conf' };
  const inVolume = { ...nginx, sharedVolume: '/certs' };
  expect(parse([{ ...inVolume, folder: '/certs/nginx' }]).targets).toMatchObject([{ sharedVolume: '/certs' }]);
  for (const wrong of [inVolume, { ...inVolume, folder: '/other' }])
    expect(() => parse([wrong])).toThrow('"folder" must be a folder below "sharedVolume"');
});
