import { createPrivateKey } from 'node:crypto';
import { inspect } from 'node:util';
import { startDnsServer } from '@certbus/acme-server';
import { expect, test } from 'vitest';
import {
  accountThumbprint,
  deactivateAccount,
  findAccountKey,
  generateAccountKey,
  registerAccount,
  revoke,
  rollOverAccountKey,
  type Solver,
} from '../index.ts';
import { createDnsSolver } from './dns-solver.builders.ts';
import { obtainFor, startStrictCa } from './strict-ca.builders.ts';

/** What must be nowhere: a key as PEM holds it, and its secret number. */
function secretsOf(pem: string): string[] {
  const { d = '' } = createPrivateKey(pem).export({ format: 'jwk' });
  const body = pem.replace(/-----[A-Z ]+-----|\s/g, '');
  return [d, body.slice(40, 100), Buffer.from(d, 'base64url').toString('hex')];
}

test('no log line, event or error of any flow shows a key, and tokens appear at debug level only', async () => {
  await using dns = await startDnsServer();
  const hmacKey = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
  const { open, server, accountKey, signal } = await startStrictCa({
    externalAccountRequired: true,
    externalAccounts: [{ kid: 'kid-1', hmacKey }],
    validation: { alwaysValid: false, dnsServer: dns.address },
    pollRetryAfterS: null,
  });
  const said: string[] = [];
  const note = (...words: unknown[]) => void said.push(inspect(words, { depth: 10, showHidden: true }));
  const logger = { debug() {}, info: note, warn: note, error: note };
  const eab = { kid: 'kid-1', hmacKey };
  const watched = { logger, observe: note };
  const ca = open({ ...watched, eab });
  const newAccountKey = await generateAccountKey();
  const host = createDnsSolver(dns);
  const tokens: string[] = [];
  const solver: Solver = {
    ...host,
    async present(challenges, options) {
      tokens.push(...challenges.map(({ token }) => token));
      await host.present(challenges, options);
    },
  };
  const failing = { ...solver, async present() {} };

  const flows: (() => Promise<unknown>)[] = [
    () =>
      registerAccount(open({ ...watched, eab: { kid: 'kid-1', hmacKey: hmacKey.replace(/^./, 'A') } }), {
        termsOfServiceAgreed: true,
        signal,
      }),
    () => registerAccount(ca, { termsOfServiceAgreed: true, signal }),
    () => obtainFor(ca, ['*.a.test', 'a.test'], { solver }),
    () => obtainFor(ca, ['b.test'], { solver: failing }),
    () =>
      obtainFor(ca, ['c.test'], {
        solver: { ...solver, present: async () => Promise.reject(new Error('no DNS today')) },
      }),
    () => revoke(ca, new Uint8Array(8), { reason: 'unspecified', signal }),
    () => revoke(ca, new Uint8Array(8), { reason: 'unspecified', certificateKey: accountKey.slice(0, 150), signal }),
    () => rollOverAccountKey(ca, { newAccountKey: `${newAccountKey}x`.replace('PRIVATE', 'PRIVATE '), signal }),
    () => rollOverAccountKey(ca, { newAccountKey, signal }),
    () => findAccountKey(ca, { accountKeys: [accountKey, newAccountKey], signal }),
    () => deactivateAccount(open({ ...watched, accountKey: newAccountKey }), { signal }),
    () => obtainFor(ca, ['d.test'], { solver }),
  ];
  for (const flow of flows) await flow().catch(note);
  server.faults.inject({ kind: 'html' }, { times: Number.POSITIVE_INFINITY });
  await registerAccount(open({ ...watched, eab }), { termsOfServiceAgreed: true, signal }).catch(note);

  expect(said.length).toBeGreaterThan(20);
  const all = said.join('\n');
  for (const secret of [...secretsOf(accountKey), ...secretsOf(newAccountKey), hmacKey, hmacKey.slice(1)]) {
    expect(all.includes(secret)).toBe(false);
  }
  // Key authorizations are made of a token and this.
  expect(all.includes(`.${accountThumbprint(accountKey)}`)).toBe(false);
  expect(tokens.length).toBeGreaterThan(1);
  for (const token of tokens) expect(all.includes(token)).toBe(false);
});
