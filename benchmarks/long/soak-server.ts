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
  /** The least memory that it took since it was last asked, bytes: what is in flight is left out so. */
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly position: number;
  /** Whether it is `ready` and `live`, without `trouble`. */
  readonly isWell: boolean;
}

const LOOK_EVERY_MS = 250;

const [, , text = ''] = process.argv;
const options: ConnectOptions = JSON.parse(text);
const client = await connect(options);
const server = createServer(client.tlsOptions(), (_, response) => response.end('hello\n'));
client.attach(server).listen(0, '127.0.0.1');
await once(server, 'listening');
const memories: NodeJS.MemoryUsage[] = [];
const look = () => memories.push(process.memoryUsage());
setInterval(look, LOOK_EVERY_MS);
process.on('message', () => {
  const { position, ready, live, trouble } = client.health();
  look();
  const seen = memories.splice(0);
  const report: SoakServerReport = {
    residentBytes: Math.min(...seen.map(({ rss }) => rss)),
    heapBytes: Math.min(...seen.map(({ heapUsed }) => heapUsed)),
    position,
    isWell: ready && live && !trouble,
  };
  process.send?.(report);
});
process.on('disconnect', () => process.exit());
const ready: SoakServerReady = { port: (server.address() as AddressInfo).port };
process.send?.(ready);
