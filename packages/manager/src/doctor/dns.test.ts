/** Tests of what the doctor finds when it writes into DNS. */
import type { Solver } from '@certbus/acme';
import { expect, test } from 'vitest';
import { parseConfiguration } from '../configuration/configuration.ts';
import type { Context } from '../context.ts';
import { type DnsLook, examineDns } from './dns.ts';

const { signal } = new AbortController();

/** What is found with a solver whose values are visible at once, and these settings of it. */
function examine(
  settings: object,
  { ready = async () => {}, onWaiting }: Partial<Pick<Solver, 'ready'>> & Pick<DnsLook, 'onWaiting'> = {},
) {
  const config = parseConfiguration({
    version: 1,
    authorities: { ca: { directory: 'https://ca.test/directory', termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'route53', ...settings }],
  });
  const solver: Solver = { challenges: ['dns-01'], present: async () => {}, ready, cleanUp: async () => {} };
  const context: Pick<Context, 'solvers'> = { solvers: async () => solver };
  return examineDns(context as Context, { config, domain: 'a.test', name: 'a.test', signal, onWaiting });
}

test('a value that every server shows is good', async () => {
  expect(await examine({})).toMatchObject({
    status: 'good',
    detail: expect.stringMatching(/_acme-challenge\.a\.test, seen at every authoritative server and taken away/),
  });
});

test('where no server is asked, none is said to have shown it', async () => {
  const { status, detail } = await examine({ nameServers: false });
  expect(status).toBe('good');
  expect(detail).toMatch(/_acme-challenge\.a\.test and taken away/);
});

test('a dead name server among others is a warning', async () => {
  const finding = await examine(
    {},
    {
      ready: async (_, { onWarning }) => onWarning?.('The name server ns2.test does not answer.'),
    },
  );
  expect(finding).toMatchObject({
    status: 'warning',
    detail: expect.stringContaining('The name server ns2.test does not answer.'),
  });
});

test('what the doctor waits for is passed on', async () => {
  const told: string[] = [];
  const until = new Date('2026-11-29T02:00:00Z');
  const ready: Solver['ready'] = async (_, { onWaiting }) => onWaiting?.({ why: 'ns2.test does not show it', until });
  await examine({}, { ready, onWaiting: ({ why }) => told.push(why) });
  expect(told).toEqual(['ns2.test does not show it']);
});
