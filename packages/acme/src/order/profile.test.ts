import { letsEncryptProfiles } from '@certbus/acme-server';
import { expect, test } from 'vitest';
import { readDirectory } from '../index.ts';
import { obtainFor, startStrictCa } from '../tests/strict-ca.builders.ts';
import { identifierOf } from './identifier.ts';
import { checkIdentifiers } from './profile.ts';

const signal = new AbortController().signal;
const LETS_ENCRYPT = 'https://acme-v02.api.letsencrypt.org/directory';

test.each(['classic', 'tlsserver', 'shortlived'])(
  'the profile %s is ordered, and no warning given',
  async (profile) => {
    const { openRegistered, server } = await startStrictCa();
    const ca = await openRegistered();
    expect(Object.keys((await readDirectory(ca, { signal })).profiles)).toContain(profile);
    expect((await obtainFor(ca, ['a.test'], { profile })).warnings).toEqual([]);
    expect(server.requests.find(({ resource }) => resource === 'newOrder')?.payload).toMatchObject({ profile });
  },
);

test('a profile that the CA does not have is refused before an order, with a list of what there is', async () => {
  const { openRegistered, server } = await startStrictCa();
  await expect(obtainFor(await openRegistered(), ['a.test'], { profile: 'gold' })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ORDER_INVALID',
    message: expect.stringContaining('classic, tlsserver, shortlived'),
  });
  expect(server.orderCount).toBe(0);
});

test("a profile that the CA does not have gives way to the CA's default, with a warning", async () => {
  const { openRegistered, server } = await startStrictCa();
  const options = { profile: 'gold', ifProfileMissing: 'default' } as const;
  const { warnings } = await obtainFor(await openRegistered(), ['a.test'], options);
  expect(warnings).toEqual(['The CA used "classic" in place of profile "gold".']);
  const orders = server.requests.filter(({ resource }) => resource === 'newOrder');
  expect(orders.map(({ payload }) => payload)).toEqual([expect.not.objectContaining({ profile: 'gold' })]);
});

test('an address is certified with the profile that has addresses', async () => {
  const { openRegistered } = await startStrictCa({ profiles: letsEncryptProfiles });
  const ca = await openRegistered();
  await obtainFor(ca, ['127.0.0.1'], { profile: 'shortlived', challenge: 'http-01' });
  await expect(obtainFor(ca, ['127.0.0.1'], { profile: 'classic', challenge: 'http-01' })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_PROBLEM',
  });
});

const many = (count: number) => Array.from({ length: count }, (_, index) => identifierOf(`h${index}.test`));

test.each([
  ['100 names with none', undefined, many(100), LETS_ENCRYPT],
  ['25 names with shortlived', 'shortlived', many(25), LETS_ENCRYPT],
  ['an address with shortlived', 'shortlived', [identifierOf('192.0.2.1')], LETS_ENCRYPT],
  ['a profile that nobody published', 'tlsclient', [...many(500)], LETS_ENCRYPT],
  ['anything at another CA', 'tlsserver', [...many(500), identifierOf('192.0.2.1')], 'https://ca.test/directory'],
])('%s may be ordered', (_, profile, identifiers, directory) => {
  expect(() => checkIdentifiers(profile, identifiers, directory)).not.toThrow();
});

test.each([
  ['101 names with none', undefined, many(101), 'takes 100 names'],
  ['26 names with tlsserver', 'tlsserver', many(26), 'takes 25 names'],
  ['an address with none', undefined, [identifierOf('192.0.2.1')], 'choose shortlived'],
  ['an address with tlsserver', 'tlsserver', [identifierOf('2001:db8::1')], 'choose shortlived'],
])("%s may not be ordered at Let's Encrypt", (_, profile, identifiers, why) => {
  expect(() => checkIdentifiers(profile, identifiers, LETS_ENCRYPT)).toThrow(
    expect.objectContaining({ code: 'CERTBUS_ACME_ORDER_INVALID', message: expect.stringContaining(why) }),
  );
});
