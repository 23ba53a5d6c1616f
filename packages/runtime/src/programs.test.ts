/** Tests of the programs of `certbus.json`: which are accepted, and who may write them. */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { readLocalConfig } from './local-config.ts';
import { findProgram, programFor } from './programs.ts';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());

const valid = {
  mine: { preset: 'json', path: '/opt/dns', args: ['--zone'], timeoutS: 30, sequential: true },
  lego: { preset: 'lego', path: '/opt/lego.sh', env: { URL: 'https://a.test', KEY: { env: 'CERTBUS_SECRET_KEY' } } },
  raw: { preset: 'lego-raw', path: '/opt/raw' },
  hooks: { preset: 'certbot', path: '/opt/auth', cleanup: '/opt/clean' },
  cf: { preset: 'acme.sh', path: '/opt/acme.sh/acme.sh', dnsapi: '/opt/acme.sh/dnsapi/dns_cf.sh' },
};

/** Looks for a program that is not there, and so sees what is thought of all the others. */
const refusalOf = (json: unknown) => () => findProgram({ json, file: 'certbus.json' }, 'nobody');

test.each([
  ['an unknown preset', { x: { preset: 'perl', path: '/x' } }, /programs\.x\.preset must have a preset: json, lego/],
  ['no path', { x: { preset: 'json' } }, /certbus\.json: programs\.x\.path is missing/],
  ['a path that is not absolute', { x: { preset: 'json', path: 'x' } }, /programs\.x\.path must be an absolute path/],
  [
    'a field of another preset',
    { x: { preset: 'lego', path: '/x', dnsapi: '/y' } },
    /programs\.x\.dnsapi is not a known/,
  ],
  ['arguments for acme.sh', { x: { ...valid.cf, args: [] } }, /programs\.x\.args is not a known field/],
  ['a file that is no dnsapi', { x: { ...valid.cf, dnsapi: '/dnsapi' } }, /programs\.x\.dnsapi must name a file/],
  ['arguments that are no list', { x: { ...valid.mine, args: 'a b' } }, /programs\.x\.args must be a list of strings/],
  ['a time that is none', { x: { ...valid.mine, timeoutS: 0 } }, /programs\.x\.timeoutS must be 1 or more/],
  ['a variable that cannot be', { x: { ...valid.mine, env: { 'A-B': '' } } }, /programs\.x\.env\.A-B must be the name/],
  [
    'a secret from elsewhere',
    { x: { ...valid.mine, env: { A: { env: 'HOME' } } } },
    /programs\.x\.env\.A\.env .*CERTBUS_SECRET_/,
  ],
  [
    'the hosts of a secret',
    { x: { ...valid.mine, env: { A: { env: 'CERTBUS_SECRET_X_HOSTS' } } } },
    /programs\.x\.env\.A\.env must not end in _HOSTS/,
  ],
])('%s is refused by its path', (_, change, message) => {
  const refused = refusalOf({ ...valid, ...change });
  expect(refused).toThrow(expect.objectContaining({ code: 'CERTBUS_CLI_CONFIG_INVALID' }));
  expect(refused).toThrow(message);
});

test.each([[['/bin/sh']], ['/bin/sh'], [null]])('%j instead of programs is refused', (json) => {
  expect(refusalOf(json)).toThrow(/programs must be an object of programs by name/);
});

test('secrets come from the environment, and are known as such', () => {
  const surroundings = { name: 'lego', secrets: () => 'of the environment', outputs: '/state' };
  const { lego, hooks } = valid;
  expect(programFor({ ...lego, preset: 'lego' }, surroundings)).toMatchObject({
    name: 'lego',
    env: { URL: 'https://a.test', KEY: 'of the environment' },
    secrets: ['of the environment'],
  });
  expect(() => programFor({ ...lego, preset: 'lego' }, { ...surroundings, secrets: () => undefined })).toThrow(
    expect.objectContaining({ code: 'CERTBUS_MANAGER_SECRET_MISSING' }),
  );
  expect(programFor({ ...hooks, preset: 'certbot' }, surroundings)).toMatchObject({ outputs: '/state', secrets: [] });
});

describe('programs of certbus.json', () => {
  const trust = 'certbus1 x y';

  function write(name: string, programs: unknown = valid): string {
    mkdirSync(join(temporary.path, name), { mode: 0o755 });
    const file = join(temporary.path, name, 'certbus.json');
    writeFileSync(file, JSON.stringify({ bus: 'sqlite:./bus.db', trust, programs }), { mode: 0o644 });
    return file;
  }

  const read = (file: string) => readLocalConfig({ file, env: {}, cwd: temporary.path }).programs;

  test.each(Object.entries(valid))('are found by name: %s', (name, settings) => {
    expect(findProgram(read(write(`found-${name}`)), name)).toEqual(settings);
  });

  test('that are not there are told with those that are', () => {
    expect(() => findProgram(read(write('plain')), 'other')).toThrow(
      expect.objectContaining({
        code: 'CERTBUS_MANAGER_PROGRAM_MISSING',
        message: expect.stringMatching(/"other".*There are: mine, lego, raw, hooks, cf/),
      }),
    );
  });

  test('are not there without the file', () => {
    const env = { CERTBUS_BUS: 'sqlite:/bus.db', CERTBUS_TRUST: trust };
    const { programs } = readLocalConfig({ file: undefined, env, cwd: temporary.path });
    expect(() => findProgram(programs, 'raw')).toThrow(
      expect.objectContaining({ code: 'CERTBUS_MANAGER_PROGRAM_MISSING' }),
    );
  });

  test.skipIf(process.platform === 'win32')('are refused where others may write the file or its folder', () => {
    const file = write('open');
    const find = () => findProgram(read(file), 'raw');
    const refusal = expect.objectContaining({ code: 'CERTBUS_CLI_CONFIG_OPEN' });
    chmodSync(file, 0o666);
    expect(find).toThrow(refusal);
    expect(find).toThrow(/chmod go-w/);
    chmodSync(file, 0o600);
    expect(find()).toEqual(valid.raw);
    chmodSync(join(file, '..'), 0o777);
    expect(find).toThrow(refusal);
    chmodSync(join(file, '..'), 0o700);
    expect(find()).toEqual(valid.raw);
  });

  test.skipIf(process.platform === 'win32').each([
    ['json', 'path', {}],
    ['certbot', 'cleanup', { path: '/opt/auth' }],
    ['acme.sh', 'dnsapi', { path: '/opt/acme.sh' }],
  ])('are refused where others can write a file that is run: %s, %s', (preset, field, others) => {
    const program = join(temporary.path, `${field}.sh`);
    writeFileSync(program, '', { mode: 0o755 });
    const file = write(`open-${field}`, { x: { preset, ...others, [field]: program }, raw: valid.raw });
    const find = () => findProgram(read(file), 'x');
    expect(find()).toMatchObject({ [field]: program });
    chmodSync(program, 0o757);
    expect(find).toThrow(
      expect.objectContaining({
        code: 'CERTBUS_CLI_CONFIG_OPEN',
        message: expect.stringContaining(`chmod go-w ${program}`),
      }),
    );
    expect(findProgram(read(file), 'raw')).toEqual(valid.raw);
  });
});
