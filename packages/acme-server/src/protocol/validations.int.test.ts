import { expect, test } from 'vitest';
import { chainOf, digestOf, finalize, issue, keyAuthorization, order, pollWhile } from '../tests/issue.builders.ts';
import { problem, type RawAnswer } from '../tests/raw-client.builders.ts';
import { describeTargets } from '../tests/world.builders.ts';

describeTargets((world) => {
  test('dns-01 proves a wildcard and its apex', async () => {
    const { pem } = await issue(world.client, world.answers, ['*.e2e.test', 'e2e.test']);
    expect(chainOf(pem)[0]?.subjectAltName?.split(', ').toSorted()).toEqual(['DNS:*.e2e.test', 'DNS:e2e.test']);
  });

  test('dns-01 follows an alias, and joins the chunks of a text', async () => {
    const made = await order(world.client, ['alias.test']);
    const { body } = await world.client.post(String(made.body.authorizations?.[0]));
    const challenge = body.challenges?.find(({ type }) => type === 'dns-01');
    if (!challenge) throw new Error('no dns-01');
    const digest = digestOf(keyAuthorization(world.client, challenge));
    world.answers.dns.set('_acme-challenge.alias.test', 'CNAME', ['validation.elsewhere.test']);
    // Debian's Pebble takes each chunk for a text.
    const value = world.ca.isModern ? [digest.slice(0, 20), digest.slice(20)] : digest;
    world.answers.dns.set('validation.elsewhere.test', 'TXT', [value]);
    await world.client.post(challenge.url, {});
    const { body: verdict } = await pollWhile(world.client, String(made.body.authorizations?.[0]), 'pending');
    expect(verdict.status).toBe('valid');
  });

  test.each(['http-01', 'tls-alpn-01'])('%s proves a name', async (type) => {
    const { pem } = await issue(world.client, world.answers, [`${type}.e2e.test`], { type });
    expect(chainOf(pem)[0]?.subjectAltName).toBe(`DNS:${type}.e2e.test`);
  });

  test.each(['http-01', 'tls-alpn-01'])('%s proves an address', async (type) => {
    const more = world.ca.isOwn ? { profile: 'shortlived' } : {};
    const { pem } = await issue(world.client, world.answers, ['127.0.0.1'], { type, order: more });
    expect(chainOf(pem)[0]?.subjectAltName).toBe('IP Address:127.0.0.1');
  });

  test.each(['dns-account-01', 'dns-persist-01'])('%s proves a wildcard, where it is offered', async (type) => {
    if (!world.ca.isModern) {
      const made = await order(world.client, [`*.${type}.test`]);
      const { body } = await world.client.post(String(made.body.authorizations?.[0]));
      return expect(body.challenges?.map((each) => each.type)).not.toContain(type);
    }
    const { pem } = await issue(world.client, world.answers, [`*.${type}.test`], { type });
    expect(chainOf(pem)[0]?.subjectAltName).toBe(`DNS:*.${type}.test`);
  });

  test('http-01 follows a redirect', async () => {
    const made = await order(world.client, ['moved.test']);
    const { body } = await world.client.post(String(made.body.authorizations?.[0]));
    const challenge = body.challenges?.find(({ type }) => type === 'http-01');
    if (!challenge) throw new Error('no http-01');
    const to = `http://other.test:${world.answers.httpPort}/elsewhere`;
    world.answers.pages.set('/elsewhere', keyAuthorization(world.client, challenge));
    world.answers.pages.set(`/.well-known/acme-challenge/${challenge.token}`, (response) =>
      response.writeHead(302, { location: to }).end(),
    );
    await world.client.post(challenge.url, {});
    const { body: after } = await pollWhile(world.client, String(made.body.authorizations?.[0]), 'pending');
    expect(after.status).toBe('valid');
    expect(world.answers.asked).toContain(`other.test:${world.answers.httpPort}/elsewhere`);
  });

  async function failWith(name: string, type: string): Promise<{ order: RawAnswer; kind: string }> {
    const made = await order(world.client, [name]);
    const [url = ''] = made.body.authorizations ?? [];
    const { body } = await world.client.post(url);
    const challenge = body.challenges?.find((each) => each.type === type);
    await world.client.post(String(challenge?.url), {});
    const after = await pollWhile(world.client, url, 'pending');
    expect(after.body.status).toBe('invalid');
    const failed = after.body.challenges?.find((each) => each.type === type);
    expect(failed?.status).toBe('invalid');
    return { order: made, kind: String(failed?.error?.type).replace(/^.*:/, '') };
  }

  test.each([
    ['dns-01', 'unauthorized'],
    ['http-01', 'unauthorized'],
  ])('a %s that is not met ends its authorization and its order', async (type, kind) => {
    const failed = await failWith(`unmet.${type}.test`, type);
    expect(failed.kind).toBe(kind);
    expect((await world.client.post(String(failed.order.headers.location))).body.status).toBe('invalid');
    expect(problem(await finalize(world.client, failed.order))).toEqual({ status: 403, type: 'orderNotReady' });
  });

  test('a server that is not there is a problem of the connection', async () => {
    world.answers.dns.set('away.test', 'A', ['127.0.0.77']);
    expect((await failWith('away.test', 'http-01')).kind).toBe('connection');
  });

  test('a key authorization of another account does not count', async () => {
    const other = await world.openAccount();
    const made = await order(world.client, ['foreign.test']);
    const { body } = await world.client.post(String(made.body.authorizations?.[0]));
    const challenge = body.challenges?.find(({ type }) => type === 'http-01');
    if (!challenge) throw new Error('no http-01');
    world.answers.pages.set(`/.well-known/acme-challenge/${challenge.token}`, keyAuthorization(other, challenge));
    await world.client.post(challenge.url, {});
    const after = await pollWhile(world.client, String(made.body.authorizations?.[0]), 'pending');
    expect(after.body.status).toBe('invalid');
  });
});
