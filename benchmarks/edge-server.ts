/** A TLS server of one kind, in a process of its own. */
import { createServer as createHttpsServer } from 'node:https';
import { createSecureContext, createServer, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import { connect } from '@certbus/client';
import { type EdgeSiteOptions, prepareEdgeSite } from './edge-site.ts';

/** What a server is told to be. */
export interface EdgeServerOptions {
  readonly kind: 'certbus' | 'certbusHttps' | 'map' | 'static' | 'addContext';
  readonly site: EdgeSiteOptions;
  /** Folder of the client's replica. */
  readonly stateDirectory: string;
}

const [, , text = ''] = process.argv;
const { kind, site: wanted, stateDirectory }: EdgeServerOptions = JSON.parse(text);
const { bus, identity, trust, hot, names } = await prepareEdgeSite(wanted);
const pairs = hot.map(({ name, certificate, privateKey }) => ({ name, cert: certificate, key: privateKey }));
const [first = { cert: '', key: '' }] = pairs;

const openClient = () => connect({ bus, identity, trust, stateDirectory });

async function certbus(): Promise<Server> {
  const client = await openClient();
  return client.attach(createServer(client.tlsOptions()));
}

async function certbusHttps(): Promise<Server> {
  const client = await openClient();
  return client.attach(createHttpsServer(client.tlsOptions(), (_, response) => response.end('x')));
}

/** What a user would write by hand. Contexts of names that nobody asks for would only cost this peer memory, so they share one. */
function map(): Server {
  const cold = createSecureContext(first);
  const contexts = new Map<string, SecureContext>(names.map((name) => [name, cold]));
  for (const { name, cert, key } of pairs) contexts.set(name, createSecureContext({ cert, key }));
  return createServer({ SNICallback: (name, callback) => callback(null, contexts.get(name)) });
}

function addContext(): Server {
  const server = createServer();
  // The latest is looked at first: so those in use are spread over all of them.
  const cold = names.slice(pairs.length);
  const step = Math.floor(cold.length / pairs.length);
  for (const [n, name] of cold.entries()) {
    const pair = n % step === 0 ? pairs[n / step] : undefined;
    if (pair) server.addContext(pair.name, pair);
    server.addContext(name, first);
  }
  return server;
}

const kinds = { certbus, certbusHttps, map, addContext, static: () => createServer(first) };
const server = await kinds[kind]();
server.on('secureConnection', (socket: TLSSocket) => {
  socket.on('error', () => socket.destroy());
  if (kind !== 'certbusHttps') socket.end('x');
});
server.on('tlsClientError', () => {});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.send?.({ port: typeof address === 'object' ? address?.port : 0 });
});
process.on('message', () => process.send?.({ ...process.cpuUsage(), rss: process.memoryUsage.rss() }));
process.on('disconnect', () => process.exit(0));
