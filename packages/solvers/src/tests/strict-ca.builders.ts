import { type Acme, createAcme, generateAccountKey, obtain, registerAccount, type Solver } from '@certbus/acme';
import { type AcmeServerOptions, startAcmeServer } from '@certbus/acme-server';
import { createCsr } from 'certbus-services';
import { onTestFinished } from 'vitest';

/** An account at a strict CA. */
export interface Registered {
  readonly ca: Acme;
  readonly accountUrl: string;
  readonly signal: AbortSignal;
}

/** Starts a strict CA, and registers an account there; all ends with the test. */
export async function startRegistered(options: AcmeServerOptions): Promise<Registered> {
  const { directory, roots, ...server } = await startAcmeServer(options);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const signal = AbortSignal.timeout(300_000);
  const ca = createAcme({ directory, roots, accountKey: await generateAccountKey() });
  onTestFinished(() => ca.close());
  const { url } = await registerAccount(ca, { termsOfServiceAgreed: true, signal });
  return { ca, accountUrl: url, signal };
}

/** Obtains a certificate by dns-01. */
export async function obtainFor({ ca, signal }: Registered, names: readonly string[], solver: Solver): Promise<void> {
  const { csr } = await createCsr(names);
  await obtain(ca, { names, csr, challenge: 'dns-01', solver, onOrder: async () => {}, signal });
}
