import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import { connect } from '@certbus/client';

const { CERTBUS_BUS = 'sqlite:./bus.db', PORT = '443', HTTP_PORT = '80' } = process.env;
const certbus = await connect({ bus: CERTBUS_BUS, identity: './loadbalancer.key', trust: './bus.pub' });
certbus.on('alarm', (error) => console.error(error.message));

const server = https.createServer(certbus.tlsOptions(), (_, response) => response.end('hello\n'));
certbus.attach(server).listen(PORT);

const challenges = http.createServer((request, response) => {
  if (!certbus.acmeHttpHandler(request, response)) response.writeHead(404).end();
});
challenges.listen(HTTP_PORT);

async function drain() {
  // What is under way is answered, connections end once they are idle, and then the process does.
  const closed = [server, challenges].map((each) => once(each.close(), 'close'));
  const idle = setInterval(() => server.closeIdleConnections(), 100);
  await Promise.all(closed);
  clearInterval(idle);
  await certbus.close();
}
process.once('SIGTERM', () => void drain());
