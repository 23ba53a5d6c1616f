import { describe, expect, test } from 'vitest';
import { order } from '../tests/issue.builders.ts';
import { createRawKey, problem, type RawClient, type RawKey, signRaw } from '../tests/raw-client.builders.ts';
import { describeTargets } from '../tests/world.builders.ts';

describeTargets((world) => {
  test('one is created, and found again by its key', async () => {
    const other = await world.open();
    const created = await other.register({ termsOfServiceAgreed: true, contact: ['mailto:a@example.com'] });
    expect(created).toMatchObject({ status: 201, body: { status: 'valid', contact: ['mailto:a@example.com'] } });
    const again = await other.register({ termsOfServiceAgreed: true });
    expect(again).toMatchObject({ status: 200, headers: { location: created.headers.location } });
    const found = await other.register({ onlyReturnExisting: true });
    expect(found).toMatchObject({ status: 200, headers: { location: created.headers.location } });
  });

  test('a key without account is told where only existing ones are asked for', async () => {
    const other = await world.open();
    const answer = await other.register({ onlyReturnExisting: true });
    expect(problem(answer)).toEqual({ status: 400, type: 'accountDoesNotExist' });
  });

  test('the terms have to be agreed to', async () => {
    const other = await world.open();
    const type = world.ca.isModern ? 'userActionRequired' : 'agreementRequired';
    expect(problem(await other.register({}))).toEqual({ status: 403, type });
  });

  test.each([
    ['tel:+12025551212', 'unsupportedContact'],
    ['mailto:', 'invalidContact'],
    ['mailto:not-an-address', 'invalidContact'],
    ['mailto:a@example.com,b@example.com', 'invalidContact'],
  ])('the contact %s is refused', async (contact, type) => {
    const other = await world.open();
    const answer = await other.register({ termsOfServiceAgreed: true, contact: [contact] });
    expect(problem(answer)).toEqual({ status: 400, type });
  });

  test('contacts are changed, and only by the account itself', async () => {
    const other = await world.openAccount();
    const contact = ['mailto:new@example.com'];
    expect(await other.post(other.account, { contact })).toMatchObject({ status: 200, body: { contact } });
    expect((await other.post(other.account)).body.contact).toEqual(contact);
    const stranger = await world.openAccount();
    const { status } = await stranger.post(other.account, { contact: [] });
    // Pebble takes it as an update of the account that signed.
    if (world.ca.isOwn) expect(status).toBe(403);
    expect((await other.post(other.account)).body.contact).toEqual(contact);
  });

  test('a deactivated one can do nothing any more', async () => {
    const other = await world.openAccount();
    const gone = await other.post(other.account, { status: 'deactivated' });
    expect(gone).toMatchObject({ status: 200, body: { status: 'deactivated' } });
    expect(problem(await order(other, ['gone.test']))).toEqual({ status: 403, type: 'unauthorized' });
    expect(problem(await other.register())).toEqual({ status: 403, type: 'unauthorized' });
  });

  describe('with another key', () => {
    function inner(of: RawClient, key: RawKey, { header = {}, payload = {} } = {}) {
      const url = of.url('keyChange');
      const body = { account: of.account, oldKey: of.key.jwk, ...payload };
      return signRaw(key, { alg: key.alg, jwk: key.jwk, url, ...header }, body);
    }

    test('the account stays, and only the new key signs for it', async () => {
      const other = await world.openAccount();
      const [before, old, key] = [other.account, other.key, createRawKey('ES384')];
      expect((await other.post(other.url('keyChange'), inner(other, key))).status).toBe(200);
      expect((await other.post(other.account)).status).toBe(400);
      other.useKey(key);
      expect((await other.post(other.account)).status).toBe(200);
      expect((await other.register({ onlyReturnExisting: true })).headers.location).toBe(before);
      const nobody = await world.open(old);
      expect(problem(await nobody.register({ onlyReturnExisting: true })).type).toBe('accountDoesNotExist');
    });

    test.each<[string, object]>([
      ['names another account', { payload: { account: 'https://127.0.0.1:1/other' } }],
      ['has another old key', { payload: { oldKey: createRawKey().jwk } }],
      ['has another url', { header: { url: 'https://127.0.0.1:1/other' } }],
    ])('an inner JWS that %s is malformed', async (_, change) => {
      const other = await world.openAccount();
      const answer = await other.post(other.url('keyChange'), inner(other, createRawKey(), change));
      expect(problem(answer)).toEqual({ status: 400, type: 'malformed' });
    });

    test('an inner JWS that the new key did not sign is malformed', async () => {
      const other = await world.openAccount();
      const { jwk } = createRawKey();
      const answer = await other.post(other.url('keyChange'), inner(other, createRawKey(), { header: { jwk } }));
      expect(problem(answer)).toEqual({ status: 400, type: 'malformed' });
    });
  });
});
