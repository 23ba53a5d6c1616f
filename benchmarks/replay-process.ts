/** A process of its own: brings a client's replica to the head of a bus, and prints the CPU seconds that it took, on all threads. */
import { readFileSync } from 'node:fs';
import { parseTrust } from '@certbus/events';
import { keepUp, openReplica } from '@certbus/replica';

const [, , address = '', trustFile = '', path = ''] = process.argv;
const trust = parseTrust(readFileSync(trustFile, 'utf8'));
const replica = await openReplica({ path, busId: trust.busId, role: 'client' });
const stop = new AbortController();
let failure: Error | undefined;
const before = process.cpuUsage();
await keepUp({
  replica,
  source: { place: { address, trust, archive: undefined, proxy: undefined } },
  intervalMs: 60_000,
  signal: stop.signal,
  listener: {
    contact: ({ live }) => live && stop.abort(),
    moved() {},
    rebuilt() {},
    watching() {},
    failed(error) {
      failure = error;
      stop.abort();
    },
  },
});
const { user, system } = process.cpuUsage(before);
if (failure) throw failure;
const { position } = replica.checkpoint();
await replica.close();
console.log(JSON.stringify({ cpuSeconds: (user + system) / 1e6, position }));
