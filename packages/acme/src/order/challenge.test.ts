import { expect, test } from 'vitest';
import { isOfType, parseChallenges, presentedChallenge } from './challenge.ts';

const url = 'https://ca.test/chall/1';
const accountUrl = 'https://ca.test/acct/123';
const challenge = { url, status: 'pending', token: 'token' };

/** What a solver is given for a dns-persist-01 challenge as a CA sends it. */
function standing(sent: object, asked: { accountUrl?: string; isWildcard?: boolean } = { accountUrl }) {
  const parsed = parseChallenges([{ type: 'dns-persist-01', url, status: 'pending', ...sent }]);
  const found = parsed.find(isOfType('dns-persist-01'));
  if (!found) throw new TypeError('the challenge was not read');
  return presentedChallenge('a.test', found, 'thumbprint', asked);
}

test('dns-account-01 has the label of its account before that of dns-01, as in the example of the draft', () => {
  const asked = { accountUrl: 'https://example.com/acme/acct/ExampleAccount' };
  const presented = presentedChallenge('example.org', { type: 'dns-account-01', ...challenge }, 'thumbprint', asked);
  expect(presented.dnsName).toBe('_ujmmovf2vn55tgye._acme-challenge.example.org');
  const plain = presentedChallenge('example.org', { type: 'dns-01', ...challenge }, 'thumbprint');
  expect(plain.dnsName).toBe('_acme-challenge.example.org');
  expect(presented.dnsValue).toBe(plain.dnsValue);
});

test('dns-persist-01 takes the account as the CA calls it, and the wildcard into the record', () => {
  const sent = { 'issuer-domain-names': ['ca.test', 'other.test'] };
  expect(standing(sent)).toMatchObject({
    token: '',
    dnsName: '_validation-persist.a.test',
    dnsValue: `ca.test; accounturi=${accountUrl}`,
    grant: { issuers: ['ca.test', 'other.test'], accountUrl, isWildcard: false },
  });
  const named = standing({ ...sent, accounturi: 'urn:account:7' }, { accountUrl, isWildcard: true });
  expect(named.dnsValue).toBe('ca.test; accounturi=urn:account:7; policy=wildcard');
});

test.each<[string, object]>([
  ['no name for itself', {}],
  ['an empty list', { 'issuer-domain-names': [] }],
  ['more than ten names', { 'issuer-domain-names': Array.from({ length: 11 }, (_, n) => `ca${n}.test`) }],
  ['a name that would end a text of a zone file', { 'issuer-domain-names': ['ca.test" "'] }],
  ['a name that would begin a parameter', { 'issuer-domain-names': ['ca.test; policy=wildcard'] }],
  ['something else', { 'issuer-domain-names': 'ca.test' }],
  [
    'an account that would begin a parameter',
    { 'issuer-domain-names': ['ca.test'], accounturi: 'urn:x;policy=wildcard' },
  ],
  ['an account that would end a text', { 'issuer-domain-names': ['ca.test'], accounturi: 'urn:x"' }],
  ['an account of another CA', { 'issuer-domain-names': ['other.test'], accounturi: 'https://other.test/acct/666' }],
  ['an account that is no URI', { 'issuer-domain-names': ['ca.test'], accounturi: 'seven' }],
])('a dns-persist-01 challenge with %s is not copied into DNS', (_, sent) => {
  expect(() => standing(sent)).toThrow(expect.objectContaining({ code: 'CERTBUS_ACME_NOT_ACME' }));
});
