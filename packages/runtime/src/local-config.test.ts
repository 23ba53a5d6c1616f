/** Tests of `certbus.json` and of the variables that override it. */
import { chmodSync, chownSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requirePart, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { environmentOf, secretsOf } from './environment.ts';
import { configPlaces, readLocalConfig } from './local-config.ts';

const STRANGER = 4712;
const temporary = temporaryFolder();
let sites = 0;
afterAll(() => temporary.remove());

/** A folder as `certbus init` leaves it. */
function newSite(): { readonly folder: string; path(name: string): string } {
  sites += 1;
  const folder = join(temporary.path, String(sites));
  const path = (name: string) => join(folder, name);
  mkdirSync(folder, { mode: 0o755 });
  writeFileSync(path('manager.key'), 'the manager key', { mode: 0o600 });
  writeFileSync(path('bus.pub'), 'certbus1 x y\n', { mode: 0o644 });
  const config = { bus: 'sqlite:./bus.db#test', trust: 'bus.pub', managerKey: 'manager.key' };
  writeFileSync(path('certbus.json'), JSON.stringify(config), { mode: 0o644 });
  return { folder, path };
}

const read = (folder: string, env: Readonly<Record<string, string>> = {}, file?: string) =>
  readLocalConfig({ file, env, cwd: folder });
const refusal = (code: string, message: string) =>
  expect.objectContaining({ code, message: expect.stringContaining(message) });

test('names every file, whether it is there or not, and none for what is given as text', () => {
  const { folder, path } = newSite();
  const names = (env: Readonly<Record<string, string>>) => read(folder, env).files.map((file) => file.path);
  expect(names({})).toEqual(['certbus.json', 'bus.pub', 'manager.key'].map(path));
  expect(names({ CERTBUS_MANAGER_KEY: 'text', CERTBUS_TRUST: 'certbus1 x y' })).toEqual([path('certbus.json')]);
  expect(names({ CERTBUS_IDENTITY_FILE: 'lb.key' })).toContain(path('lb.key'));
});

describe('the local configuration is looked for', () => {
  test('in the current folder, then in the one of the user', () => {
    const [here, ofUser] = [newSite(), newSite()];
    mkdirSync(ofUser.path('certbus'));
    for (const name of ['certbus.json', 'bus.pub', 'manager.key'])
      renameSync(ofUser.path(name), ofUser.path(`certbus/${name}`));
    const env = { XDG_CONFIG_HOME: ofUser.folder, HOME: '/nonexistent' };
    expect(read(here.folder, env).bus).toBe(`sqlite:${here.path('bus.db')}#test`);
    renameSync(here.path('certbus.json'), here.path('other.json'));
    expect(read(here.folder, env).bus).toBe(`sqlite:${ofUser.path('certbus/bus.db')}#test`);
    expect(read(here.folder, env).managerKey()).toBe('the manager key');
    expect(read(here.folder, env, 'other.json').bus).toBe(`sqlite:${here.path('bus.db')}#test`);
  });

  test('and where it is not, the error says where it was looked for', () => {
    const { folder } = newSite();
    const home = join(folder, 'home');
    expect(configPlaces({ env: { HOME: home }, cwd: '/srv' })).toEqual([
      '/srv/certbus.json',
      join(home, '.config/certbus/certbus.json'),
      '/etc/certbus/certbus.json',
    ]);
    expect(configPlaces({ env: { HOME: '', XDG_CONFIG_HOME: '' }, cwd: '/srv' })).toEqual([
      '/srv/certbus.json',
      '/etc/certbus/certbus.json',
    ]);
    const places = configPlaces({ env: { HOME: home }, cwd: home }).join(', ');
    expect(() => read(home, { HOME: home })).toThrow(refusal('CERTBUS_CLI_CONFIG_MISSING', places));
  });

  test('with a byte order mark before it', () => {
    const { folder, path } = newSite();
    writeFileSync(path('certbus.json'), `\ufeff${readFileSync(path('certbus.json'), 'utf8')}`);
    expect(read(folder).bus).toBe(`sqlite:${path('bus.db')}#test`);
  });
});

test('a key that is nowhere is missed by the names of both of its variables', () => {
  const { folder } = newSite();
  const message = 'neither CERTBUS_IDENTITY nor CERTBUS_IDENTITY_FILE is set';
  expect(() => read(folder).identity()).toThrow(refusal('CERTBUS_CLI_CONFIG_MISSING', message));
});

test('an empty variable is not set', () => {
  const { folder, path } = newSite();
  const names = ['CONFIG', 'BUS', 'TRUST', 'ARCHIVE', 'MANAGER_KEY', 'MANAGER_KEY_FILE', 'ROOT_KEY', 'IDENTITY_FILE'];
  const env = Object.fromEntries(names.map((name) => [`CERTBUS_${name}`, '']));
  const config = read(folder, env);
  expect(config).toMatchObject({ bus: `sqlite:${path('bus.db')}#test`, trust: 'certbus1 x y\n', archive: undefined });
  expect(config.managerKey()).toBe('the manager key');
  const environment = environmentOf(config, { variables: { CERTBUS_SECRET_X: '', CERTBUS_STATE_DIR: folder } });
  expect(secretsOf(environment)('CERTBUS_SECRET_X')).toBeUndefined();
});

describe('hosts of secrets', () => {
  const withHosts = (secretHosts: unknown) => {
    const { folder, path } = newSite();
    const config = JSON.parse(readFileSync(path('certbus.json'), 'utf8'));
    writeFileSync(path('certbus.json'), JSON.stringify({ ...config, secretHosts }));
    return (env: Readonly<Record<string, string>> = {}) => environmentOf(read(folder), { variables: env });
  };

  test('come from certbus.json and the environment, for the variable that they name', () => {
    const environment = withHosts({ CERTBUS_SECRET_X: ['a.test', '[2001:db8::1]:53'], CERTBUS_SECRET_Y: [] });
    const env = { CERTBUS_SECRET_X: 'x', CERTBUS_SECRET_X_HOSTS: 'b.test', CERTBUS_SECRET_Z_HOSTS: 'z.test' };
    const secrets = secretsOf(environment(env));
    expect(secrets('CERTBUS_SECRET_X')).toBe('x');
    expect(secrets('CERTBUS_SECRET_X_HOSTS')).toBe('b.test a.test [2001:db8::1]:53');
    expect(secrets('CERTBUS_SECRET_Y_HOSTS')).toBeUndefined();
    expect(secrets('CERTBUS_SECRET_Z_HOSTS')).toBe('z.test');
    expect(secretsOf(environment())('CERTBUS_SECRET_X_HOSTS')?.trim()).toBe('a.test [2001:db8::1]:53');
  });

  test.each([
    ['a list', ['a.test']],
    ['a host that is not in a list', { CERTBUS_SECRET_X: 'a.test' }],
    ['an address of a page', { CERTBUS_SECRET_X: ['https://a.test/'] }],
    ['a variable that holds no secret', { HOME: ['a.test'] }],
    ['a variable that holds hosts', { CERTBUS_SECRET_X_HOSTS: ['a.test'] }],
  ])('are refused where they are %s', (_, secretHosts) => {
    expect(withHosts(secretHosts)).toThrow(refusal('CERTBUS_CLI_CONFIG_INVALID', '"secretHosts"'));
  });
});

describe.skipIf(process.platform === 'win32')('what others can change is refused', () => {
  test('certbus.json, however it is named', () => {
    const { folder, path } = newSite();
    expect(read(folder).trust).toBe('certbus1 x y\n');
    chmodSync(path('certbus.json'), 0o646);
    const refused = refusal('CERTBUS_CLI_CONFIG_OPEN', `chmod go-w ${path('certbus.json')}`);
    expect(() => read(folder)).toThrow(refused);
    expect(() => read('/', { CERTBUS_CONFIG: path('certbus.json') })).toThrow(refused);
    expect(() => read('/', {}, path('certbus.json'))).toThrow(refused);
    // Also where the environment sets everything that is needed.
    expect(() => read(folder, { CERTBUS_BUS: 'sqlite:/bus.db', CERTBUS_TRUST: 'certbus1 x y' })).toThrow(refused);
  });

  test('the trust line, by the configuration and by the environment', () => {
    const { folder, path } = newSite();
    chmodSync(path('bus.pub'), 0o666);
    const refused = refusal('CERTBUS_CLI_CONFIG_OPEN', `chmod go-w ${path('bus.pub')}`);
    expect(() => read(folder)).toThrow(refused);
    expect(() => read(folder, { CERTBUS_TRUST: 'bus.pub' })).toThrow(refused);
    expect(read(folder, { CERTBUS_TRUST: 'certbus1 z z' }).trust).toBe('certbus1 z z');
  });

  test('a folder above, and the target of a link', () => {
    const { folder, path } = newSite();
    const linked = newSite();
    renameSync(linked.path('certbus.json'), path('elsewhere.json'));
    symlinkSync(path('elsewhere.json'), linked.path('certbus.json'));
    writeFileSync(path('bus.pub'), 'certbus1 x y\n');
    expect(() => read(linked.folder)).not.toThrow();
    chmodSync(folder, 0o777);
    const refused = refusal('CERTBUS_CLI_CONFIG_OPEN', `chmod go-w ${folder}`);
    expect(() => read(folder)).toThrow(refused);
    expect(() => read(linked.folder)).toThrow(refused);
  });

  test('a key, by the configuration and by the environment, which others can read either', () => {
    const { folder, path } = newSite();
    expect(read(folder).managerKey()).toBe('the manager key');
    const refused = refusal('CERTBUS_CLI_KEY_FILE_OPEN', `chmod 600 ${path('manager.key')}`);
    for (const mode of [0o640, 0o644, 0o602]) {
      chmodSync(path('manager.key'), mode);
      expect(() => read(folder).managerKey()).toThrow(refused);
      expect(() => read(folder, { CERTBUS_MANAGER_KEY_FILE: 'manager.key' }).managerKey()).toThrow(refused);
    }
    expect(read(folder, { CERTBUS_MANAGER_KEY: 'text' }).managerKey()).toBe('text');
    chmodSync(path('manager.key'), 0o600);
    const config = read(folder);
    chmodSync(folder, 0o777);
    expect(() => config.managerKey()).toThrow(refusal('CERTBUS_CLI_KEY_FILE_OPEN', `chmod go-w ${folder}`));
  });
});

const part = requirePart('disks');

test.skipIf(part.skip)(part.title("root does not obey the certbus.json of a stranger's current folder"), () => {
  const { folder, path } = newSite();
  for (const exposed of [folder, path('certbus.json'), path('bus.pub')]) {
    chownSync(exposed, STRANGER, STRANGER);
    expect(() => read(folder)).toThrow(refusal('CERTBUS_CLI_CONFIG_OPEN', `${exposed} belongs to user ${STRANGER}`));
    chownSync(exposed, 0, 0);
  }
  chownSync(path('manager.key'), STRANGER, STRANGER);
  expect(() => read(folder).managerKey()).toThrow(refusal('CERTBUS_CLI_KEY_FILE_OPEN', `belongs to user ${STRANGER}`));
});
