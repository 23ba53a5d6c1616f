/** Tests of the DNS settings of a configuration. */
import { PROVIDERS } from '@certbus/solvers';
import { expect, test } from 'vitest';
import { parseConfiguration } from './configuration.ts';

test.each(PROVIDERS)('the example of $name is a configuration', ({ example }) => {
  const config = {
    version: 1,
    authorities: { ca: { directory: 'https://ca.test/dir', termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [example],
  };
  expect(parseConfiguration(config)).toEqual(config);
});
