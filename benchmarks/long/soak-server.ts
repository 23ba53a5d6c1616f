/** The server of the soak: an HTTPS server on a bus, in a process of its own, which reports its memory. */
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type ConnectOptions, connect } from '@certbus/client';

/** What it says once it listens. */
export interface SoakServerReady {
  readonly port: number;
}

/** What it answers whenever it is asked. */
export interface SoakServerReport {
  readonly memory: NodeJS.MemoryUsage;
  readonly position: number;
  /** Whether it is `ready` and `live`, without `trouble`. */
  readonly isWell: boolean;
}

const [, , text = ''] = process.argv;
const options: ConnectOptions = JSON.parse(text);
const client = await connect(options);
const server = createServer(client.tlsOptions(), (_, response) => response.end('hello\n'));
client.attach(server).listen(0, '127.0.0.1');
await once(server, 'listening');
process.on('message', () => {
  const { position, ready, live, trouble } = client.health();
  const report: SoakServerReport = { memory: process.memoryUsage(), position, isWell: ready && live && !trouble };
  process.send?.(report);
});
process.on('disconnect', () => process.exit());
const ready: SoakServerReady = { port: (server.address() as AddressInfo).port };
process.send?.(ready);
