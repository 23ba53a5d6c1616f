import { createServer } from 'node:tls';
import { connect } from '@certbus/client';
import { createTestBus } from '@certbus/client/testing';

/**
 * A server with an RSA certificate for rsa.test and an ECDSA one for ecdsa.test, and both for both.test, which is its default. It prints
 * its port, and the serial numbers by name and key type. Told to, it gives up TLS 1.2 and says so. It runs the built packages, since older Nodes do not read all of the sources.
 */
const bus = await createTestBus();
const issue = async (name: string, keyType: 'p-256' | 'rsa-2048') =>
  (await bus.issue([name], { keyType })).serialNumber;
const serials = {
  ecdsa: await issue('ecdsa.test', 'p-256'),
  rsa: await issue('rsa.test', 'rsa-2048'),
  bothEcdsa: await issue('both.test', 'p-256'),
  bothRsa: await issue('both.test', 'rsa-2048'),
};
const client = await connect({
  bus: bus.bus,
  identity: bus.identity,
  trust: bus.trust,
  replica: ':memory:',
  defaultName: 'both.test',
});
const server = client.attach(createServer(client.tlsOptions()));
server
  .on('tlsClientError', () => {})
  .listen(0, '127.0.0.1', () => {
    const address = server.address();
    process.stdout.write(`${JSON.stringify({ port: typeof address === 'object' ? address?.port : 0, serials })}\n`);
  });
process.stdin.once('data', () => {
  server.setSecureContext({ minVersion: 'TLSv1.3' });
  process.stdout.write('gave up TLS 1.2\n');
});
