import { Resolver } from 'node:dns/promises';
import { presentedChallenge } from '@certbus/acme';
import { type ChallTestSrv, requirePart, startChallTestSrv } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createChallTestSrvSolver } from './solver.ts';

const part = requirePart('pebble');
const { signal } = new AbortController();
const challengeFor = (token: string) =>
  presentedChallenge('apex.test', { type: 'dns-01', url: '', status: 'pending', token }, 'thumbprint');

describe.skipIf(part.skip)(part.title('with pebble-challtestsrv'), () => {
  let dns: ChallTestSrv;
  beforeAll(async () => {
    dns = await startChallTestSrv();
  });
  afterAll(() => dns?.stop());

  async function values(): Promise<string[]> {
    const resolver = new Resolver({ timeout: 20_000, tries: 3 });
    resolver.setServers([dns.dns]);
    return (await resolver.resolveTxt('_acme-challenge.apex.test').catch(() => [])).flat().toSorted();
  }

  test("two orders at once under one name keep each other's values", async () => {
    const [one, other] = [createChallTestSrvSolver({ url: dns.url }), createChallTestSrvSolver({ url: dns.url })];
    const [first, second, third] = [challengeFor('a'), challengeFor('b'), challengeFor('c')];
    await Promise.all([one.present([first, second], { signal }), other.present([third], { signal })]);
    expect(await values()).toEqual([first, second, third].map(({ dnsValue }) => dnsValue).toSorted());
    await one.cleanUp([first, second], { signal });
    expect(await values()).toEqual([third.dnsValue]);
    await other.cleanUp([third], { signal });
    expect(await values()).toEqual([]);
  });

  test('a value that two present stays until both are done', async () => {
    const [one, other] = [createChallTestSrvSolver({ url: dns.url }), createChallTestSrvSolver({ url: dns.url })];
    const shared = challengeFor('shared');
    await one.present([shared], { signal });
    await other.present([shared], { signal });
    await one.cleanUp([shared], { signal });
    expect(await values()).toEqual([shared.dnsValue]);
    await other.cleanUp([shared], { signal });
    expect(await values()).toEqual([]);
  });

  test('cleaning up what a dead process left is possible', async () => {
    const left = challengeFor('left');
    await fetch(`${dns.url}/set-txt`, {
      method: 'POST',
      body: JSON.stringify({ host: '_acme-challenge.apex.test.', value: left.dnsValue }),
    });
    expect(await values()).toEqual([left.dnsValue]);
    await createChallTestSrvSolver({ url: dns.url }).cleanUp([left], { signal });
    expect(await values()).toEqual([]);
  });

  test('a server that is away is told, with its address', async () => {
    const away = createChallTestSrvSolver({ url: 'http://127.0.0.1:1' });
    await expect(away.present([challengeFor('x')], { signal })).rejects.toMatchObject({
      code: 'CERTBUS_ACME_SOLVER_FAILED',
      message: expect.stringContaining('http://127.0.0.1:1'),
    });
  });
});
