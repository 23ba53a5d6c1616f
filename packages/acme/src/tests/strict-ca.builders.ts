/** A strict CA for tests that believes every answer, and ways to it. */
import { type AcmeServer, type AcmeServerOptions, startAcmeServer } from '@certbus/acme-server';
import { createCsr } from 'certbus-services';
import { onTestFinished } from 'vitest';
import {
  type Acme,
  type AcmeOptions,
  createAcme,
  generateAccountKey,
  type Obtained,
  type ObtainOptions,
  obtain,
  registerAccount,
  type Solver,
} from '../index.ts';

/** For a CA that believes everything. */
export const idleSolver: Solver = {
  challenges: ['dns-01', 'http-01'],
  async present() {},
  async ready() {},
  async cleanUp() {},
};

/** A strict CA that believes every answer, and ways to it; all ends with the test. */
export interface StrictCa {
  readonly server: AcmeServer;
  readonly accountKey: string;
  readonly signal: AbortSignal;
  /** A connection, as the account of `accountKey` unless told otherwise. */
  open(options?: Partial<AcmeOptions>): Acme;
  /** A connection whose account is registered. */
  openRegistered(options?: Partial<AcmeOptions>): Promise<Acme>;
}

/** Starts the CA. */
export async function startStrictCa(options: AcmeServerOptions = {}): Promise<StrictCa> {
  const server = await startAcmeServer({ ...options, validation: { alwaysValid: true, ...options.validation } });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const accountKey = await generateAccountKey();
  const signal = AbortSignal.timeout(300_000);

  function open(more: Partial<AcmeOptions> = {}): Acme {
    const ca = createAcme({ directory: server.directory, roots: server.roots, accountKey, ...more });
    onTestFinished(() => ca.close());
    return ca;
  }

  return {
    server,
    accountKey,
    signal,
    open,
    async openRegistered(more) {
      const ca = open(more);
      await registerAccount(ca, { termsOfServiceAgreed: true, signal });
      return ca;
    },
  };
}

/** Obtains a certificate for names, where nothing needs to be proven. */
export async function obtainFor(
  ca: Acme,
  names: readonly string[],
  options: Partial<ObtainOptions> = {},
): Promise<Obtained> {
  const { csr } = await createCsr(names);
  const signal = AbortSignal.timeout(300_000);
  return obtain(ca, {
    names,
    csr,
    challenge: 'dns-01',
    solver: idleSolver,
    onOrder: async () => {},
    signal,
    ...options,
  });
}
