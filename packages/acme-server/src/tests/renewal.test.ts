import { expect, test } from 'vitest';
import { certificateId } from './certificate-id.builders.ts';
import { chainOf, finalize, issue, order, prove } from './issue.builders.ts';
import { type Own, startOwn } from './own.builders.ts';
import { problem, type RawAnswer, toBase64Url } from './raw-client.builders.ts';

const HOUR_MS = 3_600_000;
const MALFORMED = { status: 400, type: 'malformed' };

async function issued({ client, answers }: Own, name = 'ari.test', more: object = {}) {
  const { pem } = await issue(client, answers, [name], { order: more });
  const [leaf] = chainOf(pem);
  if (!leaf) throw new Error('no leaf');
  return { leaf, id: certificateId(leaf.raw) };
}

const ask = ({ client }: Own, id: string) => client.request('GET', `${client.url('renewalInfo')}/${id}`);

function windowOf({ body }: RawAnswer): { start: number; end: number } {
  return { start: Date.parse(String(body.suggestedWindow?.start)), end: Date.parse(String(body.suggestedWindow?.end)) };
}

test.each([
  ['classic', 90 * 24, 2 / 3, 43.2],
  ['tlsserver', 45 * 24, 2 / 3, 21.6],
  ['shortlived', 160, 1 / 2, 3.2],
])('for profile %s (%i hours) the window is around %d of it, and %d hours wide', async (profile, hours, part, wide) => {
  const own = await startOwn();
  const { leaf, id } = await issued(own, 'ari.test', { profile });
  const answer = await ask(own, id);
  expect(answer.headers).toMatchObject({ 'retry-after': '21600', 'content-type': 'application/json' });
  const { start, end } = windowOf(answer);
  expect(Math.abs((end - start) / HOUR_MS - wide)).toBeLessThan(0.01);
  const centre = ((start + end) / 2 - leaf.validFromDate.getTime()) / HOUR_MS;
  expect(Math.abs(centre - hours * part)).toBeLessThan(0.01);
});

test('in an incident the window is over already, and a page says why', async () => {
  const own = await startOwn();
  const [one, two] = [await issued(own, 'one.test'), await issued(own, 'two.test')];
  own.server.setIncident({ explanationUrl: 'https://ca.test/incident', certificateIds: [one.id] });
  const answer = await ask(own, one.id);
  expect(answer.body.explanationURL).toBe('https://ca.test/incident');
  const now = own.clock.now().getTime();
  const { start, end } = windowOf(answer);
  expect([Math.round((now - start) / 60_000), Math.round((now - end) / 60_000)]).toEqual([60, 30]);
  expect(windowOf(await ask(own, two.id)).start).toBeGreaterThan(now);
  own.server.setIncident({});
  expect(windowOf(await ask(own, two.id)).end).toBeLessThan(now);
  own.server.setIncident(undefined);
  expect(windowOf(await ask(own, one.id)).start).toBeGreaterThan(now);
});

test('a revoked certificate is to be renewed at once', async () => {
  const own = await startOwn();
  const { leaf, id } = await issued(own);
  await own.client.post(own.client.url('revokeCert'), { certificate: toBase64Url(leaf.raw) });
  expect(windowOf(await ask(own, id)).end).toBeLessThan(own.clock.now().getTime());
});

test('a test puts anything in its place, also what is malformed', async () => {
  const own = await startOwn({ renewalRetryAfterS: 60 });
  const { id } = await issued(own);
  const suggestedWindow = { start: '2026-01-02T00:00:00Z', end: '2026-01-01T00:00:00Z' };
  own.server.overrideRenewalInfo(id, { suggestedWindow });
  expect(await ask(own, id)).toMatchObject({
    status: 200,
    body: { suggestedWindow },
    headers: { 'retry-after': '60' },
  });
  own.server.overrideRenewalInfo(id, '{"suggestedWindow":');
  expect((await ask(own, id)).text).toBe('{"suggestedWindow":');
});

test.each([
  ['nothing', 400],
  ['a.b.c', 400],
  ['AA=.BB', 404],
  ['bm90LWl0cy1rZXk.AQ', 404],
])('the name %s is answered with %i', async (id, status) => {
  const own = await startOwn();
  expect((await ask(own, id)).status).toBe(status);
});

test('a certificate of another CA cannot be replaced', async () => {
  const [own, other] = [await startOwn(), await startOwn()];
  const { id } = await issued(other);
  expect(problem(await order(own.client, ['ari.test'], { replaces: id }))).toEqual({ status: 404, type: 'malformed' });
});

test('a certificate of another account cannot be replaced', async () => {
  const own = await startOwn();
  const { id } = await issued(own);
  const stranger = await own.openAccount();
  expect(problem(await order(stranger, ['ari.test'], { replaces: id }))).toEqual({ status: 403, type: 'unauthorized' });
});

test('a certificate without a name of the order cannot be replaced', async () => {
  const own = await startOwn();
  const { id } = await issued(own);
  expect(problem(await order(own.client, ['other.test'], { replaces: id }))).toEqual(MALFORMED);
  expect(problem(await order(own.client, ['ari.test'], { replaces: 'no dots' }))).toEqual(MALFORMED);
});

test('a certificate is replaced from the order on, unless that comes to nothing', async () => {
  const own = await startOwn();
  const { client, answers, server } = own;
  const { id } = await issued(own);
  const first = await order(client, ['ari.test', 'more.test'], { replaces: id });
  expect(first).toMatchObject({ status: 201, body: { replaces: id } });
  const again = () => order(client, ['ari.test'], { replaces: id });
  expect(problem(await again())).toEqual({ status: 409, type: 'alreadyReplaced' });
  await client.post(String(first.body.authorizations?.[0]), { status: 'deactivated' });
  const second = await again();
  expect(second.status).toBe(201);
  await prove(client, answers, second, 'dns-01');
  await finalize(client, second);
  expect(problem(await again())).toEqual({ status: 409, type: 'alreadyReplaced' });
  expect(server.certificates().map(({ isReplaced }) => isReplaced)).toEqual([true, false]);
});
