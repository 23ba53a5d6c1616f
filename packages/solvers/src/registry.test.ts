import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Solver } from '@certbus/acme';
import * as v from 'valibot';
import { describe, expect, test } from 'vitest';
import { createSolver, PROVIDERS, type ProviderField, type Secret, type Surroundings } from './index.ts';

const PACKAGE = fileURLToPath(new URL('..', import.meta.url));

/** A machine that has every program and every secret, and notes what it is asked for. */
function newMachine() {
  const asked: unknown[] = [];
  const surroundings: Surroundings = {
    resolveSecret: (secret: Secret) => {
      asked.push(secret);
      // In base64, since one of them has to be.
      return 'c2VjcmV0';
    },
    outgoing: undefined,
    async findProgram(name) {
      asked.push(name);
      return { preset: 'json', name, path: '/opt/program' };
    },
  };
  return { asked, surroundings };
}

const secretsOf = (fields: readonly ProviderField[]) => fields.filter(({ isSecret }) => isSecret);

test('no two providers have one name', () => {
  const names = PROVIDERS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});

describe.each(PROVIDERS)('$name', (provider) => {
  const { example, fields, schema, flags } = provider;

  test('its example is valid, has every field that is required, and no secret in the clear', () => {
    expect(v.parse(schema, example)).toEqual(example);
    const required = fields.filter(({ isRequired }) => isRequired).map(({ name }) => name);
    expect(Object.keys(example)).toEqual(expect.arrayContaining(required));
    const secrets = secretsOf(fields).map(({ name }) => JSON.stringify(Object(example)[name] ?? ''));
    for (const text of secrets) expect(text).toMatch(/^""$|CERTBUS_SECRET_/);
  });

  test('its fields are those of its schema', () => {
    expect(fields.map(({ name }) => name).sort()).toEqual(
      Object.keys(schema.entries)
        .filter((name) => name !== 'provider')
        .sort(),
    );
  });

  test('its flags set fields that it has, and never a secret', () => {
    for (const { field } of flags) {
      const [first, ...rest] = field;
      const described = fields.find(({ name }) => name === first);
      expect(described).toBeDefined();
      if (rest.length === 0) expect(described).toMatchObject({ isSecret: false });
    }
  });

  test('the machine is told where its secrets go, by every address of the settings', async () => {
    const uses: unknown[] = [];
    const { surroundings } = newMachine();
    const resolveSecret: Surroundings['resolveSecret'] = (secret, use) => {
      uses.push(use);
      return surroundings.resolveSecret(secret);
    };
    await createSolver(example, { ...surroundings, resolveSecret });
    const hosts = provider.hosts(example);
    expect(hosts).toHaveLength(/"(url|server)"/.test(JSON.stringify(example)) ? 1 : 0);
    for (const use of uses) expect(use).toEqual({ hosts });
  });

  test('its solver is made of settings, with the secrets and programs of the machine', async () => {
    const { asked, surroundings } = newMachine();
    const solver: Solver = await createSolver(example, surroundings);
    expect(solver.challenges).toContain('dns-01');
    for (const named of asked) expect(JSON.stringify(example)).toContain(JSON.stringify(named));
    expect(asked.length > 0).toBe(/CERTBUS_SECRET_|"program"/.test(JSON.stringify(example)));
  });
});

test('the fields that hold secrets are known', () => {
  const secrets = PROVIDERS.flatMap(({ name, fields }) => secretsOf(fields).map((field) => `${name}.${field.name}`));
  expect(secrets).toEqual([
    'route53.secretAccessKey',
    'cloudflare.token',
    'rfc2136.key',
    'powerdns.apiKey',
    'acme-dns.accounts',
    'httpreq.password',
  ]);
});

test('a flag that providers share says the same for each, but for the question', () => {
  const shared = Map.groupBy(
    PROVIDERS.flatMap(({ flags }) => flags),
    ({ name }) => name,
  );
  for (const flags of shared.values()) {
    const texts = flags.map(({ description, field }) => JSON.stringify({ description, field }));
    expect(new Set(texts).size).toBe(1);
  }
});

test('settings of a provider that is not there are refused', async () => {
  const { surroundings } = newMachine();
  await expect(createSolver({ provider: 'pigeons', zones: ['*'] }, surroundings)).rejects.toThrow(
    new TypeError('There is no DNS provider "pigeons"'),
  );
});

test('the registry loads no solver, no AWS SDK and no HTTP client', async () => {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import('@certbus/solvers');
    console.log(JSON.stringify(loaded));`;
  const args = ['--conditions=certbus:source', '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: PACKAGE });
  const loaded: string[] = JSON.parse(stdout);
  expect(loaded.some((url) => url.endsWith('/route53/describe.ts'))).toBe(true);
  expect(loaded.filter((url) => /aws-sdk|smithy|undici|packages\/acme\/|\/solver\.ts$/.test(url))).toEqual([]);
});
