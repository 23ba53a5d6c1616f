import { describe, expect, test } from 'vitest';
import { type AcmeServerOptions, startDnsServer } from '../index.ts';
import { digestOf, issue, keyAuthorization, order, pollWhile, present } from './issue.builders.ts';
import { type Own, startOwn } from './own.builders.ts';
import type { RawChallenge } from './raw-client.builders.ts';

/** Answers a challenge with what `meet` publishes, and says how that ended: `valid`, or the problem's type and detail. */
async function tryChallenge(
  { client }: Own,
  name: string,
  type: string,
  meet: (challenge: RawChallenge) => void | Promise<void>,
): Promise<string> {
  const made = await order(client, [name]);
  const [url = ''] = made.body.authorizations ?? [];
  const { body } = await client.post(url);
  const challenge = body.challenges?.find((each) => each.type === type);
  if (!challenge) throw new Error(`${type} is not offered`);
  await meet(challenge);
  await client.post(challenge.url, {});
  const after = await pollWhile(client, url, 'pending');
  const error = after.body.challenges?.[0]?.error;
  return error ? `${error.type.replace(/^.*:/, '')}: ${error.detail}` : String(after.body.status);
}

const at = (challenge: RawChallenge) => `/.well-known/acme-challenge/${challenge.token}`;

describe('http-01', () => {
  test.each([
    ['ten', 10, /^valid$/],
    ['eleven', 11, /^connection: .*too many redirects/],
  ])('after %s redirects ends as it should', async (_, count, outcome) => {
    const own = await startOwn();
    const { pages, httpPort } = own.answers;
    const result = await tryChallenge(own, 'hops.test', 'http-01', (challenge) => {
      const hop = (from: string, to: string) =>
        pages.set(from, (response) => response.writeHead(302, { location: `http://hops.test:${httpPort}${to}` }).end());
      hop(at(challenge), '/1');
      for (let nth = 1; nth < count; nth += 1) hop(`/${nth}`, `/${nth + 1}`);
      pages.set(`/${count}`, keyAuthorization(own.client, challenge));
    });
    expect(result).toMatch(outcome);
  });

  test.each([
    ['another port', 'http://port.test:1/x', /^connection: A redirect to port 1 is not followed/],
    ['another protocol', 'ftp://port.test/x', /^connection: .*is not followed/],
  ])('does not follow a redirect to %s', async (_, location, outcome) => {
    const own = await startOwn();
    const result = await tryChallenge(own, 'port.test', 'http-01', (challenge) => {
      own.answers.pages.set(at(challenge), (response) => response.writeHead(301, { location }).end());
    });
    expect(result).toMatch(outcome);
  });

  test('takes white space at the end, and nothing else', async () => {
    const own = await startOwn();
    const answer = (text: (right: string) => string) =>
      tryChallenge(own, 'space.test', 'http-01', (challenge) => {
        own.answers.pages.set(at(challenge), text(keyAuthorization(own.client, challenge)));
      });
    expect(await answer((right) => `${right} \r\n`)).toBe('valid');
    expect(await answer((right) => ` ${right}`)).toMatch(/^unauthorized/);
    expect(await answer((right) => `${right}x`)).toMatch(/^unauthorized/);
    expect(await answer((right) => right + ' '.repeat(500_000))).toBe('valid');
  });

  test('asks for a name without address in vain', async () => {
    const own = await startOwn();
    own.answers.dns.fail('servfail.test', 'SERVFAIL');
    expect(await tryChallenge(own, 'servfail.test', 'http-01', () => {})).toMatch(/^dns: DNS problem: SERVFAIL/);
  });

  test('goes to the next address where one does not answer', async () => {
    const own = await startOwn();
    own.answers.dns.set('two.test', 'AAAA', ['::1']);
    own.answers.dns.set('two.test', 'A', ['127.0.0.1']);
    const result = await tryChallenge(own, 'two.test', 'http-01', (challenge) => {
      own.answers.pages.set(at(challenge), keyAuthorization(own.client, challenge));
    });
    expect(result).toBe('valid');
  });

  test('gives up on a server that says nothing', async () => {
    const own = await startOwn({ validation: { timeoutMs: 300 } });
    const result = await tryChallenge(own, 'mute.test', 'http-01', (challenge) => {
      own.answers.pages.set(at(challenge), () => {});
    });
    expect(result).toMatch(/^connection/);
  });
});

describe('dns-01', () => {
  test('finds its value among others, and not in another case', async () => {
    const own = await startOwn();
    const { dns } = own.answers;
    const result = await tryChallenge(own, 'many.test', 'dns-01', (challenge) => {
      dns.add('_acme-challenge.many.test', 'TXT', 'foreign');
      dns.add('_acme-challenge.many.test', 'TXT', digestOf(keyAuthorization(own.client, challenge)));
    });
    expect(result).toBe('valid');
    const upper = await tryChallenge(own, 'case.test', 'dns-01', (challenge) => {
      dns.add('_acme-challenge.case.test', 'TXT', digestOf(keyAuthorization(own.client, challenge)).toUpperCase());
    });
    expect(upper).toMatch(/^unauthorized: Incorrect TXT record/);
  });

  test('does not end in a ring of aliases', async () => {
    const own = await startOwn();
    const { dns } = own.answers;
    dns.set('_acme-challenge.ring.test', 'CNAME', ['ring.other.test']);
    dns.set('ring.other.test', 'CNAME', ['_acme-challenge.ring.test']);
    expect(await tryChallenge(own, 'ring.test', 'dns-01', () => {})).toMatch(/^(?:dns|unauthorized)/);
  });

  test.each([
    ['SERVFAIL', /^dns: DNS problem: SERVFAIL/],
    ['REFUSED', /^dns: DNS problem: REFUSED/],
  ] as const)('says what a server that answers %s said', async (failure, outcome) => {
    const own = await startOwn();
    own.answers.dns.fail('_acme-challenge.broken.test', failure);
    expect(await tryChallenge(own, 'broken.test', 'dns-01', () => {})).toMatch(outcome);
  });

  test('says so where the name does not exist', async () => {
    await using dns = await startDnsServer({ defaultAddresses: [] });
    const own = await startOwn({ validation: { dnsServer: dns.address } });
    expect(await tryChallenge(own, 'gone.test', 'dns-01', () => {})).toMatch(
      /^dns: DNS problem: NXDOMAIN looking up TXT/,
    );
    expect(await tryChallenge(own, 'gone.test', 'http-01', () => {})).toMatch(
      /^dns: DNS problem: NXDOMAIN looking up A /,
    );
  });
});

test('those who watch are told when a validation begins, and how it ended', async () => {
  const own = await startOwn();
  const told: unknown[] = [];
  for (const event of ['validating', 'validation'] as const)
    own.server.on(event, (subject) => void told.push({ event, ...subject }));
  let token = '';
  await tryChallenge(own, '*.told.test', 'dns-01', (challenge) => {
    token = keyAuthorization(own.client, challenge);
  });
  const subject = { name: '*.told.test', type: 'dns-01', keyAuthorization: token };
  const problem = expect.stringContaining('No TXT record found');
  expect(told).toEqual([
    { event: 'validating', ...subject },
    { event: 'validation', ...subject, problem },
  ]);
});

describe('tls-alpn-01', () => {
  const right = [{ type: 'dns' as const, value: 'alpn.test' }];

  test.each([
    ['with another key authorization', { keyAuthorization: 'other', names: right }, /other digest|another digest/],
    ['for another name', { names: [{ type: 'dns' as const, value: 'other.test' }] }, /alternative name/],
    ['for a further name', { names: [...right, { type: 'dns' as const, value: 'more.test' }] }, /alternative name/],
    ['whose extension is not critical', { names: right, critical: false }, /not critical/],
  ])('refuses a certificate %s', async (_, change, why) => {
    const own = await startOwn();
    const result = await tryChallenge(own, 'alpn.test', 'tls-alpn-01', (challenge) =>
      own.answers.presentAlpn('alpn.test', { keyAuthorization: keyAuthorization(own.client, challenge), ...change }),
    );
    expect(result).toMatch(/^unauthorized/);
    expect(result).toMatch(why);
  });

  test('refuses a server that has no certificate for the name', async () => {
    const own = await startOwn();
    expect(await tryChallenge(own, 'none.test', 'tls-alpn-01', () => {})).toMatch(/^(?:tls|connection)/);
  });

  test('refuses a server that does not speak the protocol', async () => {
    const own = await startOwn({ validation: { tlsPort: 1 } });
    expect(await tryChallenge(own, 'closed.test', 'tls-alpn-01', () => {})).toMatch(/^connection/);
  });
});

describe('dns-persist-01', () => {
  const now = () => Math.floor(Date.now() / 1000);
  test.each<[string, (account: string) => string, RegExp]>([
    ['the account', (account) => `ca.test; accounturi=${account}`, /^valid$/],
    ['an end that is to come', (account) => `ca.test;accounturi=${account};persistUntil=${now() + 600}`, /^valid$/],
    [
      'an end that is over',
      (account) => `ca.test; accounturi=${account}; persistUntil=${now() - 600}`,
      /persistUntil is over/,
    ],
    ['another account', (account) => `ca.test; accounturi=${account}x`, /accounturi is/],
    ['no account', () => 'ca.test', /no accounturi/],
    ['another CA', (account) => `other.test; accounturi=${account}`, /no TXT record names/],
    ['a parameter twice', (account) => `ca.test; accounturi=${account}; accounturi=${account}`, /no TXT record names/],
  ])('with %s', async (_, record, outcome) => {
    const own = await startOwn();
    const result = await tryChallenge(own, 'persist.test', 'dns-persist-01', () =>
      own.answers.dns.add('_validation-persist.persist.test', 'TXT', record(own.client.account)),
    );
    expect(result).toMatch(outcome);
  });

  test('for a wildcard says so', async () => {
    const own = await startOwn();
    const record = (policy: string) => `ca.test; accounturi=${own.client.account}${policy}`;
    const attempt = (policy: string) =>
      tryChallenge(own, '*.wild.test', 'dns-persist-01', () =>
        own.answers.dns.set('_validation-persist.wild.test', 'TXT', [record(policy)]),
      );
    expect(await attempt('')).toMatch(/policy=wildcard/);
    expect(await attempt('; policy=WILDCARD')).toBe('valid');
  });
});

describe('CAA', () => {
  const CHECKED: AcmeServerOptions = { validation: { checkCaa: true } };

  async function withRecords(
    records: readonly { name: string; tag: string; value: string; flags?: number }[],
    { name = 'www.caa.test', type = 'dns-01', options = CHECKED, account = '' } = {},
  ): Promise<string> {
    const own = await startOwn(options);
    for (const { name: holder, value, ...rest } of records) {
      own.answers.dns.add(holder, 'CAA', { ...rest, value: value.replace('ACCOUNT', account || own.client.account) });
    }
    const value = name.replace('*.', '');
    return tryChallenge(own, name, type, (challenge) =>
      present(own.client, own.answers, { type: 'dns', value }, challenge),
    );
  }

  test('is not looked at unless asked for', async () => {
    const other = [{ name: 'caa.test', tag: 'issue', value: 'other.test' }];
    expect(await withRecords(other, { options: {} })).toBe('valid');
    expect(await withRecords(other)).toMatch(/^caa: CAA record for www.caa.test prevents issuance/);
  });

  test.each<[string, Parameters<typeof withRecords>[0], object, boolean]>([
    ['no records', [], {}, true],
    ['this CA', [{ name: 'www.caa.test', tag: 'issue', value: 'ca.test' }], {}, true],
    ['this CA at the parent', [{ name: 'caa.test', tag: 'issue', value: 'ca.test' }], {}, true],
    ['nobody', [{ name: 'caa.test', tag: 'issue', value: ';' }], {}, false],
    [
      'this CA nearer than another',
      [
        { name: 'www.caa.test', tag: 'issue', value: 'ca.test' },
        { name: 'caa.test', tag: 'issue', value: 'other.test' },
      ],
      {},
      true,
    ],
    ['reports only', [{ name: 'caa.test', tag: 'iodef', value: 'mailto:a@caa.test' }], {}, true],
    [
      'another CA for wildcards',
      [
        { name: 'caa.test', tag: 'issue', value: 'ca.test' },
        { name: 'caa.test', tag: 'issuewild', value: 'other.test' },
      ],
      { name: '*.caa.test' },
      false,
    ],
    ['another CA for wildcards, and no wildcard', [{ name: 'caa.test', tag: 'issuewild', value: ';' }], {}, true],
    ['this account', [{ name: 'caa.test', tag: 'issue', value: 'ca.test; accounturi=ACCOUNT' }], {}, true],
    [
      'another account',
      [{ name: 'caa.test', tag: 'issue', value: 'ca.test; accounturi=ACCOUNT' }],
      { account: 'https://ca.test/1' },
      false,
    ],
    ['this way', [{ name: 'caa.test', tag: 'issue', value: 'ca.test; validationmethods=http-01,dns-01' }], {}, true],
    [
      'another way',
      [{ name: 'caa.test', tag: 'issue', value: 'ca.test; validationmethods=dns-01' }],
      { type: 'http-01' },
      false,
    ],
    ['a critical property that is not known', [{ name: 'caa.test', tag: 'tbs', value: 'x', flags: 128 }], {}, false],
    ['a property that is not known', [{ name: 'caa.test', tag: 'tbs', value: 'x' }], {}, true],
  ])('of %s', async (_, records, more, isAllowed) => {
    expect(await withRecords(records, more)).toMatch(isAllowed ? /^valid$/ : /^caa/);
  });

  test('is followed over an alias', async () => {
    const own = await startOwn(CHECKED);
    const { dns } = own.answers;
    dns.set('www.alias.test', 'CNAME', ['target.test']);
    dns.add('target.test', 'CAA', { tag: 'issue', value: 'other.test' });
    const result = await tryChallenge(own, 'www.alias.test', 'dns-01', (challenge) =>
      present(own.client, own.answers, { type: 'dns', value: 'www.alias.test' }, challenge),
    );
    expect(result).toMatch(/^caa/);
  });

  test('that cannot be read forbids', async () => {
    const own = await startOwn(CHECKED);
    own.answers.dns.fail('caa-broken.test', 'SERVFAIL');
    const result = await tryChallenge(own, 'caa-broken.test', 'dns-01', (challenge) =>
      present(own.client, own.answers, { type: 'dns', value: 'caa-broken.test' }, challenge),
    );
    expect(result).toMatch(/^dns: DNS problem: SERVFAIL looking up CAA/);
  });
});

test('a CA that is told to passes everything', async () => {
  const own = await startOwn({ validation: { alwaysValid: true } });
  expect(await tryChallenge(own, 'anything.test', 'http-01', () => {})).toBe('valid');
});

describe.each(['pending', 'processing'] as const)('a CA that leaves failed challenges %s', (failedStatus) => {
  test('keeps them open with their error, and validates them each time that they are answered', async () => {
    const { client, answers } = await startOwn({ validation: { failedStatus }, pollRetryAfterS: 3 });
    const made = await order(client, ['late.test']);
    const [url = ''] = made.body.authorizations ?? [];
    const before = (await client.post(url)).body;
    const challenge = before.challenges?.find(({ type }) => type === 'dns-01');
    if (!challenge || !before.identifier) throw new Error('dns-01 is not offered');
    const isOurs = (each: RawChallenge) => each.url === challenge.url;
    const answerAndRead = async (isDone: (each: RawChallenge | undefined) => boolean) => {
      expect((await client.post(challenge.url, {})).body.status).toBe('processing');
      await expect.poll(async () => isDone((await client.post(url)).body.challenges?.find(isOurs))).toBe(true);
      return client.post(url);
    };
    const failed = await answerAndRead((each) => each?.error !== undefined);
    expect(failed).toMatchObject({ body: { status: 'pending' }, headers: { 'retry-after': '3' } });
    expect(failed.body.challenges?.find(isOurs)?.status).toBe(failedStatus);
    await present(client, answers, before.identifier, challenge);
    const passed = await answerAndRead((each) => each?.status === 'valid');
    expect(passed.body).toMatchObject({ status: 'valid', challenges: [{ type: 'dns-01', status: 'valid' }] });
    expect(passed.body.challenges?.[0]?.error).toBeUndefined();
  });
});

test('a validation can be bounded by any number of milliseconds', async () => {
  const { client, answers } = await startOwn({ validation: { timeoutMs: 299_999 } });
  expect((await issue(client, answers, ['odd.test'])).pem).toContain('BEGIN CERTIFICATE');
});
