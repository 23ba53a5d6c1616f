import { inspect } from 'node:util';
import { startDnsServer } from '@certbus/acme-server';
import { findSecrets, secretsOfKey, secretText } from 'certbus-services';
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
  const debugged: string[] = [];
  const noteIn =
    (lines: string[]) =>
    (...words: unknown[]) =>
      void lines.push(inspect(words, { depth: 10, showHidden: true, maxArrayLength: null }));
  const note = noteIn(said);
  const logger = { debug: noteIn(debugged), info: note, warn: note, error: note };
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
      registerAccount(
        open({ ...watched, eab: { kid: 'kid-1', hmacKey: hmacKey.replace(/^./, (it) => (it === 'A' ? 'B' : 'A')) } }),
        {
          termsOfServiceAgreed: true,
          signal,
        },
      ),
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
  expect(debugged.length).toBeGreaterThan(20);
  const all = said.join('\n');
  const secrets = [
    ...secretsOfKey('the account key', accountKey),
    ...secretsOfKey('the next account key', newAccountKey),
    ...[hmacKey, hmacKey.slice(1)].map((text) => secretText('the key of the account binding', text)),
    { name: 'the key of the account binding, decoded', bytes: Buffer.from(hmacKey, 'base64url') },
    // Key authorizations are made of a token and this.
    secretText('a key authorization', `.${accountThumbprint(accountKey)}`),
  ];
  expect(findSecrets(all, secrets)).toEqual([]);
  expect(findSecrets(debugged.join('\n'), secrets)).toEqual([]);
  expect(tokens.length).toBeGreaterThan(1);
  for (const token of tokens) expect(all.includes(token)).toBe(false);
});
