import { describe, expect, test } from 'vitest';
import { type AcmeServerOptions, letsEncryptLimits, letsEncryptStagingLimits } from '../index.ts';
import { certificateId } from './certificate-id.builders.ts';
import { chainOf, issue, order, pollWhile } from './issue.builders.ts';
import { type Own, startOwn } from './own.builders.ts';
import { openRawClient, problem, type RawAnswer } from './raw-client.builders.ts';

const LIMITED = { status: 429, type: 'rateLimited' };
const SECOND_MS = 1000;
const HOUR_MS = 3_600_000;
const ALWAYS: AcmeServerOptions = { validation: { alwaysValid: true } };

/** Starts one whose clock only the test moves: rooms fill up again by the second. */
function start(limits: AcmeServerOptions['limits'], more: AcmeServerOptions = ALWAYS): Promise<Own> {
  const at = new Date();
  return startOwn({ now: () => at, ...more, limits: limits ?? {} });
}

/** A refusal with a time: how many seconds it asks to wait. */
function waitOf(answer: RawAnswer): number {
  expect(problem(answer)).toEqual(LIMITED);
  expect([answer.headers.link].flat().join()).toContain('rel="help"');
  return Number(answer.headers['retry-after']);
}

const get = ({ client, answers }: Own, ...names: string[]) => issue(client, answers, names);

test("Let's Encrypt's limits are those of its page", () => {
  expect(letsEncryptLimits).toMatchObject({
    newOrders: { capacity: 300, periodMs: 3 * HOUR_MS },
    certificatesPerDomain: { capacity: 50, periodMs: 168 * HOUR_MS },
    certificatesPerSet: { capacity: 5, periodMs: 168 * HOUR_MS },
    failedAuthorizations: { capacity: 5, periodMs: HOUR_MS },
  });
});

test("five certificates for the same names are Let's Encrypt's limit, and one more after a day and a half", async () => {
  const own = await start(letsEncryptLimits);
  for (let count = 0; count < 5; count += 1) {
    await get(own, 'five.test', 'www.five.test');
    own.clock.advance(10 * SECOND_MS);
  }
  const hours = waitOf(await order(own.client, ['www.five.test', 'five.test'])) / 3600;
  expect(hours).toBeGreaterThan(33);
  expect(hours).toBeLessThan(34);
  own.clock.advanceDays(1.5);
  await get(own, 'five.test', 'www.five.test');
  expect(letsEncryptStagingLimits.certificatesPerSet).toEqual({ capacity: 30_000, periodMs: 168 * HOUR_MS });
});

test('without limits there are none', async () => {
  const { client } = await startOwn();
  for (let count = 0; count < 20; count += 1) expect((await order(client, ['free.test'])).status).toBe(201);
});

test('a set of names that had a certificate before the server began is renewed without counting', async () => {
  const { client } = await start({
    newOrders: { capacity: 1, periodMs: HOUR_MS },
    hadCertificate: (names) => names.every((name) => name.startsWith('old')),
  });
  for (const name of ['old1.test', 'old2.test', 'new.test']) expect((await order(client, [name])).status).toBe(201);
  expect((await order(client, ['old1.test'])).status).toBe(201);
  expect(waitOf(await order(client, ['old1.test', 'other.test']))).toBeGreaterThan(0);
});

test('new orders of an account are refilled one by one', async () => {
  const { client, clock, openAccount } = await start({ newOrders: { capacity: 3, periodMs: 3 * HOUR_MS } });
  for (const name of ['a.test', 'b.test', 'c.test']) expect((await order(client, [name])).status).toBe(201);
  expect(waitOf(await order(client, ['d.test']))).toBe(3600);
  expect((await order(await openAccount(), ['d.test'])).status).toBe(201);
  clock.advance(HOUR_MS - 10 * SECOND_MS);
  expect(waitOf(await order(client, ['d.test']))).toBeLessThanOrEqual(10);
  clock.advance(10 * SECOND_MS);
  expect((await order(client, ['d.test'])).status).toBe(201);
  expect(waitOf(await order(client, ['e.test']))).toBeGreaterThan(3590);
});

test('new accounts are limited by address, and finding one again is not', async () => {
  const { server, client } = await start({ newAccounts: { capacity: 2, periodMs: HOUR_MS } });
  const [one, two] = [await openRawClient(server), await openRawClient(server)];
  expect((await one.register()).status).toBe(201);
  expect(waitOf(await two.register())).toBe(1800);
  expect((await client.register()).status).toBe(200);
  one.close();
  two.close();
});

describe('certificates per registered domain', () => {
  test('are counted for all accounts when they are issued', async () => {
    const own = await start({ certificatesPerDomain: { capacity: 2, periodMs: 14 * HOUR_MS } });
    await get(own, 'a.shared.test');
    for (let count = 0; count < 3; count += 1) await order(own.client, [`open${count}.shared.test`]);
    const other = await own.openAccount();
    await issue(other, own.answers, ['b.shared.test']);
    expect(waitOf(await order(own.client, ['c.shared.test', 'free.test']))).toBe(7 * 3600);
    expect((await order(own.client, ['free.test'])).status).toBe(201);
  });

  test('are not counted for renewals of the same names', async () => {
    const own = await start({ certificatesPerDomain: { capacity: 1, periodMs: HOUR_MS } });
    for (let count = 0; count < 3; count += 1) await get(own, 'www.same.test', 'same.test');
    waitOf(await order(own.client, ['same.test']));
  });

  test('are counted for renewals as well where the CA exempts none, also inside their window', async () => {
    const own = await start({ certificatesPerDomain: { capacity: 2, periodMs: 14 * HOUR_MS }, renewals: 'counted' });
    const { pem } = await get(own, 'www.same.test');
    const replaces = certificateId(chainOf(pem)[0]?.raw ?? new Uint8Array());
    own.clock.advanceDays(60);
    await get(own, 'www.same.test');
    await get(own, 'www.same.test');
    expect(waitOf(await order(own.client, ['www.same.test'], { replaces }))).toBe(7 * 3600);
  });

  test('are told by a rule that can be replaced', async () => {
    const registeredDomain = (name: string) => name.split('.').slice(-3).join('.');
    const own = await start({ certificatesPerDomain: { capacity: 1, periodMs: HOUR_MS }, registeredDomain });
    await get(own, 'www.one.co.test');
    await get(own, 'www.two.co.test');
    waitOf(await order(own.client, ['mail.two.co.test']));
  });
});

describe('certificates for exactly the same names', () => {
  const limits = { certificatesPerSet: { capacity: 2, periodMs: 168 * HOUR_MS } };

  test('are limited, in whatever order the names come', async () => {
    const own = await start(limits);
    await get(own, 'a.test', 'b.test');
    await get(own, 'b.test', 'a.test');
    expect(waitOf(await order(own.client, ['a.test', 'b.test']))).toBeGreaterThan(83 * 3600);
    expect((await order(own.client, ['a.test'])).status).toBe(201);
  });

  test('are free for a renewal inside its window, and only there', async () => {
    const own = await start(limits);
    await get(own, 'ari.test');
    const { pem } = await get(own, 'ari.test');
    const replaces = certificateId(chainOf(pem)[0]?.raw ?? new Uint8Array());
    waitOf(await order(own.client, ['ari.test'], { replaces }));
    own.server.setIncident({});
    waitOf(await order(own.client, ['ari.test'], { replaces }));
    own.server.setIncident(undefined);
    own.clock.advanceDays(60);
    // The bucket is full again after so long, so it is emptied once more.
    await get(own, 'ari.test');
    await get(own, 'ari.test');
    waitOf(await order(own.client, ['ari.test']));
    expect((await order(own.client, ['ari.test'], { replaces })).status).toBe(201);
  });
});

describe('failed authorizations', () => {
  async function fail({ client }: Own, name: string): Promise<RawAnswer> {
    const made = await order(client, [name]);
    if (made.status !== 201) return made;
    const [url = ''] = made.body.authorizations ?? [];
    const { body } = await client.post(url);
    await client.post(String(body.challenges?.find(({ type }) => type === 'dns-01')?.url), {});
    await pollWhile(client, url, 'pending');
    return made;
  }

  test('are limited by name and account', async () => {
    const own = await start({ failedAuthorizations: { capacity: 2, periodMs: HOUR_MS } }, {});
    await fail(own, 'bad.test');
    await fail(own, 'bad.test');
    expect(waitOf(await order(own.client, ['bad.test', 'good.test']))).toBeGreaterThan(1790);
    expect((await order(own.client, ['good.test'])).status).toBe(201);
    expect((await order(await own.openAccount(), ['bad.test'])).status).toBe(201);
  });

  test('of an IPv6 address count for its whole network', async () => {
    const own = await start({ failedAuthorizations: { capacity: 1, periodMs: HOUR_MS } }, {});
    const profile = { profile: 'shortlived' };
    const made = await order(own.client, ['2001:db8::1'], profile);
    const [url = ''] = made.body.authorizations ?? [];
    const { body } = await own.client.post(url);
    await own.client.post(String(body.challenges?.[0]?.url), {});
    await pollWhile(own.client, url, 'pending');
    waitOf(await order(own.client, ['2001:db8::ffff:1'], profile));
    expect((await order(own.client, ['2001:db8:0:1::1'], profile)).status).toBe(201);
  });

  test('in a row pause a name, until somebody acts', async () => {
    const own = await start({ consecutiveFailures: { capacity: 2, periodMs: 48 * HOUR_MS } }, {});
    await fail(own, 'zombie.test');
    await get(own, 'zombie.test');
    await fail(own, 'zombie.test');
    expect((await order(own.client, ['zombie.test'])).status).toBe(201);
    await fail(own, 'zombie.test');
    const paused = await order(own.client, ['zombie.test', 'other.test']);
    expect(problem(paused)).toEqual(LIMITED);
    expect(paused.headers).not.toHaveProperty('retry-after');
    expect(paused.body.detail).toMatch(/unpause/);
    expect((await order(own.client, ['other.test'])).status).toBe(201);
    own.server.unpause(own.client.account);
    expect((await order(own.client, ['zombie.test'])).status).toBe(201);
  });

  test('a test pauses a name itself', async () => {
    const own = await start({});
    own.server.pause(own.client.account, 'p.test');
    expect(problem(await order(own.client, ['p.test']))).toEqual(LIMITED);
  });
});

test('too many requests at once are answered with 503 and a time, and do nothing', async () => {
  const { client, server, clock } = await start({ requests: { 'new-order': { perSecond: 0.5, burst: 2 } } });
  await order(client, ['a.test']);
  await order(client, ['b.test']);
  const refused = await order(client, ['c.test']);
  expect(problem(refused)).toEqual({ status: 503, type: 'rateLimited' });
  expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(2);
  expect(server.orderCount).toBe(2);
  clock.advance(2 * SECOND_MS);
  expect((await order(client, ['c.test'])).status).toBe(201);
});
