/** Tests that of two updates of the configuration at once none is lost without a word. */
import type { Log } from '@certbus/store';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { createSite, withManager } from '../issuance/manager.builders.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const configuration = {
  version: 1,
  authorities: { ca: { directory: 'https://ca.test/dir', termsOfServiceAgreed: true } },
  defaultAuthority: 'ca',
};

test.each([
  ['with the position that it was read at', true],
  ['of any position', false],
])('what another manager configures between the last look and the append of one %s stays', async (_, isExpected) => {
  const site = await createSite(`${folder.path}/bus-${isExpected}.db`, configuration);
  await withManager(site, { holder: 'quick' }, async (quick) => {
    const { position } = (await quick.configuration()) ?? {};
    let isFirst = true;
    const throughLog = (log: Log): Log => ({
      ...log,
      async append(...call) {
        if (isFirst) {
          isFirst = false;
          await quick.configure({ ...configuration, parallelOrders: 4 });
        }
        return log.append(...call);
      },
    });
    await withManager(site, { holder: 'slow', throughLog }, async (slow) => {
      const expectPosition = isExpected ? position : undefined;
      const update = slow.configure({ ...configuration, parallelOrders: 5 }, { expectPosition });
      await expect(update).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_CONFIG_CHANGED' });
      expect(isFirst).toBe(false);
      expect((await slow.configuration())?.json).toMatchObject({ parallelOrders: 4 });
    });
  });
});
