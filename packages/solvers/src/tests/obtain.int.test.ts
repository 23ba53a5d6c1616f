import { X509Certificate } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import { createServer } from 'node:http';
import { networkInterfaces } from 'node:os';
import {
  type Acme,
  accountThumbprint,
  certificateId,
  createAcme,
  generateAccountKey,
  type ObtainOptions,
  obtain,
  readDirectory,
  registerAccount,
  renewalInfo,
  type Solver,
} from '@certbus/acme';
import {
  createCsr,
  type Exchange,
  type JumpClock,
  startJumpClock,
  startTlsProxy,
  type Verdict,
} from 'certbus-services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createHttp01ClientsSolver } from '../http-01/clients.ts';
import { createHttp01StandaloneSolver } from '../http-01/standalone.ts';
import { createChallTestSrvSolver } from '../providers/challtestsrv/solver.ts';
import { LOCAL_CAS, type LocalCa, type LocalDns } from './local-ca.builders.ts';

const { signal } = new AbortController();
const accountKey = await generateAccountKey();

/** Whether an answer says that the CA is not done with what was asked about. */
const isBusy = (exchange: Exchange | undefined): boolean =>
  /^\{/.test(exchange?.body ?? '') && /^(?:pending|processing)$/.test(JSON.parse(exchange?.body ?? '').status);

describe.each(LOCAL_CAS)('against $name', ({ skip: isMissing, start, startDns, ...kind }) => {
  /** A test of what a CA can lack by its nature. */
  const testOf = (what: (typeof kind.lacks)[number]): typeof test | (() => void) =>
    kind.lacks.includes(what) ? () => {} : test;
  const { leavesFailedOpen, unknownOrder } = kind;
  describe.skipIf(isMissing)('obtain', () => {
    let dns: LocalDns;
    let local: LocalCa;
    let solver: Solver;

    beforeAll(async () => {
      dns = await startDns();
      local = await start({ dnsServer: dns.dns });
      solver = createChallTestSrvSolver({ url: dns.url });
      const ca = connect();
      await registerAccount(ca, { termsOfServiceAgreed: true, signal });
    });

    afterAll(async () => {
      await local?.stop();
      await dns?.stop();
    });

    function connect(
      { directory, roots }: { directory: string; roots: string } = local,
      { key = accountKey, ...clock }: { key?: string } & Partial<JumpClock> = {},
    ): Acme {
      const ca = createAcme({ directory, roots, accountKey: key, ...clock });
      onTestFinishedOrNow(() => ca.close());
      return ca;
    }

    /** Hooks run outside a test as well, where there is no end to wait for. */
    function onTestFinishedOrNow(close: () => Promise<void>): void {
      try {
        onTestFinished(close);
      } catch {
        void close;
      }
    }

    async function valuesAt(name: string): Promise<string[]> {
      const resolver = new Resolver({ timeout: 20_000, tries: 3 });
      resolver.setServers([dns.dns]);
      const records = await resolver.resolveTxt(`_acme-challenge.${name}`).catch(() => []);
      return records.flat();
    }

    async function jobFor(names: readonly string[], options: Partial<ObtainOptions> = {}): Promise<ObtainOptions> {
      const { csr } = await createCsr(names);
      return { names, csr, challenge: 'dns-01', solver, onOrder: async () => {}, signal, ...options };
    }

    /** A connection whose answers a test can watch and drop. */
    async function connectThrough(onResponse: (exchange: Exchange) => Verdict | Promise<Verdict>, behind = local) {
      const proxy = await startTlsProxy({ target: behind.directory, targetRoots: behind.roots, onResponse });
      onTestFinished(() => proxy.stop());
      // At step-ca an account belongs to the host that it was registered at.
      const key = await generateAccountKey();
      const open = () => connect(proxy, { key });
      await registerAccount(open(), { termsOfServiceAgreed: true, signal });
      return { proxy, open };
    }

    /** Answers http-01 as CertBus clients do: from the thumbprint alone. */
    async function startClient(thumbprint: string): Promise<void> {
      const server = createServer(({ url = '' }, response) => {
        response.end(`${url.replace('/.well-known/acme-challenge/', '')}.${thumbprint}`);
      });
      await new Promise<void>((resolve) => server.listen(local.httpPort, '127.0.0.1', resolve));
      onTestFinished(() => {
        server.closeAllConnections();
        server.close();
      });
    }

    test('dns-01 proves a wildcard and its apex together, and leaves no record behind', async () => {
      const names = ['*.wild.test', 'wild.test'];
      const orders: string[] = [];
      const job = await jobFor(names, { onOrder: async (url) => void orders.push(url) });
      const { leaf, issuers, orderUrl } = await obtain(connect(), job);
      expect(orders).toEqual([orderUrl]);
      const certificate = new X509Certificate(leaf);
      expect(certificate.subjectAltName?.split(', ').toSorted()).toEqual(['DNS:*.wild.test', 'DNS:wild.test']);
      const root = new X509Certificate(await local.issuedRoots());
      expect(new X509Certificate(issuers.at(-1) ?? leaf).verify(root.publicKey)).toBe(true);
      expect(await valuesAt('wild.test')).toEqual([]);
    });

    test('http-01 waits for clients that start late, and then proves a name and its www', async () => {
      const late = new Promise((resolve) => setTimeout(resolve, 600)).then(() =>
        startClient(accountThumbprint(accountKey)),
      );
      const clients = createHttp01ClientsSolver({ publish: async () => {}, port: local.httpPort, resolver: [dns.dns] });
      const names = ['site.test', 'www.site.test'];
      const { leaf } = await obtain(connect(), await jobFor(names, { challenge: 'http-01', solver: clients }));
      await late;
      expect(new X509Certificate(leaf).checkHost('www.site.test')).toBe('www.site.test');
    });

    test('http-01 is proved by a listener of its own, for several orders at once', async () => {
      const standalone = () => createHttp01StandaloneSolver({ port: local.httpPort, resolver: [dns.dns] });
      const jobs = ['alone1.test', 'alone2.test', 'alone3.test'].map(async (name) =>
        obtain(connect(), await jobFor([name], { challenge: 'http-01', solver: standalone() })),
      );
      const leaves = (await Promise.all(jobs)).map(({ leaf }) => new X509Certificate(leaf).subjectAltName);
      expect(leaves).toEqual(['DNS:alone1.test', 'DNS:alone2.test', 'DNS:alone3.test']);
    });

    test('IP addresses of both families are proved beside a name', async ({ skip }) => {
      const hasIPv6 = Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === '::1'));
      if (!hasIPv6) return skip('this machine has no IPv6');
      const standalone = createHttp01StandaloneSolver({ port: local.httpPort, resolver: [dns.dns], address: '::' });
      const names = ['127.0.0.1', '::1', 'beside.test'];
      const { profiles } = await readDirectory(connect(), { signal });
      const profile = Object.hasOwn(profiles, 'shortlived') ? { profile: 'shortlived' } : {};
      const job = await jobFor(names, { challenge: 'http-01', solver: standalone, ...profile });
      const certificate = new X509Certificate((await obtain(connect(), job)).leaf);
      expect(certificate.checkIP('127.0.0.1')).toBe('127.0.0.1');
      expect(certificate.checkIP('::1')).toBe('::1');
      expect(certificate.checkHost('beside.test')).toBe('beside.test');
    });

    test('http-01 is proved behind a redirect, as the CA and the solver follow both', async () => {
      const port = local.redirectPort;
      const redirecting = createHttp01StandaloneSolver({ port: local.httpPort, listenPort: port, resolver: [dns.dns] });
      const server = createServer(({ url = '' }, response) => {
        response.writeHead(302, { location: `http://elsewhere.test:${port}${url}` }).end();
      });
      await new Promise<void>((resolve) => server.listen(local.httpPort, '127.0.0.1', resolve));
      onTestFinished(() => void server.close().closeAllConnections());
      const { leaf } = await obtain(
        connect(),
        await jobFor(['redirected.test'], { challenge: 'http-01', solver: redirecting }),
      );
      expect(new X509Certificate(leaf).subjectAltName).toBe('DNS:redirected.test');
    });

    test('an order for one name costs at most eight requests', async () => {
      const exact = await start({ dnsServer: dns.dns, nonceRejectPercent: 0 });
      onTestFinished(() => exact.stop());
      const { proxy, open } = await connectThrough(() => 'forward', exact);
      const ca = open();
      await registerAccount(ca, { termsOfServiceAgreed: true, signal });
      const before = proxy.exchanges.length;
      await obtain(ca, await jobFor(['cheap.test']));
      const asked = proxy.exchanges.slice(before);
      // What the CA is not done with is looked at again, as often as it takes.
      const isAgain = (nth: number) => asked[nth]?.url === asked[nth - 1]?.url && isBusy(asked[nth - 1]);
      expect(asked.filter((_, nth) => !isAgain(nth)).length).toBeLessThanOrEqual(8);
    });

    test.each<[string, RegExp | 'order']>([
      ['the order was recorded', 'order'],
      ['an authorization was read', /\/authz\//i],
      ['the challenge was answered', /\/chal(?:[zl]|lenge)\//i],
      ['the order was finalized', /\/finalize/],
      ['the certificate was sent', /\/cert(?:z|ificate)?\//i],
    ])('a run that dies after %s is resumed by another, with one order', async (stage, where) => {
      const dead = new AbortController();
      const { open } = await connectThrough(({ url, status }) => {
        if (where === 'order' || status >= 400 || dead.signal.aborted || !where.test(url)) return 'forward';
        dead.abort(new Error('killed'));
        return 'drop';
      });
      const names = [`*.resume-${String(where).length}-${stage.length}.test`];
      let resume = '';
      const onOrder = async (url: string) => {
        resume = url;
        if (where === 'order') dead.abort(new Error('killed'));
      };
      const before = local.orders();
      const job = await jobFor(names, { onOrder, abandon: dead.signal });
      await expect(obtain(open(), job)).rejects.toThrow('killed');
      const { abandon: _, ...again } = { ...job, resume };
      const { leaf, orderUrl } = await obtain(open(), again);
      expect(orderUrl).toBe(resume);
      expect(new X509Certificate(leaf).subjectAltName).toBe(`DNS:${names[0]}`);
      expect(local.orders() - before).toBe(1);
      expect(await valuesAt(String(names[0]).slice(2))).toEqual([]);
    });

    test.each([
      ['newOrder', /\/(?:order-plz|new-order)$/],
      ['a challenge', /\/chal(?:[zl]|lenge)\//i],
      ['finalize', /\/finalize/],
      ['the certificate', /\/cert(?:z|ificate)?\//i],
    ])('a lost answer to %s does not lose the certificate', async (what, where) => {
      let lost = 0;
      const { open } = await connectThrough(({ method, url, status }) => {
        if (lost > 0 || status >= 400 || method !== 'POST' || !where.test(url)) return 'forward';
        lost += 1;
        return 'drop';
      });
      const { leaf } = await obtain(open(), await jobFor([`lost-${what.length}.test`]));
      expect(lost).toBe(1);
      expect(leaf.length).toBeGreaterThan(0);
    });

    testOf('nonce rejection')('half of all nonces refused loses no order', async () => {
      const moody = await start({ dnsServer: dns.dns, nonceRejectPercent: 50 });
      onTestFinished(() => moody.stop());
      const ca = connect(moody);
      await registerAccount(ca, { termsOfServiceAgreed: true, signal });
      const numbers = Array.from({ length: 24 }, (_, number) => number);
      for (const from of [0, 6, 12, 18]) {
        const batch = numbers
          .slice(from, from + 6)
          .map(async (n) => obtain(ca, await jobFor([`*.n${n}.test`, `n${n}.test`])));
        expect(await Promise.all(batch)).toHaveLength(6);
      }
    });

    test('an account is found again by its key, and made once', async () => {
      const key = await generateAccountKey();
      const first = await registerAccount(connect(local, { key }), { termsOfServiceAgreed: true, signal });
      const again = await registerAccount(connect(local, { key }), { termsOfServiceAgreed: true, signal });
      expect(first).toEqual({ url: again.url, created: true });
      expect(again.created).toBe(false);
    });

    testOf('terms')("an account without agreed terms is the CA's to refuse", async () => {
      const ca = connect(local, { key: await generateAccountKey() });
      await expect(registerAccount(ca, { termsOfServiceAgreed: false, signal })).rejects.toMatchObject({
        name: 'AcmeProblemError',
        code: 'CERTBUS_ACME_PROBLEM',
      });
    });

    test('an order by a key without account says so', async () => {
      const ca = connect(local, { key: await generateAccountKey() });
      await expect(obtain(ca, await jobFor(['nobody.test']))).rejects.toMatchObject({ class: 'account' });
    });

    test('a name that the CA refuses to order fails for good', async () => {
      await expect(obtain(connect(), await jobFor(['no_such_thing!.test']))).rejects.toMatchObject({
        name: 'AcmeProblemError',
        code: 'CERTBUS_ACME_PROBLEM',
        class: expect.stringMatching(/^permanent-/),
      });
    });

    test("a challenge that fails carries the CA's own words without its token, and its order passes no more", async () => {
      const seen: string[] = [];
      const silent: Solver = {
        challenges: ['http-01'],
        present: async (challenges) => void seen.push(...challenges.map(({ token }) => token)),
        ready: async () => {},
        cleanUp: async (challenges) => void seen.push(...challenges.map(({ token }) => token)),
      };
      let resume = '';
      const onOrder = async (url: string) => {
        resume = url;
      };
      const job = await jobFor(['nobody-answers.test'], { challenge: 'http-01', solver: silent, onOrder });
      // Where it stays open it is answered again for a minute.
      const patient = () => connect(local, startJumpClock());
      const failure = await obtain(patient(), job).catch((error: unknown) => error);
      expect(failure).toMatchObject({
        code: 'CERTBUS_ACME_CHALLENGE_FAILED',
        class: 'temporary',
        problem: { type: 'urn:ietf:params:acme:error:connection' },
        message: expect.stringContaining('nobody-answers.test'),
      });
      const [token] = seen;
      expect(seen).toEqual([token, token]);
      expect(`${(failure as Error).message} ${JSON.stringify(failure)}`).not.toContain(token);
      const code = leavesFailedOpen ? 'CERTBUS_ACME_CHALLENGE_FAILED' : 'CERTBUS_ACME_ORDER_GONE';
      await expect(obtain(patient(), { ...job, resume })).rejects.toMatchObject({ code });
    });

    test.each([
      ['that the CA never made', (directory: string) => new URL(unknownOrder, directory).href],
      ['of another CA', () => 'https://127.0.0.1:1/my-order/1'],
    ])('an order %s is gone', async (_, orderAt) => {
      const job = await jobFor(['gone.test'], { resume: orderAt(local.directory) });
      await expect(obtain(connect(), job)).rejects.toMatchObject({ code: 'CERTBUS_ACME_ORDER_GONE' });
    });

    test('an order of another account is gone', async () => {
      const { orderUrl } = await obtain(connect(), await jobFor(['mine.test']));
      const other = connect(local, { key: await generateAccountKey() });
      await registerAccount(other, { termsOfServiceAgreed: true, signal });
      const job = await jobFor(['mine.test'], { resume: orderUrl });
      await expect(obtain(other, job)).rejects.toMatchObject({ code: 'CERTBUS_ACME_ORDER_GONE' });
    });

    test('an interrupted run takes its records away, an abandoned one leaves them', async () => {
      const waiting = (name: string, stop: AbortController): Solver => ({
        ...solver,
        async ready() {
          expect(await valuesAt(name)).toHaveLength(1);
          stop.abort(new Error('stopped'));
          stop.signal.throwIfAborted();
        },
      });
      const interrupt = new AbortController();
      const interrupted = await jobFor(['int.test'], {
        signal: interrupt.signal,
        solver: waiting('int.test', interrupt),
      });
      await expect(obtain(connect(), interrupted)).rejects.toThrow('stopped');
      expect(await valuesAt('int.test')).toEqual([]);
      const lost = new AbortController();
      const abandoned = await jobFor(['lost.test'], { abandon: lost.signal, solver: waiting('lost.test', lost) });
      await expect(obtain(connect(), abandoned)).rejects.toThrow('stopped');
      expect(await valuesAt('lost.test')).toHaveLength(1);
    });

    test('a CA that is down is unreachable, and named', async () => {
      const gone = await start({ dnsServer: dns.dns });
      await gone.stop();
      await expect(readDirectory(connect(gone), { signal })).rejects.toMatchObject({
        code: 'CERTBUS_ACME_UNREACHABLE',
        message: expect.stringContaining(gone.directory),
      });
    });

    testOf('renewal information')(
      'a renewal says what it replaces, and is made even where the CA minds',
      async ({ skip }) => {
        const ca = connect();
        const { renewalInfo: address, profiles } = await readDirectory(ca, { signal });
        if (!address) return skip('this CA has no renewal information');
        const [profile] = Object.keys(profiles);
        const { leaf } = await obtain(ca, await jobFor(['renew.test'], profile ? { profile } : {}));
        const info = await renewalInfo(ca, leaf, { signal });
        expect(info?.end.getTime()).toBeGreaterThan(info?.start.getTime() ?? Number.NaN);
        const replaces = certificateId(leaf);
        await obtain(ca, await jobFor(['renew.test'], { replaces }));
        // It is replaced by now, which the CA refuses to do twice.
        await obtain(ca, await jobFor(['renew.test'], { replaces }));
        await obtain(ca, await jobFor(['renew.test'], { replaces: 'bm90LWl0cy1rZXk.AQ' }));
      },
    );

    test('a profile that the CA does not offer is refused before an order is made', async () => {
      const before = local.orders();
      await expect(obtain(connect(), await jobFor(['p.test'], { profile: 'imaginary' }))).rejects.toMatchObject({
        code: 'CERTBUS_ACME_ORDER_INVALID',
        message: expect.stringContaining('imaginary'),
      });
      expect(local.orders()).toBe(before);
    });
  });
});
