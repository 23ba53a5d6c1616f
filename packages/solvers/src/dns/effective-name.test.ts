/** Tests of which aliases are followed, and how the way is told. */
import { AcmeError } from '@certbus/acme';
import { startDnsServer } from '@certbus/acme-server';
import { expect, onTestFinished, test } from 'vitest';
import { effectiveName, howFound } from './effective-name.ts';
import { openLookups } from './lookups.ts';

const chain = (length: number) => ({
  cname: async (name: string) => {
    const at = Number(name.slice(1));
    return at < length ? `n${at + 1}` : undefined;
  },
});

test('a name without a CNAME is its own end', async () => {
  expect(await effectiveName('n0', chain(0))).toEqual({ name: 'n0', path: ['n0'] });
});

test('eight CNAMEs are followed, nine are told', async () => {
  expect(await effectiveName('n0', chain(8))).toMatchObject({ name: 'n8' });
  await expect(effectiveName('n0', chain(9))).rejects.toThrow(/are more than 8: n0 -> n1/);
});

test('a circle is told as it is', async () => {
  const circle = { cname: async (name: string) => (name === 'a' ? 'b' : 'a') };
  await expect(effectiveName('a', circle)).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringContaining('lead in a circle: a -> b -> a'),
  });
});

/** A server that is asked as a resolver, and its lookups. */
async function setUp() {
  const dns = await startDnsServer({ defaultAddresses: [] });
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const lookups = openLookups({ servers: [dns.address], signal: new AbortController().signal });
  return { dns, lookups };
}

test('an alias that a wildcard makes is not followed, also behind one that is', async () => {
  const { dns, lookups } = await setUp();
  dns.add('*.zone.test', 'CNAME', 'lb.hoster.test');
  const covered = await effectiveName('_acme-challenge.zone.test', lookups);
  expect(covered).toMatchObject({ name: '_acme-challenge.zone.test', wildcardTarget: 'lb.hoster.test' });
  expect(howFound(covered)).toBe(
    'The CNAME of _acme-challenge.zone.test to lb.hoster.test is made by a wildcard, and was not followed.',
  );
  dns.add('_acme-challenge.other.test', 'CNAME', 'x.zone.test');
  const behind = await effectiveName('_acme-challenge.other.test', lookups);
  expect(behind).toMatchObject({ name: 'x.zone.test', path: ['_acme-challenge.other.test', 'x.zone.test'] });
});

test('an alias of its own is followed next to a wildcard that leads elsewhere', async () => {
  const { dns, lookups } = await setUp();
  dns.add('*.zone.test', 'CNAME', 'lb.hoster.test');
  dns.add('_acme-challenge.zone.test', 'CNAME', 'mine.validation.test');
  const found = await effectiveName('_acme-challenge.zone.test', lookups);
  expect(found).toEqual({ name: 'mine.validation.test', path: ['_acme-challenge.zone.test', 'mine.validation.test'] });
  expect(howFound(found)).toMatch(
    /^CNAMEs lead there: _acme-challenge\.zone\.test -> mine\.validation\.test \("followAliases"/,
  );
});

test('a name next to it that DNS fails for proves no wildcard', async () => {
  const cname = async (name: string) => {
    if (name === 'a.zone.test') return 'b.other.test';
    if (name.endsWith('.zone.test')) throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', 'SERVFAIL');
    return undefined;
  };
  expect(await effectiveName('a.zone.test', { cname })).toMatchObject({ name: 'b.other.test' });
});

test('no alias is followed where that is turned off, and none is asked for', async () => {
  const { dns, lookups } = await setUp();
  dns.add('_acme-challenge.zone.test', 'CNAME', 'lb.hoster.test');
  const found = await effectiveName('_acme-challenge.zone.test', lookups, { followAliases: false });
  expect(found).toEqual({ name: '_acme-challenge.zone.test', path: ['_acme-challenge.zone.test'] });
  expect(dns.queries).toEqual([]);
});
