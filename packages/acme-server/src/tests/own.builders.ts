/** A server of this package for one test. */
import { onTestFinished } from 'vitest';
import { type AcmeServer, type AcmeServerOptions, type Clock, startAcmeServer } from '../index.ts';
import { type Answers, startAnswers } from './answers.builders.ts';
import { openRawClient, type RawClient } from './raw-client.builders.ts';

/** A server of this package for one test, with what it asks and a client that has an account. */
export interface Own {
  readonly server: AcmeServer;
  readonly answers: Answers;
  readonly client: RawClient;
  readonly clock: Clock;
  /** Another client, with an account of its own. */
  openAccount(): Promise<RawClient>;
}

/** Starts one, which is gone when the test ends. */
export async function startOwn(options: AcmeServerOptions = {}): Promise<Own> {
  const answers = await startAnswers();
  const { dns, httpPort, tlsPort } = answers;
  const validation = { dnsServer: dns.address, httpPort, tlsPort, ...options.validation };
  const server = await startAcmeServer({ ...options, validation });
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]();
    await answers[Symbol.asyncDispose]();
  });
  async function openAccount(): Promise<RawClient> {
    const client = await openRawClient(server);
    onTestFinished(() => client.close());
    await client.register();
    return client;
  }
  return { server, answers, client: await openAccount(), clock: server.clock, openAccount };
}
