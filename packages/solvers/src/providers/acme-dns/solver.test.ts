import { describe, expect, onTestFinished, test } from 'vitest';
import { type SolverUnderTest, solverConformance } from '../../conformance/index.ts';
import { drawChallenge } from '../../conformance/subject.ts';
import { startDnsServer } from '../../dns/dns-server.builders.ts';
import { startSilentServer } from '../../dns/silent-server.builders.ts';
import { startAcmeDns } from './double.builders.ts';
import {
  type AcmeDnsAccount,
  type AcmeDnsOptions,
  acmeDnsRecord,
  createAcmeDnsSolver,
  registerAcmeDnsAccount,
} from './solver.ts';

const { signal } = new AbortController();

/** The double with DNS: its own zone, and zones of a user whose names point to accounts. */
async function startHost(names: readonly string[]) {
  const host = await startAcmeDns();
  const aliases = new Map<string, string>();
  const accounts: AcmeDnsAccount[] = [];
  for (const name of names) {
    const account = await registerAcmeDnsAccount({ url: host.url, signal });
    accounts.push(account);
    aliases.set(name, account.fulldomain);
  }
  const zones = [host.domain, 'zone.test', 'child.zone.test', 'stray.test'];
  const dns = await startDnsServer({ zones, aliases, txt: host.valuesAt });
  const open = (options: Partial<AcmeDnsOptions> = {}) =>
    createAcmeDnsSolver({ url: host.url, accounts, resolver: [dns.address], nameServerPort: dns.port, ...options });
  const stop = async () => {
    await host.stop();
    await dns.stop();
  };
  return { host, aliases, accounts, dns, open, stop };
}

async function setUp(...names: readonly string[]) {
  const all = await startHost(names);
  onTestFinished(all.stop);
  return all;
}

const DOMAIN = 'a.zone.test';
const CHILD = 'b.child.zone.test';
const ALIASED = [
  ...[DOMAIN, CHILD, `below.${DOMAIN}`, `other.${DOMAIN}`, `plain.${DOMAIN}`, `www.${DOMAIN}`].map(
    (name) => `_acme-challenge.${name}`,
  ),
  ...Array.from({ length: 200 }, (_, index) => `_acme-challenge.n${index}.${DOMAIN}`),
  `validation.${CHILD}`,
  `shared.${DOMAIN}`,
];

async function create(): Promise<SolverUnderTest> {
  const { host, aliases, accounts, open, stop } = await startHost(ALIASED);
  const silent = await startSilentServer();
  const wrong = crypto.randomUUID();
  const follow = (name: string): string => {
    const target = aliases.get(name);
    return target === undefined ? name : follow(target);
  };
  return {
    domain: DOMAIN,
    childDomain: CHILD,
    strayDomain: 'name.stray.test',
    secrets: [wrong, ...accounts.flatMap(({ username, password }) => [username, password])],
    open: async () => open(),
    openRefused: async () => open({ accounts: accounts.map((account) => ({ ...account, password: wrong })) }),
    openSilent: async () => open({ url: `http://${silent.address}`, resolver: [silent.address] }),
    values: async (name) => host.valuesAt(follow(name)),
    async addForeign() {},
    async alias(name, target) {
      aliases.set(name, target);
    },
    async dispose() {
      await stop();
      await silent.stop();
    },
  };
}

const limits = {
  'clean-up': 'the API has /register, /update and /health, and nothing that deletes',
  'many-values': 'Rolling update of two TXT records',
  'foreign-values': 'Rolling update of two TXT records',
};

describe('passes the suite against a double', () => solverConformance({ describe, test, create, limits }));

test('a registration says which record to set', async () => {
  const { host } = await setUp();
  const account = await registerAcmeDnsAccount({ url: host.url, allowFrom: ['192.0.2.0/24'], signal });
  expect(account.fulldomain).toBe(`${account.subdomain}.${host.domain}`);
  expect(acmeDnsRecord('*.Example.com', account)).toBe(`_acme-challenge.example.com. IN CNAME ${account.fulldomain}.`);
});

test('a registration that is no longer possible is told', async () => {
  const { dns } = await setUp();
  const nowhere = `http://${dns.address}`;
  await expect(registerAcmeDnsAccount({ url: nowhere, signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
  });
});

test('what is shown already is not written again, so nothing is pushed out', async () => {
  const mine = [drawChallenge(DOMAIN), drawChallenge(DOMAIN)];
  const { host, open } = await setUp(mine[0]?.dnsName ?? '');
  await open().present(mine, { signal });
  await open().present(mine.slice(1), { signal });
  await open().present(mine, { signal });
  expect(host.updates).toEqual(mine.map(({ dnsValue }) => dnsValue));
});

test('three values at one account are refused before any is written', async () => {
  const mine = [drawChallenge(DOMAIN), drawChallenge(DOMAIN), drawChallenge(DOMAIN)];
  const { host, open } = await setUp(mine[0]?.dnsName ?? '');
  await expect(open().present(mine, { signal })).rejects.toThrow(/would need 3 values.*register one account for each/);
  expect(host.updates).toEqual([]);
});

test('a name that points to no account is told, with what to do', async () => {
  const { open } = await setUp();
  await expect(open().present([drawChallenge('new.zone.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
    message: expect.stringMatching(/_acme-challenge\.new\.zone\.test is not the fulldomain of an account.*CNAME/),
  });
});
