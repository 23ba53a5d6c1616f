import { AsyncLocalStorage } from 'node:async_hooks';
import { connect } from '@certbus/client';
import { watchThreadCalls } from 'certbus-services';

/** Eight threads on two cores would wait for each other's turns, and not for a file. */
const PAUSE_MS = 5;

/** A load balancer of several on one state folder, which opens keys for the first time and says what its main thread waited for. */
const [, , bus = '', identity = '', trust = '', stateDirectory = '', first = '0', count = '0'] = process.argv;
const client = await connect({ bus, identity, trust, stateDirectory });

async function open(): Promise<void> {
  // Following the bus is not part of an opening.
  const opening = new AsyncLocalStorage<string>();
  using watched = watchThreadCalls(() => opening.getStore() !== undefined);
  const times: number[] = [];
  const writes: string[] = [];
  for (let n = Number(first); n < Number(first) + Number(count); n += 1) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    watched.calls.length = 0;
    const name = `n${n}.bench.test`;
    if (!(await opening.run(name, () => client.secureContextFor(name)))) throw new Error(`no certificate for ${name}`);
    times.push(watched.calls.reduce((sum, { ms }) => sum + ms, 0));
    writes.push(...watched.calls.filter(({ isWrite }) => isWrite).map((call) => call.name));
  }
  process.send?.({ times, writes });
}

process.on('message', () => void open());
process.on('disconnect', () => void client.close());
process.send?.('ready');
