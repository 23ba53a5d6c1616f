import { X509Certificate } from 'node:crypto';
import { Agent } from 'node:https';
import acme from 'acme-client';
import { expect, onTestFinished, test } from 'vitest';
import { startOwn } from './own.builders.ts';

test.each([
  ['dns-01', ['*.other.test', 'other.test']],
  ['http-01', ['www.other.test']],
])('a client that others wrote, acme-client, obtains a certificate by %s', async (type, names) => {
  const { server, answers } = await startOwn({ finalizeDelayMs: 100, nonceRejectPercent: 10 });
  const agent = new Agent({ ca: server.roots });
  const { defaults } = acme.axios;
  defaults.httpsAgent = agent;
  onTestFinished(() => {
    defaults.httpsAgent = undefined;
    agent.destroy();
  });
  const accountKey = await acme.crypto.createPrivateEcdsaKey();
  const client = new acme.Client({ directoryUrl: server.directory, accountKey, backoffMin: 50, backoffMax: 200 });
  const [, csr] = await acme.crypto.createCsr({ altNames: [...names] });
  const chain = await client.auto({
    csr,
    termsOfServiceAgreed: true,
    challengePriority: [type],
    skipChallengeVerification: true,
    async challengeCreateFn({ identifier }, challenge, keyAuthorization) {
      if (challenge.type === 'dns-01') {
        answers.dns.add(`_acme-challenge.${identifier.value}`, 'TXT', keyAuthorization);
      } else {
        answers.pages.set(`/.well-known/acme-challenge/${challenge.token}`, keyAuthorization);
      }
    },
    challengeRemoveFn: async () => {},
  });
  const found = new X509Certificate(chain).subjectAltName?.split(', ');
  expect(found?.toSorted()).toEqual(names.map((name) => `DNS:${name}`).toSorted());
});
