import { KeyObject, X509Certificate } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { certificateId } from '../tests/certificate-id.builders.ts';
import { createRawCsr } from '../tests/csr.builders.ts';
import { chainOf, finalize, issue, order, pollWhile, prove } from '../tests/issue.builders.ts';
import {
  createRawKey,
  problem,
  type RawAnswer,
  type RawClient,
  rawKeyOf,
  toBase64Url,
} from '../tests/raw-client.builders.ts';
import { describeTargets } from '../tests/world.builders.ts';

describeTargets((world) => {
  describe('in finalization', () => {
    async function ready(names: readonly string[]): Promise<RawAnswer> {
      const made = await order(world.client, names);
      await prove(world.client, world.answers, made, 'dns-01');
      return made;
    }

    test('an order that is pending is not ready', async () => {
      const made = await order(world.client, ['early.test']);
      expect(problem(await finalize(world.client, made))).toEqual({ status: 403, type: 'orderNotReady' });
    });

    test('a CSR for other names leaves the order ready', async () => {
      const made = await ready(['names.test']);
      for (const names of [['other.test'], ['names.test', 'more.test']]) {
        expect(problem(await finalize(world.client, made, { names }))).toEqual({ status: 403, type: 'unauthorized' });
      }
      expect((await finalize(world.client, made)).status).toBe(200);
    });

    test('a CSR with the account key is refused', async () => {
      const other = await world.open(createRawKey());
      await other.register();
      const made = await order(other, ['account-key.test']);
      await prove(other, world.answers, made, 'dns-01');
      const der = other.key.privateKey.export({ type: 'pkcs8', format: 'der' });
      const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
      const privateKey = await crypto.subtle.importKey('pkcs8', new Uint8Array(der), algorithm, true, ['sign']);
      const publicKey = await crypto.subtle.importKey('jwk', other.key.jwk, algorithm, true, ['verify']);
      const answer = await finalize(other, made, { names: ['account-key.test'], keys: { privateKey, publicKey } });
      expect(problem(answer)).toEqual({ status: 400, type: 'badCSR' });
    });

    test('a CSR whose signature is wrong, or that is none, is refused', async () => {
      const made = await ready(['signature.test']);
      const { der } = await createRawCsr({ names: ['signature.test'] });
      der[der.length - 5] = (der[der.length - 5] ?? 0) ^ 0x01;
      const submit = (bytes: Buffer) => world.client.post(String(made.body.finalize), { csr: toBase64Url(bytes) });
      expect((await submit(Buffer.from('not a CSR'))).status).toBe(400);
      // Debian's Pebble does not look at the signature.
      const refused = world.ca.isModern ? { status: 400, type: 'badCSR' } : { status: 200, type: 'none' };
      expect(problem(await submit(der))).toEqual(refused);
    });

    test('an order is finalized once', async () => {
      const made = await ready(['once.test']);
      expect((await finalize(world.client, made)).status).toBe(200);
      await pollWhile(world.client, String(made.headers.location), 'processing');
      expect(problem(await finalize(world.client, made))).toEqual({ status: 403, type: 'orderNotReady' });
    });
  });

  describe('in certificates', () => {
    test('the chain leads to the root, and the names are alternative ones only', async () => {
      const { pem, answer } = await issue(world.client, world.answers, ['chain.test', 'www.chain.test']);
      expect(answer.headers['content-type']).toMatch(/^application\/pem-certificate-chain/);
      const chain = chainOf(pem);
      expect(chain.length).toBeGreaterThanOrEqual(2);
      const root = new X509Certificate(await world.ca.issuedRoots());
      for (const [index, certificate] of chain.entries()) {
        const issuer = chain[index + 1] ?? root;
        expect(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey)).toBe(true);
      }
      if (world.ca.isModern) expect(chain[0]?.subject ?? '').not.toContain('CN=');
      expect(chain[0]?.subjectAltName?.split(', ').toSorted()).toEqual(['DNS:chain.test', 'DNS:www.chain.test']);
    });

    test('an alternate chain leads to another root', async () => {
      const { pem, answer } = await issue(world.client, world.answers, ['alternate.test']);
      const links = [answer.headers.link].flat().join(', ');
      const [, url = ''] = /<([^>]+)>;\s*rel="alternate"/.exec(links) ?? [];
      const other = await world.client.post(url);
      expect(other.status).toBe(200);
      const [one, two] = [chainOf(pem), chainOf(other.text)];
      expect(two[0]?.fingerprint256).toBe(one[0]?.fingerprint256);
      expect(two.at(-1)?.issuer).not.toBe(one.at(-1)?.issuer);
    });

    test('renewal information lies within the validity', async () => {
      if (!world.ca.isModern) return expect(world.client.directory()).not.toHaveProperty('renewalInfo');
      const { pem } = await issue(world.client, world.answers, ['ari.test']);
      const [leaf] = chainOf(pem);
      if (!leaf) throw new Error('no leaf');
      const answer = await world.client.request('GET', `${world.client.url('renewalInfo')}/${certificateId(leaf.raw)}`);
      expect(answer.status).toBe(200);
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      const [from, to] = [answer.body.suggestedWindow?.start, answer.body.suggestedWindow?.end].map((each) =>
        Date.parse(String(each)),
      );
      expect(from).toBeGreaterThan(leaf.validFromDate.getTime());
      expect(to).toBeGreaterThan(from ?? 0);
      expect(to).toBeLessThan(leaf.validToDate.getTime());
      const malformed = await world.client.request('GET', `${world.client.url('renewalInfo')}/nonsense`);
      expect(problem(malformed)).toEqual({ status: 400, type: 'malformed' });
      const unknown = await world.client.request('GET', `${world.client.url('renewalInfo')}/bm90LWl0cy1rZXk.AQ`);
      expect(unknown.status).toBe(world.ca.isOwn ? 404 : 400);
    });

    /** Pebble does not find a certificate again whose serial number begins with the digit 0, as one of sixteen does. */
    async function issueReplaceable(name: string): Promise<X509Certificate> {
      for (;;) {
        const { pem } = await issue(world.client, world.answers, [name]);
        const [leaf] = chainOf(pem);
        if (leaf && !leaf.serialNumber.startsWith('0')) return leaf;
      }
    }

    test('a certificate is replaced once, by its own account', async () => {
      if (!world.ca.isModern) return expect(world.client.directory()).not.toHaveProperty('renewalInfo');
      const replaces = certificateId((await issueReplaceable('replaced.test')).raw);
      const stranger = await world.openAccount();
      // Pebble writes down what an order issued, and what it replaced, after the order is valid.
      await expect
        .poll(async () => problem(await order(stranger, ['replaced.test'], { replaces })))
        .toEqual({ status: 403, type: 'unauthorized' });
      expect((await order(world.client, ['elsewhere.test'], { replaces })).status).toBeGreaterThanOrEqual(400);
      const { orderUrl } = await issue(world.client, world.answers, ['replaced.test'], { order: { replaces } });
      expect((await world.client.post(orderUrl)).body.replaces).toBe(replaces);
      await expect
        .poll(async () => problem(await order(world.client, ['replaced.test'], { replaces })))
        .toEqual({ status: 409, type: 'alreadyReplaced' });
      expect(problem(await order(world.client, ['replaced.test'], { replaces: '!' }))).toEqual({
        status: 400,
        type: 'malformed',
      });
    });

    describe('that are revoked', () => {
      const revoke = (by: RawClient, pem: string, more: object = {}, options = {}) =>
        by.post(
          by.url('revokeCert'),
          { certificate: toBase64Url(chainOf(pem)[0]?.raw ?? Buffer.alloc(0)), ...more },
          options,
        );

      test('the account revokes once', async () => {
        const { pem } = await issue(world.client, world.answers, ['revoke.test']);
        expect((await revoke(world.client, pem, { reason: 4 })).status).toBe(200);
        expect(problem(await revoke(world.client, pem)).type).toBe('alreadyRevoked');
      });

      test("the certificate's key revokes without an account", async () => {
        const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
        const { pem } = await issue(world.client, world.answers, ['by-key.test'], {
          csr: { names: ['by-key.test'], keys },
        });
        const privateKey = KeyObject.from(keys.privateKey);
        const key = rawKeyOf('ES256', { privateKey, publicKey: KeyObject.from(keys.publicKey) });
        const nobody = await world.open();
        const wrong = await revoke(nobody, pem, { reason: 1 }, { byJwk: true });
        expect(problem(wrong)).toEqual({ status: 403, type: 'unauthorized' });
        expect((await revoke(nobody, pem, { reason: 1 }, { byJwk: true, key })).status).toBe(200);
      });

      test('a stranger may not', async () => {
        const { pem } = await issue(world.client, world.answers, ['stranger.test']);
        const stranger = await world.openAccount();
        expect(problem(await revoke(stranger, pem))).toEqual({ status: 403, type: 'unauthorized' });
      });

      test('a reason that is none is refused', async () => {
        const { pem } = await issue(world.client, world.answers, ['reason.test']);
        expect(problem(await revoke(world.client, pem, { reason: 7 }))).toEqual({
          status: 400,
          type: 'badRevocationReason',
        });
      });
    });
  });
});
