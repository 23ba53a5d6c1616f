import { createServer } from 'node:tls';
import { connect } from '@certbus/client';
import { vaultIn } from './vault-file.ts';

/** A load balancer that keeps few contexts. Each `cool` makes it forget the keys that it has opened. */
const [, , bus = '', identity = '', trust = '', stateDirectory = '', cacheSize = '0'] = process.argv;
const client = await connect({ bus, identity, trust, stateDirectory, cacheSize: Number(cacheSize) });
const server = client.attach(createServer(client.tlsOptions()));
server.on('secureConnection', (socket) => socket.on('error', () => socket.destroy()).end('x'));
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
});
const vault = vaultIn(stateDirectory);
process.on('message', () => {
  vault.empty();
  process.send?.('cooled');
});
process.on('disconnect', () => process.exit(0));
