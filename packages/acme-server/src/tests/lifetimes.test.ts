import { expect, test } from 'vitest';
import { letsEncryptProfiles, type Profile } from '../index.ts';
import { createRawCsr } from './csr.builders.ts';
import { chainOf, finalize, issue, order, pollWhile, prove } from './issue.builders.ts';
import { startOwn } from './own.builders.ts';
import { problem, toBase64Url } from './raw-client.builders.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

test.each([
  ['classic', 90 * 24],
  ['tlsserver', 45 * 24],
  ['shortlived', 160],
])('a certificate of profile %s lasts %i hours, and the order says its profile', async (profile, hours) => {
  const { client, answers } = await startOwn();
  const { pem, orderUrl } = await issue(client, answers, ['life.test'], { order: { profile } });
  const [leaf] = chainOf(pem);
  const validity = Number(leaf?.validToDate) - Number(leaf?.validFromDate) + 1000;
  expect(validity).toBe(hours * HOUR_MS);
  expect((await client.post(orderUrl)).body).toMatchObject({ status: 'valid', profile });
});

test('an order that nobody goes on with ends with its authorizations', async () => {
  const { client, clock } = await startOwn();
  const made = await order(client, ['late.test'], { profile: 'tlsserver' });
  const [url = ''] = made.body.authorizations ?? [];
  clock.advance(59 * MINUTE_MS);
  expect((await client.post(url)).body.status).toBe('pending');
  clock.advance(2 * MINUTE_MS);
  const { body } = await client.post(url);
  expect(body.status).toBe('expired');
  expect((await client.post(String(made.headers.location))).body.status).toBe('invalid');
  expect(problem(await client.post(String(body.challenges?.[0]?.url), {}))).toEqual({ status: 400, type: 'malformed' });
});

test('the clock under the server can stand still', async () => {
  const at = new Date('2030-06-01T00:00:00Z');
  const { client, answers } = await startOwn({ now: () => at });
  const { pem } = await issue(client, answers, ['still.test']);
  expect(chainOf(pem)[0]?.validFromDate).toEqual(new Date('2030-05-31T23:00:00Z'));
});

const SHORT = { ...letsEncryptProfiles['tlsserver'], validityMs: 10 * MINUTE_MS } as Profile;

test('an order can fix the dates of its certificate, and cannot be finalized after them', async () => {
  const epoch = new Date();
  const { client, answers, clock } = await startOwn({ now: () => epoch, fixesDates: true, profiles: { short: SHORT } });
  const at = clock.now().getTime();
  const made = await order(client, ['dated.test']);
  const [from, to] = [made.body.notBefore, made.body.notAfter].map((date) => Date.parse(String(date)));
  expect(Math.abs(Number(from) + MINUTE_MS - at)).toBeLessThan(1_000);
  expect(Number(to) - Number(from)).toBe(10 * MINUTE_MS - 1000);
  await prove(client, answers, made, 'dns-01');
  clock.advance(5 * MINUTE_MS);
  await finalize(client, made);
  const { body } = await client.post(String(made.headers.location));
  const [leaf] = chainOf((await client.post(String(body.certificate))).text);
  expect([leaf?.validFromDate.getTime(), leaf?.validToDate.getTime()]).toEqual([from, to]);
  const late = await order(client, ['late.test']);
  await prove(client, answers, late, 'dns-01');
  clock.advance(9 * MINUTE_MS);
  const refused = await finalize(client, late);
  expect(problem(refused)).toEqual({ status: 500, type: 'serverInternal' });
  expect(refused.text).toContain('notAfter cannot be in the past');
  expect((await client.post(String(late.headers.location))).body.status).toBe('ready');
});

test('finalization takes its time, and says when to come back', async () => {
  const { client, answers, clock } = await startOwn({ finalizeDelayMs: 3 * MINUTE_MS, pollRetryAfterS: 7 });
  const made = await order(client, ['slow.test']);
  await prove(client, answers, made, 'dns-01');
  const submitted = await finalize(client, made);
  expect(submitted).toMatchObject({ body: { status: 'processing' }, headers: { 'retry-after': '7' } });
  const url = String(made.headers.location);
  clock.advance(2 * MINUTE_MS);
  expect((await client.post(url)).body.status).toBe('processing');
  clock.advance(MINUTE_MS);
  const both = await Promise.all([client.post(url), client.post(url)]);
  for (const { body } of both) expect(body).toMatchObject({ status: 'valid', certificate: expect.any(String) });
});

test('of two finalizations at once one is taken', async () => {
  const { client, answers, server } = await startOwn();
  const made = await order(client, ['twice.test']);
  await prove(client, answers, made, 'dns-01');
  const { der } = await createRawCsr({ names: ['twice.test'] });
  const submit = () => client.post(String(made.body.finalize), { csr: toBase64Url(der) });
  const statuses = (await Promise.all([submit(), submit(), submit()])).map(({ status }) => status);
  expect(statuses.toSorted()).toEqual([200, 403, 403]);
  expect(server.certificates()).toHaveLength(1);
});

test('an open order for the same names is given again, where the CA does that', async () => {
  const { client, openAccount, server, answers } = await startOwn({ reuseOrders: true });
  const made = await order(client, ['a.test', 'b.test']);
  const again = await order(client, ['b.test', 'a.test']);
  expect(again).toMatchObject({ status: 201, headers: { location: made.headers.location } });
  expect((await order(client, ['a.test', 'b.test'], { profile: 'tlsserver' })).headers.location).not.toBe(
    made.headers.location,
  );
  expect((await order(await openAccount(), ['a.test', 'b.test'])).headers.location).not.toBe(made.headers.location);
  expect(server.orderCount).toBe(3);
  await prove(client, answers, made, 'dns-01');
  expect((await order(client, ['a.test', 'b.test'])).body.status).toBe('ready');
  await finalize(client, made);
  expect((await order(client, ['a.test', 'b.test'])).headers.location).not.toBe(made.headers.location);
});

test('orders are new each time, where the CA does not', async () => {
  const { client } = await startOwn();
  const [one, two] = [await order(client, ['a.test']), await order(client, ['a.test'])];
  expect(one.headers.location).not.toBe(two.headers.location);
});

test('a valid authorization counts for the next order, for as long as its profile says', async () => {
  const { client, answers, clock, openAccount } = await startOwn({ reuseAuthorizations: true });
  await issue(client, answers, ['reuse.test']);
  expect((await order(client, ['reuse.test'])).body.status).toBe('ready');
  expect((await order(client, ['*.reuse.test'])).body.status).toBe('pending');
  expect((await order(client, ['reuse.test'], { profile: 'tlsserver' })).body.status).toBe('pending');
  expect((await order(await openAccount(), ['reuse.test'])).body.status).toBe('pending');
  const both = await order(client, ['reuse.test', 'new.test']);
  const states = await Promise.all(
    (both.body.authorizations ?? []).map(async (url) => (await client.post(url)).body.status),
  );
  expect(states).toEqual(['valid', 'pending']);
  clock.advanceDays(31);
  expect((await order(client, ['reuse.test'])).body.status).toBe('pending');
});

test('a deactivated authorization does not count again, and ends an order that is ready', async () => {
  const { client, answers } = await startOwn({ reuseAuthorizations: true });
  const made = await order(client, ['off.test']);
  await prove(client, answers, made, 'dns-01');
  const [url = ''] = made.body.authorizations ?? [];
  expect((await client.post(url, { status: 'deactivated' })).body.status).toBe('deactivated');
  expect((await client.post(String(made.headers.location))).body.status).toBe('invalid');
  expect((await order(client, ['off.test'])).body.status).toBe('pending');
  expect(problem(await client.post(url, { status: 'deactivated' }))).toEqual({ status: 400, type: 'malformed' });
});

test('a challenge is met once, and saying so again does no harm', async () => {
  const { client, answers } = await startOwn();
  const made = await order(client, ['again.test']);
  await prove(client, answers, made, 'dns-01');
  const [url = ''] = made.body.authorizations ?? [];
  const { body } = await client.post(url);
  expect(body.challenges?.map(({ type, status }) => `${type} ${status}`)).toEqual(['dns-01 valid']);
  const again = await client.post(String(body.challenges?.[0]?.url), {});
  expect(again).toMatchObject({ status: 200, body: { status: 'valid' } });
  expect([again.headers.link].flat().join()).toContain(`<${url}>;rel="up"`);
});

test('a validation can take its time, and shows it', async () => {
  const { client } = await startOwn({ validation: { delayMs: 300 }, pollRetryAfterS: 2 });
  const made = await order(client, ['wait.test']);
  const [url = ''] = made.body.authorizations ?? [];
  const { body } = await client.post(url);
  const challenge = body.challenges?.find(({ type }) => type === 'dns-01');
  expect((await client.post(String(challenge?.url), {})).body.status).toBe('processing');
  expect((await client.post(url)).headers['retry-after']).toBe('2');
  expect((await pollWhile(client, url, 'pending')).body.status).toBe('invalid');
});

test('a hundred names make one certificate', async () => {
  const { client, answers, server } = await startOwn();
  const names = Array.from({ length: 100 }, (_, index) => `host-${index}.hundred.test`);
  const { pem } = await issue(client, answers, names);
  expect(chainOf(pem)[0]?.subjectAltName?.split(', ')).toHaveLength(100);
  expect(server.certificates()[0]?.names).toEqual(names);
});
