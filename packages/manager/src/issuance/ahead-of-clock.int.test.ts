/** Tests that a leaf which begins ahead of the manager's clock is reported. */
import { startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { configFor, createSite, withManager } from './manager.builders.ts';

const { signal } = new AbortController();

test.each([
  ['behind', -86_400_000, 1],
  ['right', 0, 0],
])('with a clock that is %s', async (_, aheadMs, expected) => {
  const folder = temporaryFolder();
  const dns = await startDnsServer();
  const ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
  onTestFinished(async () => {
    await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
    folder.remove();
  });
  const site = await createSite(`${folder.path}/bus.db`, configFor(ca, { url: dns.url, dns: dns.address }));
  await withManager(site, { holder: 'one', aheadMs }, async (manager) => {
    const made = await manager.issue({ names: ['ahead.test'] }, { signal });
    const renewed = await manager.renew(made.certificateId, { signal });
    for (const { warnings } of [made, renewed]) {
      expect(warnings).toHaveLength(expected);
      for (const warning of warnings)
        expect(warning).toMatch(/^The certificate for ahead\.test begins \S+, \d+ s ahead/);
    }
    const findings = await manager.diagnose({ signal, domains: [] });
    const ahead = findings.filter(({ check, detail }) => check === 'renewal' && detail.includes('in the future here'));
    expect(ahead.map(({ status }) => status)).toEqual(expected === 0 ? [] : ['warning']);
  });
});
