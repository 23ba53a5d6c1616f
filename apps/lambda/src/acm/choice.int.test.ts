/** Tests of the function for ACM on a bus that lacks what was chosen, against moto's ACM. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatTrust } from '@certbus/events';
import { beginTestBus } from '@certbus/manager/testing';
import { openLog } from '@certbus/store/open';
import { requirePart, startAwsAccount, temporaryFolder } from 'certbus-services';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { createAcmHandler } from './handler.ts';

const missing = [requirePart('moto'), requirePart('iam-judge')].find(({ skip }) => skip);

describe.skipIf(missing)(missing?.title('the choice for ACM') ?? 'the choice for ACM', () => {
  test('what fits no certificate of the bus is a warning that names it, in each run', async () => {
    const { path: folder, remove } = temporaryFolder();
    const account = await startAwsAccount();
    onTestFinished(async () => {
      vi.unstubAllEnvs();
      await account.stop();
      remove();
    });
    const Statement = [{ Effect: 'Allow', Action: 'acm:*', Resource: '*' }];
    const role = account.proxy.addRole('certbus-acm', [{ Version: '2012-10-17', Statement }]);
    vi.stubEnv('AWS_ACCESS_KEY_ID', role.accessKeyId);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', role.secretAccessKey);
    vi.stubEnv('AWS_ENDPOINT_URL_ACM', account.endpoint);
    const address = `sqlite:${join(folder, 'bus.db')}#test`;
    const log = await openLog(address, { create: true });
    const { identity, trust } = await beginTestBus(log, 'test');
    await log.close();
    const key = join(folder, 'acm.key');
    writeFileSync(key, identity, { mode: 0o600 });
    const lines: string[] = [];
    const handler = createAcmHandler({
      variables: {
        TMPDIR: folder,
        CERTBUS_BUS: address,
        CERTBUS_TRUST: formatTrust(trust),
        CERTBUS_IDENTITY_FILE: key,
        CERTBUS_ACM_CERTIFICATES: 'www.exmaple.com, *.example.net, *',
        CERTBUS_ACM_REGIONS: `${account.region}, us-east-1`,
      },
      write: (line) => lines.push(line),
    });
    for (const _ of ['cold', 'warm']) {
      expect(await handler({})).toMatchObject({ chosen: 0, failed: 0 });
      expect(lines.splice(0).map((line) => JSON.parse(line))).toMatchObject([
        {
          level: 'WARN',
          message: expect.stringMatching(/^CERTBUS_ACM_CERTIFICATES has www\.exmaple\.com, \*\.example\.net, and no /),
        },
        { level: 'INFO', chosen: 0 },
      ]);
    }
  });
});
