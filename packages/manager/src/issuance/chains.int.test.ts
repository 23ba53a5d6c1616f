/** Tests of issuances at a CA that has more than one chain. */
import { startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { configFor, createSite, withManager } from './manager.builders.ts';

const { signal } = new AbortController();

test('a further chain that is of another leaf does not matter where the default one is taken', async () => {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  await using dns = await startDnsServer();
  await using ca = await startAcmeServer({
    roots: 2,
    validation: { dnsServer: dns.address, timeoutMs: 300_000 },
  });
  ca.on('certificate', ({ serial }) => {
    const [first, last] = [ca.certificates()[0], ca.certificates().find((each) => each.serial === serial)];
    if (first && last && first !== last) Object.assign(last.chains, { 1: first.chains[1] });
  });
  const { directory, roots } = ca;
  const config = {
    ...(configFor(ca, { url: dns.url, dns: dns.address }) as object),
    authorities: { pebble: { directory, roots, termsOfServiceAgreed: true, preferredChain: 'Root of dreams' } },
  };
  const site = await createSite(`${folder.path}/bus.db`, config);
  await withManager(site, { holder: 'one' }, async (manager) => {
    for (const name of ['a.test', 'b.test']) {
      const issued = await manager.issue({ names: [name] }, { signal });
      expect(issued).toMatchObject({ outcome: 'issued', warnings: [expect.stringContaining('Root of dreams')] });
    }
  });
  expect(ca.orderCount).toBe(2);
});
