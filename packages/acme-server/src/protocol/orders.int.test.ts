import { BLOCKED_NAME } from 'certbus-services';
import { expect, test } from 'vitest';
import { finalize, issue, order } from '../tests/issue.builders.ts';
import { type PostOptions, problem } from '../tests/raw-client.builders.ts';
import { describeTargets } from '../tests/world.builders.ts';

describeTargets((world) => {
  const ask = (payload: object, options: PostOptions = {}) =>
    world.client.post(world.client.url('newOrder'), payload, options);
  const forName = (value: string) => ({ identifiers: [{ type: 'dns', value }] });

  test('every name has an authorization, a wildcard without its asterisk', async () => {
    const made = await order(world.client, ['*.shape.test', 'shape.test']);
    expect(made).toMatchObject({ status: 201, body: { status: 'pending' } });
    expect(made.headers.location).toMatch(/^https:/);
    expect(made.body.identifiers?.map(({ value }) => value).toSorted()).toEqual(['*.shape.test', 'shape.test']);
    const all = await Promise.all((made.body.authorizations ?? []).map((url) => world.client.post(url)));
    expect(all.map(({ body }) => body.identifier?.value)).toEqual(['shape.test', 'shape.test']);
    const wild = all.find(({ body }) => body.wildcard);
    expect(wild?.body.challenges?.map(({ type }) => type)).not.toContain('http-01');
    const plain = all.find(({ body }) => !body.wildcard);
    const types = plain?.body.challenges?.map(({ type }) => type);
    expect(types).toEqual(expect.arrayContaining(['http-01', 'dns-01', 'tls-alpn-01']));
    for (const { token } of plain?.body.challenges?.filter(({ type }) => type !== 'dns-persist-01') ?? []) {
      expect(token).toMatch(/^[\w-]{22,}$/);
    }
  });

  test('an address cannot be proven by DNS', async () => {
    const made = await order(world.client, ['127.0.0.1'], world.ca.isOwn ? { profile: 'shortlived' } : {});
    const { body } = await world.client.post(String(made.body.authorizations?.[0]));
    expect(body.identifier).toEqual({ type: 'ip', value: '127.0.0.1' });
    expect(body.challenges?.map(({ type }) => type).toSorted()).toEqual(['http-01', 'tls-alpn-01']);
  });

  test.each([
    ['bücher.test', 'U-label'],
    ['under_score.test', 'underscore'],
    ['a.*.test', 'wildcard in the middle'],
    ['*.*.test', 'two wildcards'],
    ['dot.test.', 'dot at the end'],
    ['192.0.2.1', 'address as a name'],
    [`${'a.'.repeat(130)}test`, 'length'],
    ['', 'nothing'],
  ])('the name "%s" is malformed (%s)', async (name) => {
    expect(problem(await ask(forName(name)))).toEqual({ status: 400, type: 'malformed' });
  });

  test.each([
    ['no identifiers', {}],
    ['an empty list of identifiers', { identifiers: [] }],
    ['an address that is none', { identifiers: [{ type: 'ip', value: '300.1.1.1' }] }],
  ])('%s is malformed', async (_, payload) => {
    expect(problem(await ask(payload))).toEqual({ status: 400, type: 'malformed' });
  });

  test('a type of identifier that is not known is refused', async () => {
    const type = world.ca.isOwn ? 'unsupportedIdentifier' : 'malformed';
    expect(problem(await ask({ identifiers: [{ type: 'email', value: 'a@example.com' }] })).type).toBe(type);
  });

  test('a name that the CA forbids is named', async () => {
    const answer = await order(world.client, [`www.${BLOCKED_NAME}`]);
    expect(problem(answer)).toEqual({ status: 400, type: 'rejectedIdentifier' });
    const { isModern } = world.ca;
    if (isModern) expect(answer.body.subproblems?.[0]?.identifier.value).toBe(`www.${BLOCKED_NAME}`);
  });

  test('a profile that does not exist is refused', async () => {
    const answer = await order(world.client, ['profile.test'], { profile: 'imaginary' });
    // Debian's Pebble has no profiles, and does not read the field.
    const refused = world.ca.isModern ? { status: 400, type: 'invalidProfile' } : { status: 201, type: 'none' };
    expect(problem(answer)).toEqual(refused);
  });

  test('nobody else reads an order, an authorization, a challenge or a certificate', async () => {
    const { orderUrl, certificateUrl } = await issue(world.client, world.answers, ['private.test']);
    const { body } = await world.client.post(orderUrl);
    const stranger = await world.openAccount();
    for (const url of [orderUrl, certificateUrl, ...(body.authorizations ?? [])]) {
      expect((await stranger.post(url)).status).toBeGreaterThanOrEqual(400);
    }
  });

  test('an order is read by an empty payload only', async () => {
    const made = await order(world.client, ['empty.test']);
    expect(problem(await world.client.post(String(made.headers.location), {}))).toEqual({
      status: 400,
      type: 'malformed',
    });
  });

  test('a deactivated authorization ends its order', async () => {
    const made = await order(world.client, ['deactivate.test']);
    const [url = ''] = made.body.authorizations ?? [];
    const gone = await world.client.post(url, { status: 'deactivated' });
    expect(gone).toMatchObject({ status: 200, body: { status: 'deactivated' } });
    if (world.ca.isModern) expect((await world.client.post(String(made.headers.location))).body.status).toBe('invalid');
    expect(problem(await finalize(world.client, made))).toEqual({ status: 403, type: 'orderNotReady' });
  });
});
