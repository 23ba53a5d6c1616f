/** Tests of what alerts are found by, with a CA that is asked in place of another. */
import { startAcmeServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { createSite, withManager } from '../../issuance/manager.builders.ts';
import { obtained, withBus } from '../../renewal/fleet.builders.ts';
import { idle } from '../../renewal/mass-renewal.builders.ts';
import { startHook } from './place.builders.ts';

const { signal } = new AbortController();
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** A CA that is not there. */
const AWAY = 'https://127.0.0.1:1/dir';

test('a limit of the second CA that keeps a renewal waiting is told of, as a limit of that one', async () => {
  let at = Date.parse('2026-11-28T12:00:00Z');
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  await using second = await startAcmeServer({ now: () => new Date(at), validation: { alwaysValid: true } });
  const hook = await startHook();
  const limits = { domains: { count: 1, within: '7d' } };
  const site = await createSite(`${folder.path}/bus.db`, {
    version: 1,
    authorities: {
      own: { directory: AWAY, termsOfServiceAgreed: true, fallback: 'second' },
      second: { directory: second.directory, roots: second.roots, termsOfServiceAgreed: true, limits },
    },
    defaultAuthority: 'own',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
    alerts: { ops: { webhook: hook.url } },
  });
  const ending = {
    ...obtained('ending000001'),
    directory: AWAY,
    names: ['b.shop.test'],
    notBefore: new Date(at - 80 * DAY_MS).toISOString(),
    notAfter: new Date(at + 10 * DAY_MS).toISOString(),
  };
  const options = { now: () => new Date(at), solvers: async () => idle };
  await withManager(site, { holder: 'one', ...options }, async (manager) => {
    await manager.issue({ names: ['a.shop.test'], authority: 'second' }, { signal });
    await withBus(site, (bus) => bus.append(manager.checkpoint, [ending], { at: new Date(at - 80 * DAY_MS) }));
  });
  const wanted = `raised quota domains ${second.directory} shop.test`;
  // Its own CA has to be found away first.
  for (let n = 0; n < 4 && !hook.said().includes(wanted); n += 1) {
    at += 15 * MINUTE_MS;
    await withManager(site, { holder: `run ${n}`, ...options }, (manager) => manager.runOnce({ signal }));
  }
  expect(hook.said()).toContain(wanted);
  expect(second.orderCount).toBe(1);
});
