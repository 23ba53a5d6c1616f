import { X509Certificate } from 'node:crypto';
import { Resolver } from 'node:dns/promises';
import {
  createAcme,
  generateAccountKey,
  type Obtained,
  obtain,
  RecordMissingError,
  readDirectory,
  registerAccount,
  type SolvableChallenge,
  type Solver,
} from '@certbus/acme';
import { createCsr } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { createDnsPersist01Solver } from '../dns/dns-persist-01.ts';
import { createChallTestSrvSolver } from '../providers/challtestsrv/solver.ts';
import { LOCAL_CAS, type LocalCa, type LocalDns } from './local-ca.builders.ts';

const { signal } = new AbortController();
const accountKey = await generateAccountKey();

const CAS = LOCAL_CAS.filter(({ lacks }) => !lacks.includes('challenges of the account'));

describe.each(CAS)('challenges of the account, at $name', ({ skip: isMissing, start, startDns }) => {
  describe.skipIf(isMissing)('obtain', () => {
    let dns: LocalDns;
    let local: LocalCa;
    let isModern: boolean;
    let accountUrl: string;

    beforeAll(async () => {
      dns = await startDns();
      local = await start({ dnsServer: dns.dns });
      const ca = createAcme({ ...local, accountKey });
      const { url } = await registerAccount(ca, { termsOfServiceAgreed: true, signal });
      accountUrl = url;
      // Debian's older Pebble knows neither profiles nor these challenges.
      isModern = Object.keys((await readDirectory(ca, { signal })).profiles).length > 0;
      await ca.close();
    });

    afterAll(async () => {
      await local?.stop();
      await dns?.stop();
    });

    async function order(names: readonly string[], challenge: SolvableChallenge, solver: Solver): Promise<Obtained> {
      const ca = createAcme({ directory: local.directory, roots: local.roots, accountKey });
      onTestFinished(() => ca.close());
      const { csr } = await createCsr(names);
      return obtain(ca, { names, csr, challenge, solver, onOrder: async () => {}, signal });
    }

    async function set(path: 'set-txt' | 'clear-txt', record: { host: string; value?: string }): Promise<void> {
      await fetch(`${dns.url}/${path}`, { method: 'POST', body: JSON.stringify(record) });
    }

    const persist = (warn?: (message: string) => void) =>
      createDnsPersist01Solver({ resolver: [dns.dns], nameServers: [dns.dns], warn });

    test('dns-account-01 proves a wildcard and its apex under a label of the account, and cleans up', async ({
      skip,
    }) => {
      if (!isModern) return skip('this CA does not know dns-account-01');
      const inner = createChallTestSrvSolver({ url: dns.url });
      const asked = new Set<string>();
      const solver: Solver = {
        ...inner,
        async ready(challenges, options) {
          for (const { dnsName } of challenges) asked.add(dnsName);
          await inner.ready(challenges, options);
        },
      };
      const { leaf } = await order(['*.label.test', 'label.test'], 'dns-account-01', solver);
      expect(new X509Certificate(leaf).checkHost('www.label.test')).toBe('*.label.test');
      const [name = '', ...others] = asked;
      expect(others).toEqual([]);
      expect(name).toMatch(/^_[a-z2-7]{16}\._acme-challenge\.label\.test$/);
      const resolver = new Resolver({ timeout: 20_000, tries: 3 });
      resolver.setServers([dns.dns]);
      expect(await resolver.resolveTxt(name).catch(() => [])).toEqual([]);
    });

    test('dns-persist-01 says what to set, then issues again and again without writing anything', async ({ skip }) => {
      if (!isModern) return skip('this CA does not know dns-persist-01');
      const names = ['*.stand.test', 'stand.test'];
      const failure = await order(names, 'dns-persist-01', persist()).catch((error: unknown) => error);
      expect(failure).toBeInstanceOf(RecordMissingError);
      const { records } = failure as RecordMissingError;
      const record = `_validation-persist.stand.test. 3600 IN TXT "ca.test; accounturi=${accountUrl}; policy=wildcard"`;
      expect(records).toEqual([record]);
      const [, host = '', value] = /^(\S+) 3600 IN TXT "(.*)"$/.exec(record) ?? [];
      await set('set-txt', { host, ...(value ? { value } : {}) });
      for (let times = 0; times < 2; times += 1) {
        const { leaf } = await order(names, 'dns-persist-01', persist());
        expect(new X509Certificate(leaf).checkHost('stand.test')).toBe('stand.test');
      }
      await set('clear-txt', { host });
      await expect(order(names, 'dns-persist-01', persist())).rejects.toMatchObject({
        code: 'CERTBUS_ACME_RECORD_MISSING',
      });
    });

    test.each<[string, (account: string) => string, RegExp]>([
      ['another account', (account) => `ca.test; accounturi=${account}0`, /is for another account/],
      ['no wildcard', (account) => `ca.test; accounturi=${account}`, /policy=wildcard/],
      [
        'an end that is over',
        (account) => `ca.test; accounturi=${account}; policy=wildcard; persistUntil=1`,
        /was over/,
      ],
    ])('our own look and the CA agree on a record with %s', async (what, recordOf, why) => {
      if (!isModern) return;
      const name = `${what.replace(/\W/g, '-')}.test`;
      await set('set-txt', { host: `_validation-persist.${name}.`, value: recordOf(accountUrl) });
      await expect(order([`*.${name}`], 'dns-persist-01', persist())).rejects.toThrow(why);
      const blind: Solver = { ...persist(), ready: async () => {} };
      await expect(order([`*.${name}`], 'dns-persist-01', blind)).rejects.toMatchObject({
        code: 'CERTBUS_ACME_CHALLENGE_FAILED',
      });
    });

    test('a record that ends soon is taken, with a warning', async ({ skip }) => {
      if (!isModern) return skip('this CA does not know dns-persist-01');
      const until = Math.floor(Date.now() / 1000) + 3600;
      const value = `ca.test;accounturi=${accountUrl};persistUntil=${until}`;
      await set('set-txt', { host: '_validation-persist.ends.test.', value });
      const warnings: string[] = [];
      await order(
        ['ends.test'],
        'dns-persist-01',
        persist((message) => warnings.push(message)),
      );
      expect(warnings).toEqual([expect.stringContaining('_validation-persist.ends.test ends on 20')]);
    });
  });
});
