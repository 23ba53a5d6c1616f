import { expect, test } from 'vitest';
import { parseConfiguration } from './configuration.ts';
import { PROVIDERS } from './providers.ts';

test.each(PROVIDERS)('the example of $name is a configuration', ({ example }) => {
  const config = {
    version: 1,
    authorities: { ca: { directory: 'https://ca.test/dir', termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [example],
  };
  expect(parseConfiguration(config)).toEqual(config);
});

test.each(PROVIDERS)(
  'an example of $name has every field that it needs, and no secret in the clear',
  ({ example, fields }) => {
    const needed = fields.filter(({ isRequired }) => isRequired).map(({ name }) => name);
    expect(Object.keys(example)).toEqual(expect.arrayContaining(needed));
    const secrets = fields
      .filter(({ isSecret }) => isSecret)
      .map(({ name }) => JSON.stringify(Object(example)[name] ?? ''));
    for (const text of secrets) expect(text).toMatch(/^""$|CERTBUS_SECRET_/);
  },
);

test('the fields that hold secrets are known', () => {
  const secrets = PROVIDERS.flatMap(({ name, fields }) =>
    fields.filter(({ isSecret }) => isSecret).map((field) => `${name}.${field.name}`),
  );
  expect(secrets).toEqual(
    expect.arrayContaining([
      'route53.secretAccessKey',
      'cloudflare.token',
      'rfc2136.key',
      'powerdns.apiKey',
      'acme-dns.accounts',
    ]),
  );
  expect(secrets).not.toContain('rfc2136.server');
});
