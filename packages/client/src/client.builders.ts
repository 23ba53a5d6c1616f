/** Buses and clients of tests, which close them at their end. */
import { createId, type EventOf } from '@certbus/events';
import { onTestFinished } from 'vitest';
import type { CertBus, ConnectOptions } from './cert-bus.ts';
import { connect } from './connect.ts';
import { createTestBus, type TestBus } from './testing.ts';

/** A bus that is closed when the test ends; default in memory. */
export async function newBus(address?: string): Promise<TestBus> {
  const bus = await createTestBus(address === undefined ? {} : { address });
  onTestFinished(() => bus.close());
  return bus;
}

/** A client of a bus that is closed when the test ends; in memory unless the options name a state folder. */
export async function newClient(
  { bus, identity, trust }: TestBus,
  options: Partial<ConnectOptions> = {},
): Promise<CertBus> {
  const place = options.stateDirectory === undefined ? { replica: ':memory:' as const } : {};
  const client = await connect({ bus, identity, trust, intervalMs: 100, ...place, ...options });
  onTestFinished(() => client.close());
  return client;
}

/** The alarms of a client from now on. */
export function alarmsOf(client: CertBus): (Error & { readonly code?: unknown })[] {
  const alarms: Error[] = [];
  client.on('alarm', (error) => alarms.push(error));
  return alarms;
}

/** The event of a certificate whose key nobody opens. */
export const madeUp = (name: string): EventOf<'CertificateObtained'> => ({
  type: 'CertificateObtained',
  issuanceId: createId(),
  certificateId: createId(),
  reason: 'new',
  names: [name],
  leaf: Buffer.from(`the leaf of ${name}`).toString('base64'),
  issuers: [],
  sealedKey: Buffer.from('made up').toString('base64'),
  serialNumber: '0A',
  notBefore: new Date().toISOString(),
  notAfter: new Date(Date.now() + 86_400_000).toISOString(),
  challengeType: 'dns-01',
  directory: 'https://ca.test/dir',
});
