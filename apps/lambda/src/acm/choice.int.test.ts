/** Tests of the function for ACM on a bus that lacks what was chosen, against moto's ACM. */
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { formatTrust } from '@certbus/events';
import { beginTestBus } from '@certbus/manager/testing';
import { openLog } from '@certbus/store/open';
import { requirePart, startAwsAccount, temporaryFolder } from 'certbus-services';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createAcmHandler } from './handler.ts';

const missing = [requirePart('moto'), requirePart('iam-judge')].find(({ skip }) => skip);
const REGION = 'eu-central-1';

/** The function on a bus without certificates, with the lines that it writes; `more` is variables of it. */
async function createFunction(more: Readonly<Record<string, string>>) {
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(() => {
    vi.unstubAllEnvs();
    remove();
  });
  const address = `sqlite:${join(folder, 'bus.db')}#test`;
  const log = await openLog(address, { create: true });
  const { identity, trust } = await beginTestBus(log, 'test');
  await log.close();
  const key = join(folder, 'acm.key');
  writeFileSync(key, identity, { mode: 0o600 });
  const lines: ReturnType<typeof JSON.parse>[] = [];
  const bus = { CERTBUS_BUS: address, CERTBUS_TRUST: formatTrust(trust), CERTBUS_IDENTITY_FILE: key };
  const variables = { TMPDIR: folder, ...bus, ...more };
  return { lines, handler: createAcmHandler({ variables, write: (line) => lines.push(JSON.parse(line)) }) };
}

/** Has the SDK ask for ACM at an endpoint, with credentials. */
function askAt(endpoint: string, { accessKeyId = 'AKIATEST', secretAccessKey = 'test' } = {}): void {
  vi.stubEnv('AWS_ACCESS_KEY_ID', accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', secretAccessKey);
  vi.stubEnv('AWS_ENDPOINT_URL_ACM', endpoint);
}

describe.skipIf(missing)(missing?.title('the choice for ACM') ?? 'the choice for ACM', () => {
  test('what fits no certificate of the bus is a warning that names it, in each run', async () => {
    const account = await startAwsAccount();
    onTestFinished(() => account.stop());
    const Statement = [{ Effect: 'Allow', Action: 'acm:*', Resource: '*' }];
    askAt(account.endpoint, account.proxy.addRole('certbus-acm', [{ Version: '2012-10-17', Statement }]));
    const { handler, lines } = await createFunction({
      CERTBUS_ACM_CERTIFICATES: 'www.exmaple.com, *.example.net, *',
      CERTBUS_ACM_REGIONS: `${account.region}, us-east-1`,
    });
    for (const _ of ['cold', 'warm']) {
      expect(await handler({})).toMatchObject({ chosen: 0, failed: 0 });
      expect(lines.splice(0)).toMatchObject([
        {
          level: 'WARN',
          message: expect.stringMatching(/^CERTBUS_ACM_CERTIFICATES has www\.exmaple\.com, \*\.example\.net, and no /),
        },
        { level: 'INFO', chosen: 0 },
      ]);
    }
  });
});

test('an ACM that does not answer until the time is over leaves the rest to the next invocation, and says so', async () => {
  const { handler, lines } = await createFunction({ CERTBUS_ACM_CERTIFICATES: '*', AWS_REGION: REGION });
  const timers = vi.spyOn(globalThis, 'setTimeout');
  const ends = () => {
    for (const [end, ms] of timers.mock.calls) if (ms === 870_000) end();
  };
  const silent = createServer(ends);
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => {
    timers.mockRestore();
    silent.closeAllConnections();
    silent.close();
  });
  askAt(`http://127.0.0.1:${(silent.address() as AddressInfo).port}`);
  const code = 'CERTBUS_LAMBDA_IMPORT_UNFINISHED';
  await expect(handler({}, { getRemainingTimeInMillis: () => 900_000 })).rejects.toMatchObject({ code });
  expect(lines).toEqual([{ level: 'ERROR', message: expect.stringMatching(new RegExp(`^${code}: `)) }]);
});

test('a function for ACM without a region, or with nothing to import, refuses to run', async () => {
  for (const [variables, what] of [
    [{ CERTBUS_ACM_CERTIFICATES: '*', CERTBUS_ACM_REGIONS: ',' }, /CERTBUS_ACM_REGIONS names no region/],
    [{ CERTBUS_ACM_CERTIFICATES: ' ', AWS_REGION: REGION }, /CERTBUS_ACM_CERTIFICATES names no certificate/],
  ] as const) {
    const { handler, lines } = await createFunction(variables);
    await expect(handler({})).rejects.toThrow(what);
    expect(lines).toMatchObject([{ message: expect.stringMatching(/^CERTBUS_LAMBDA_SETTING_INVALID: /) }]);
  }
});
