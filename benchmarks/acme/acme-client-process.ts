import acme from 'acme-client';
import { createAnswers } from './answers.ts';
import { serveOrders } from './orders.ts';
import type { Site } from './site.ts';

// The default of 5 s would make the figures ones of timers: a first look too early, and a tenth of the slice waits.
const SHORT_POLL_MS = 20;
/** acme-client as a contender: `auto()`. Its own look at the answers is off, as CertBus's. */
const site = JSON.parse(process.argv[2] ?? '') as Site;
const answers = createAnswers(site.answers);
const accountKey = await acme.crypto.createPrivateEcdsaKey('P-256');
const client = new acme.Client({ directoryUrl: site.directory, accountKey, backoffMin: SHORT_POLL_MS });
await client.createAccount({ termsOfServiceAgreed: true });
const hostOf = (name: string) => `_acme-challenge.${name}`;
await serveOrders(async (names) => {
  const [, csr] = await acme.crypto.createCsr(
    { altNames: [...names] },
    await acme.crypto.createPrivateEcdsaKey('P-256'),
  );
  await client.auto({
    csr,
    termsOfServiceAgreed: true,
    skipChallengeVerification: true,
    challengePriority: [site.challenge],
    challengeCreateFn: ({ identifier }, { token }, answer) =>
      site.challenge === 'http-01' ? answers.addHttp(token, answer) : answers.addTxt(hostOf(identifier.value), answer),
    challengeRemoveFn: ({ identifier }, { token }) =>
      site.challenge === 'http-01' ? answers.removeHttp(token) : answers.removeTxt(hostOf(identifier.value)),
  });
});
