/** What a command says of a `CERTBUS_LOG` that means nothing. */
import { expect, test } from 'vitest';
import { createRunner } from './in-process.builders.ts';

const run = await createRunner({ CERTBUS_CONFIG: '/nonexistent/certbus.json' });

test.each([
  ['loud', ['CERTBUS_LOG is "loud", which is not one of debug, info, warn, error, silent: it is taken for warn']],
  ['DEBUG', []],
  ['silent', []],
  ['', []],
])('CERTBUS_LOG=%s warns as %j', async (CERTBUS_LOG, warnings) => {
  const answer = await run(['cert', 'ls'], { CERTBUS_LOG });
  expect(answer).toMatchObject({ error: { code: 'CERTBUS_CLI_FILE_UNREADABLE' }, warnings });
  expect(answer.warnings).toHaveLength(warnings.length);
});
