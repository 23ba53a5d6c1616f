import { createServer } from 'node:tls';
import { connect } from '@certbus/client';

/** A load balancer in a process of its own, with the client's defaults. */
const [, , bus = '', identity = '', trust = '', stateDirectory = ''] = process.argv;
const client = await connect({ bus, identity, trust, stateDirectory });
const server = client.attach(createServer(client.tlsOptions(), (socket) => socket.on('error', () => socket.destroy())));
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
});
