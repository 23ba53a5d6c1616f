/** Tests of what `certbus init` asks: in which order, what an answer has to be, and what becomes of it. */
import { describe, expect, test } from 'vitest';
import { commandLineOf } from './answers.ts';
import { parseDomain } from './domain.ts';
import { parseEmail } from './email.ts';
import { nextSteps } from './next-steps.ts';
import { askForAnswers } from './wizard.ts';

/** Leads through the wizard with these lines, and returns the answers and all that was printed and asked. */
async function lead(lines: readonly string[], given = {}) {
  const left = [...lines];
  const seen: string[] = [];
  const terminal = {
    print: (line: string) => void seen.push(line),
    async ask(question: string, otherwise = '') {
      seen.push(otherwise ? `${question} [${otherwise}]` : question);
      const line = left.shift();
      if (line === undefined) throw new Error(`nothing is typed for: ${question}`);
      return line || otherwise;
    },
  };
  const { signal } = new AbortController();
  const answers = await askForAnswers(given, { folder: '/srv/bus', terminal, signal }).finally(() => {
    if (left.length > 0) throw new Error(`not asked for: ${left.join(', ')}`);
  });
  return { answers, seen: seen.join('\n') };
}

/** The terms are read from the CA, which no test asks. */
const agreed = { 'agree-tos': true };

describe('the questions', () => {
  test('begin with what is in brackets: a file, the staging CA, and no address', async () => {
    const { answers, seen } = await lead(['', '', '', '', 'none', 'example.test', ''], agreed);
    expect(answers).toEqual({
      ...agreed,
      bus: 'sqlite:./bus.db#certbus',
      ca: 'staging',
      contact: [],
      domain: 'example.test',
    });
    expect(seen.indexOf('1  staging')).toBeLessThan(seen.indexOf('2  production'));
  });

  test('take a mistake without forgetting what was answered before', async () => {
    const typed = [
      'dynamodb',
      'my table',
      'certs',
      '',
      'europe',
      'eu-west-1',
      'prodution',
      '2',
      'ops@',
      'ops@example.com',
    ];
    const zones = ['exmaple..com', 'example.com, example.org', '', 'y'];
    const { answers, seen } = await lead([...typed, 'route35', 'route53', ...zones], agreed);
    expect(answers).toEqual({
      ...agreed,
      bus: 'dynamodb://certs/prod?region=eu-west-1',
      ca: 'production',
      contact: ['ops@example.com'],
      'dns-provider': 'route53',
      zone: ['example.com', 'example.org'],
      domain: 'example.com',
    });
    for (const mistake of [
      '"my table" is not a name of letters',
      '"europe" is not a region',
      '"prodution" is not in the list. Did you mean "production"? Type a number from 1 to 3, or a name.',
      '"ops@" is not an e-mail address.',
      '"route35" is not in the list. Did you mean "route53"?',
    ])
      expect(seen).toContain(mistake);
    expect(seen).toContain(
      "certbus init --yes --agree-tos --bus 'dynamodb://certs/prod?region=eu-west-1' --ca production",
    );
  });

  test('are those that no flag answers, and of a provider those that it needs', async () => {
    const flags = { ...agreed, bus: 'sqlite:./b.db#b', ca: 'staging', contact: ['a@b.test'], zone: ['b.test'] };
    const { answers, seen } = await lead(['powerdns', '', 'https://ns.b.test', '', ''], flags);
    expect(answers).toEqual({
      ...flags,
      'dns-provider': 'powerdns',
      'dns-url': 'https://ns.b.test',
      domain: 'b.test',
    });
    expect(seen).toContain('This needs a value.');
  });

  test('can be answered otherwise at the summary, together with what depends on the answer', async () => {
    const flags = { ...agreed, bus: 'sqlite:./b.db#b', ca: 'staging', contact: ['a@b.test'], domain: 'b.test' };
    const { answers } = await lead(['powerdns', 'https://ns.b.test', 'b.test', '9', '5', 'none', 'y'], flags);
    expect(answers).toEqual(flags);
  });

  test('take a wildcard for the domain that it is of, since the certificate covers both', async () => {
    const flags = { ...agreed, bus: 'sqlite:./b.db#b', ca: 'staging', contact: [], 'dns-provider': 'route53' };
    const { answers, seen } = await lead(['*.b.test', '*.com', '*.B.test', 'y'], flags);
    expect(answers).toEqual({ ...flags, zone: ['b.test'], domain: 'b.test' });
    expect(seen).toContain('"com" is a public suffix');
  });

  test('can be left at the summary', async () => {
    const flags = { ...agreed, bus: 'sqlite:./b.db#b', ca: 'staging', contact: [], domain: 'b.test' };
    await expect(lead(['none', 'perhaps', 'n'], flags)).rejects.toMatchObject({ code: 'CERTBUS_CLI_DECLINED' });
  });
});

test.each(['ops@example.com', "o'neill+acme@sub.example.co.uk", 'ops@bücher.example'])(
  '%s is an e-mail address',
  (text) => {
    expect(parseEmail(` ${text} `)).toBe(text);
  },
);

test.each([
  '',
  'ops',
  'ops@',
  '@example.com',
  'ops@localhost',
  'a b@example.com',
  'ops@example..com',
  'mailto:ops@example.com',
  'a@b@c.test',
])('%j is not an e-mail address', (text) => {
  expect(() => parseEmail(text)).toThrow('is not an e-mail address');
});

test.each([
  ['*.Example.com.', { hasDns: true }, 'example.com'],
  ['*.bücher.example', { hasDns: false }, 'xn--bcher-kva.example'],
  ['203.0.113.7', { hasDns: false }, '203.0.113.7'],
])('the domain to begin with is %s, with %j: %s', (typed, options, expected) => {
  expect(parseDomain(typed, options)).toBe(expected);
});

test.each([
  ['com', { hasDns: true }],
  ['*.*.example.com', { hasDns: true }],
  ['203.0.113.7', { hasDns: true }],
  ['a_b.example.com', { hasDns: false }],
  ['$(id).example.com', { hasDns: false }],
])('%s is not one, with %j', (typed, options) => {
  expect(() => parseDomain(typed, options)).toThrow(expect.objectContaining({ code: 'CERTBUS_MANAGER_NAME_REFUSED' }));
});

test('a command line quotes what a shell would read', () => {
  expect(commandLineOf({ zone: ['*', 'a.test'], 'agree-tos': true, name: "it's", ca: undefined })).toBe(
    "certbus init --yes --zone '*' --zone a.test --agree-tos --name 'it'\\''s'",
  );
});

test('the end names the command for the first certificate, where the configuration is, and what a load balancer needs', () => {
  const made = { bus: 'sqlite:/srv/bus.db#certbus', config: 'my-bus/certbus.json', domain: 'a.test', isStaging: true };
  expect(nextSteps({ ...made, hasDns: true })).toContain(
    '  certbus cert mk --wildcard a.test --config my-bus/certbus.json',
  );
  const withoutDns = nextSteps({ ...made, bus: 'dynamodb://t/s', hasDns: false }).join('\n');
  expect(withoutDns).toContain('certbus cert mk --subdomain --challenge http-01 a.test --config my-bus/certbus.json');
  expect(withoutDns).toContain('bus.pub (mode 0644) and loadbalancer.key (mode 0600)');
  expect(withoutDns).toContain('certbus doctor --load-balancer --config my-bus/certbus.json');
  expect(withoutDns).toContain('--policy load-balancer');
  expect(withoutDns).toContain('certbus conf use production --config my-bus/certbus.json');
});
