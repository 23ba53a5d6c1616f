/** Ctrl-C between any two steps of an issuance: the claim is released, no record stays in DNS, and the next run goes on with the order. */
import { startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { createChallTestSrvSolver } from '@certbus/solvers/challtestsrv';
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { expect, onTestFinished, test } from 'vitest';
import { configFor, createSite, type Site, withManager } from './manager.builders.ts';
import type { Progress } from './progress.ts';
import type { SolverFactory } from './solvers.ts';

/** More than there are steps, appends and calls of the solver. */
const TOO_MANY = 60;
/** Counts what happens, and calls Ctrl-C at one of it. */
function interruptAt(wanted: number) {
  const stop = new AbortController();
  const happened: string[] = [];
  return {
    signal: stop.signal,
    happened,
    at(what: string): void {
      happened.push(what);
      if (happened.length === wanted) stop.abort(new Error('interrupted'));
    },
  };
}

type Interruption = ReturnType<typeof interruptAt>;

/** Issues a certificate with what can be interrupted: its steps, its appends, and what the solver is asked for. */
function issueWatched(site: Site, name: string, dnsUrl: string, { signal, at }: Interruption) {
  const solver = createChallTestSrvSolver({ url: dnsUrl });
  const solvers: SolverFactory = async () => ({
    ...solver,
    async present(challenges, options) {
      at('before present');
      await solver.present(challenges, options);
      at('after present');
    },
    async ready(challenges, options) {
      await solver.ready(challenges, options);
      at('ready');
    },
    async cleanUp(challenges, options) {
      await solver.cleanUp(challenges, options);
      at('cleaned up');
    },
  });
  const throughLog: NonNullable<Parameters<typeof withManager>[1]['throughLog']> = (log) => ({
    ...log,
    async append(...args) {
      at('before append');
      const position = await log.append(...args);
      at('after append');
      return position;
    },
  });
  return withManager(site, { holder: `interrupted ${name}`, solvers, throughLog }, (manager) =>
    manager.issue({ names: [name] }, { signal, onProgress: ({ step }) => at(`step ${step}`) }),
  );
}

test('an issuance that is interrupted at any point leaves no claim and no record, and the next run goes on', {
  tags: 'full',
}, async () => {
  // Every so many points.
  const stride = sized({ small: 4, full: 1 });
  const folder = temporaryFolder();
  onTestFinished(folder.remove);
  const dns = await startDnsServer();
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
  onTestFinished(() => ca[Symbol.asyncDispose]());
  const site = await createSite(`${folder.path}/bus.db`, configFor(ca, { url: dns.url, dns: dns.address }));
  const passed = new Set<string>();

  for (let point = 1; point < TOO_MANY; point += stride) {
    const name = `p${point}.interrupted.test`;
    const interruption = interruptAt(point);
    const ended = await issueWatched(site, name, dns.url, interruption).then(
      () => 'issued',
      (error: Error) => error.message,
    );
    const { happened, signal } = interruption;
    const where = `${point}: ${happened[point - 1]}`;
    if (!signal.aborted) break;
    passed.add(happened[point - 1] ?? '');
    expect(['interrupted', 'issued'], where).toContain(ended);
    expect(dns.get(`_acme-challenge.${name}`, 'TXT'), where).toEqual([]);

    const waits: Progress[] = [];
    await withManager(site, { holder: `next ${name}` }, async (manager) => {
      await manager.refresh();
      const found = [...manager.state.all()].filter(({ names }) => names.includes(name));
      expect(found.map(({ issuance }) => issuance?.holder).filter(Boolean), where).toEqual([]);
      const orderUrl = found[0]?.issuance?.orderUrl;
      const result = await manager.issue(
        { names: [name] },
        { signal: new AbortController().signal, onProgress: (progress) => waits.push(progress) },
      );
      expect(result.outcome, where).toBe(ended === 'issued' ? 'already-managed' : 'issued');
      expect(
        [...manager.state.all()].filter(({ names }) => names.includes(name)),
        where,
      ).toHaveLength(1);
      // An order that is on the bus is the one that is completed.
      if (orderUrl) expect(waits.map((progress) => progress.orderUrl).filter(Boolean), where).toEqual([]);
    });
    expect(
      waits.map(({ step }) => step),
      where,
    ).not.toContain('waiting');
    expect(dns.get(`_acme-challenge.${name}`, 'TXT'), where).toEqual([]);
  }
  expect(passed.size, [...passed].join()).toBeGreaterThan(2);
});
