import { createSecureContext, createServer, type SecureContext, type TLSSocket } from 'node:tls';
import { connect } from '@certbus/client';
import { createTestBus } from '@certbus/client/testing';

/** What the server is told to be, in `process.argv`: `certbus` or `map`, and how many names. */
const [, , kind, count = '0'] = process.argv;
const names = Array.from({ length: Number(count) }, (_, n) => `h${n}.bench.test`);
type Callback = (error: Error | null, context?: SecureContext) => void;

async function certbusCallback(): Promise<(name: string, callback: Callback) => void> {
  const { bus, identity, trust, issue } = await createTestBus();
  for (const name of names) await issue([name]);
  const client = await connect({ bus, identity, trust, replica: ':memory:' });
  return client.sniCallback;
}

/** What a user would write by hand: a Map of contexts, all made before the first handshake. */
async function mapCallback(): Promise<(name: string, callback: Callback) => void> {
  const { issue } = await createTestBus();
  const contexts = new Map<string, SecureContext>();
  for (const name of names) {
    const { certificate, privateKey } = await issue([name]);
    contexts.set(name, createSecureContext({ cert: certificate, key: privateKey }));
  }
  return (name, callback) => callback(null, contexts.get(name));
}

const server = createServer({ SNICallback: await (kind === 'certbus' ? certbusCallback() : mapCallback()) });
server.on('secureConnection', (socket: TLSSocket) => socket.on('error', () => socket.destroy()).end('x'));
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
});
process.on('message', () => process.send?.(process.cpuUsage()));
process.on('disconnect', () => process.exit(0));
