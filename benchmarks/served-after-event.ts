import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { createTestBus, type TestBus } from '@certbus/client/testing';
import { temporaryFolder } from 'certbus-services';
import { type Benchmark, type Figure, quantile } from './figure.ts';

const PROGRAM = fileURLToPath(new URL('./following-server.ts', import.meta.url));
const NAME = 'served.bench.test';
const QUIET_MS = 61_000;

/** The serial number that a full handshake shows. */
function serialShown(port: number, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, servername: NAME, ca });
    socket.on('error', reject);
    socket.on('secureConnect', () => {
      const { serialNumber = '' } = socket.getPeerCertificate() ?? {};
      socket.destroy();
      resolve(serialNumber);
    });
  });
}

/** Milliseconds from the append of a renewed certificate to the first handshake that shows it. */
async function renew(bus: TestBus, port: number): Promise<number> {
  // The making of the test's own certificate is not part of the path.
  const { serialNumber, appendedAt } = await bus
    .issue([NAME])
    .then((issued) => ({ ...issued, appendedAt: performance.now() }));
  while ((await serialShown(port, bus.roots)) !== serialNumber) await sleep(1);
  return performance.now() - appendedAt;
}

function figuresOf(name: string, times: readonly number[]): Figure[] {
  const [low, high, n] = [quantile(times, 0.25), quantile(times, 0.75), times.length];
  const figure = (suffix: string, share: number): Figure => ({
    figure: `${name}${suffix}`,
    value: quantile(times, share),
    unit: 'ms',
    low,
    high,
    n,
  });
  return [figure('', 0.5), figure('.p99', 0.99)];
}

async function measure(bus: TestBus, server: ChildProcess, quick: boolean): Promise<Figure[]> {
  const [{ port }] = (await once(server, 'message')) as [{ port: number }];
  const busy: number[] = [];
  const quiet: number[] = [];
  for (let n = 0; n < (quick ? 10 : 200); n += 1) busy.push(await renew(bus, port));
  for (let n = 0; n < (quick ? 1 : 5); n += 1) {
    await sleep(QUIET_MS);
    quiet.push(await renew(bus, port));
  }
  return [...figuresOf('served.after-event', busy), ...figuresOf('served.after-event.quiet', quiet)];
}

/**
 * `served.after-event`: from the append of a renewed certificate on a SQLite bus to the first handshake, in another process, that
 * shows it; `.quiet`: the same after a minute in which nobody wrote.
 */
export const servedAfterEvent: Benchmark = async ({ quick }) => {
  const folder = temporaryFolder();
  const address = `sqlite:${folder.path}/bus.db#bench`;
  const bus = await createTestBus({ address });
  await bus.issue([NAME]);
  const server = fork(PROGRAM, [address, bus.identity, bus.trust, folder.path], {
    execArgv: ['--conditions=certbus:source'],
  });
  try {
    return await measure(bus, server, quick);
  } finally {
    server.kill();
    await once(server, 'close');
    await bus.close();
    folder.remove();
  }
};
