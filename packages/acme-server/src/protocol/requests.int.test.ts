import { expect, test } from 'vitest';
import { order } from '../tests/issue.builders.ts';
import { createRawKey, type PostOptions, problem, type RawJws, toBase64Url } from '../tests/raw-client.builders.ts';
import { describeTargets } from '../tests/world.builders.ts';

describeTargets((world) => {
  const ask = (payload: object, options: PostOptions = {}) =>
    world.client.post(world.client.url('newOrder'), payload, options);
  const forName = (value: string) => ({ identifiers: [{ type: 'dns', value }] });

  test('a nonce is given to HEAD and to GET, and is not to be stored', async () => {
    const head = await world.client.request('HEAD', world.client.url('newNonce'));
    const get = await world.client.request('GET', world.client.url('newNonce'));
    expect([head.status, get.status]).toEqual([200, 204]);
    for (const { headers } of [head, get]) {
      expect(headers['replay-nonce']).toMatch(/^[\w-]{16,}$/);
      expect(headers['cache-control']).toContain(world.ca.isOwn ? 'no-store' : 'no-cache');
    }
    expect(head.headers['replay-nonce']).not.toBe(get.headers['replay-nonce']);
  });

  test('a nonce is good for one request, and every refusal brings another', async () => {
    const nonce = await world.client.nonce();
    const url = world.client.account;
    let first = await world.client.post(url, undefined, { header: { nonce } });
    // A nonce that was refused by chance is used up as well.
    if (first.status === 400) first = await world.client.post(url);
    expect(first.status).toBe(200);
    const again = await world.client.post(url, undefined, { header: { nonce } });
    expect(problem(again)).toEqual({ status: 400, type: 'badNonce' });
    expect(again.headers['replay-nonce']).toMatch(/^[\w-]{16,}$/);
  });

  test.each([
    ['one that nobody gave out', 'bm90LW9uZS1vZi15b3Vycw'],
    ['none', ''],
  ])('a nonce that is %s is refused', async (_, nonce) => {
    expect(problem(await world.client.post(world.client.account, undefined, { header: { nonce } })).type).toBe(
      'badNonce',
    );
  });

  test('links to the directory', async () => {
    const { headers } = await world.client.post(world.client.account);
    expect([headers.link].flat().join()).toMatch(/<https:\/\/[^>]+>;\s*rel="index"/);
  });

  test('a media type other than application/jose+json is refused', async () => {
    const answer = await world.client.post(world.client.account, undefined, { contentType: 'application/json' });
    expect(problem(answer)).toEqual({ status: 415, type: 'malformed' });
  });

  test('a request without User-Agent is refused', async () => {
    const answer = await world.client.post(world.client.account, undefined, { userAgent: null });
    // Debian's Pebble takes it.
    const refused = world.ca.isModern ? { status: 400, type: 'malformed' } : { status: 200, type: 'none' };
    expect(problem(answer)).toEqual(refused);
  });

  test.each<[string, object]>([
    [
      'a signature over something else',
      { tamper: (jws: object) => ({ ...jws, payload: toBase64Url(Buffer.from('{"a":1}')) }) },
    ],
    ['a signature by another key', { key: createRawKey() }],
    ['no signature', { tamper: (jws: object) => ({ ...jws, signature: '' }) }],
    ['an unprotected header', { tamper: (jws: object) => ({ ...jws, header: { kid: 'x' } }) }],
    ['both jwk and kid', { header: { jwk: createRawKey().jwk } }],
    ['a url that is another resource', { header: { url: 'https://127.0.0.1:1/other' } }],
    ['no url', { header: { url: undefined } }],
    ['padding in base64url', { tamper: (jws: { signature: string }) => ({ ...jws, signature: `${jws.signature}==` }) }],
  ])('a JWS with %s is malformed', async (_, options) => {
    expect(problem(await ask(forName('jws.test'), options))).toEqual({ status: 400, type: 'malformed' });
  });

  test('a JWS in the general form is malformed', async () => {
    const tamper = ({ protected: head, payload, signature }: RawJws) => ({
      payload,
      signatures: [{ protected: head, signature }],
    });
    expect(problem(await ask(forName('jws.test'), { tamper }))).toEqual({ status: 400, type: 'malformed' });
  });

  test('an algorithm that is not supported is named, with those that are', async () => {
    const answer = await ask(forName('jws.test'), { header: { alg: 'HS256' } });
    const type = world.ca.isModern ? 'badSignatureAlgorithm' : 'malformed';
    expect(problem(answer)).toEqual({ status: 400, type });
    if (world.ca.isOwn) expect(answer.body.algorithms).toContain('ES256');
  });

  test('an order signed with jwk is refused', async () => {
    expect(problem(await ask(forName('jws.test'), { byJwk: true }))).toEqual({ status: 400, type: 'malformed' });
  });

  test('a kid that is no account is told', async () => {
    const kid = world.client.account.replace(/[^/]+$/, 'nobody');
    expect(problem(await ask(forName('jws.test'), { header: { kid } }))).toEqual({
      status: 400,
      type: 'accountDoesNotExist',
    });
  });

  test.each(['newOrder', 'newAccount', 'keyChange', 'revokeCert'])('%s is not read by GET', async (resource) => {
    expect((await world.client.request('GET', world.client.url(resource))).status).toBe(405);
  });

  test('an address that is nothing is not found', async () => {
    const { status } = await world.client.request('GET', new URL('/nothing', world.ca.directory).href);
    expect(status).toBe(404);
  });

  test.each(['ES256', 'ES384', 'RS256'])('%s keys have accounts', async (alg) => {
    const other = await world.open(createRawKey(alg));
    expect((await other.register()).status).toBe(201);
    expect((await order(other, [`${alg.toLowerCase()}.test`])).status).toBe(201);
  });
});
