import { KeyObject } from 'node:crypto';
import { createAcme, createCsr, generateAccountKey, obtain, registerAccount } from '@certbus/acme';
import { createAnsweringSolver } from './answering-solver.ts';
import { serveOrders } from './orders.ts';
import type { Site } from './site.ts';

/** CertBus as a contender: a fresh key and its CSR made as the manager makes them, and `obtain`. */
const KEY = { name: 'ECDSA', namedCurve: 'P-256' } as const;
const DEADLINE_MS = 60_000;
const site = JSON.parse(process.argv[2] ?? '') as Site;
const solver = createAnsweringSolver(site);

async function requestFor(names: readonly string[]): Promise<Uint8Array> {
  const pair = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const key = KeyObject.from(pair.privateKey);
  key.export({ type: 'pkcs8', format: 'pem' });
  return createCsr(names, key);
}

const { signal } = new AbortController();
const ca = createAcme({ directory: site.directory, roots: site.roots, accountKey: await generateAccountKey() });
await registerAccount(ca, { termsOfServiceAgreed: true, signal });
await serveOrders(async (names) => {
  const csr = await requestFor(names);
  const challenge = site.challenge;
  await obtain(ca, { names, csr, challenge, solver, signal, deadlineMs: DEADLINE_MS, onOrder: async () => {} });
});
await ca.close();
