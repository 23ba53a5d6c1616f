/** Tests of what those who watch an issuance are shown while it waits. */
import { startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { createChallTestSrvSolver } from '@certbus/solvers/challtestsrv';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { configFor, createSite, withManager } from './manager.builders.ts';
import type { Progress } from './progress.ts';
import type { SolverFactory } from './solvers.ts';

test('what a solver waits for, and what it warns of, is shown with the certificate that it holds up', async () => {
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const dns = await startDnsServer();
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
  onTestFinished(() => ca[Symbol.asyncDispose]());
  const until = new Date('2026-11-29T02:00:00Z');
  const solvers: SolverFactory = async () => ({
    ...createChallTestSrvSolver({ url: dns.url }),
    async ready(_, { onWaiting, onWarning }) {
      onWaiting?.({ why: 'ns2.watched.test does not show it', until });
      onWarning?.('ns3.watched.test does not answer');
    },
  });
  const site = await createSite(`${folder.path}/bus.db`, configFor(ca, { url: dns.url, dns: dns.address }));
  const steps: Progress[] = [];
  const result = await withManager(site, { holder: 'one', solvers }, (manager) =>
    manager.issue(
      { names: ['watched.test'] },
      { signal: new AbortController().signal, onProgress: (progress) => steps.push(progress) },
    ),
  );
  expect(result).toMatchObject({ outcome: 'issued', warnings: ['ns3.watched.test does not answer'] });
  expect(steps.find(({ step }) => step === 'pending')).toMatchObject({
    names: ['watched.test'],
    message: 'ns2.watched.test does not show it',
    until,
  });
  expect(steps.find(({ step }) => step === 'warning')).toMatchObject({ message: 'ns3.watched.test does not answer' });
});
