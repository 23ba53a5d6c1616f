import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { createTestBus } from '@certbus/client/testing';
import { temporaryFolder } from 'certbus-services';
import { type Benchmark, type Figure, quantile } from './figure.ts';

const PROGRAM = fileURLToPath(new URL('./following-server.ts', import.meta.url));
const NAME = 'served.bench.test';

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

/** `path.served`: from the append of a renewed certificate to the first handshake, in another process, that shows it. */
export const pathServed: Benchmark = async ({ quick }) => {
  const renewals = quick ? 10 : 200;
  const folder = temporaryFolder();
  const address = `sqlite:${folder.path}/bus.db#bench`;
  const bus = await createTestBus({ address });
  await bus.issue([NAME]);
  const server = fork(PROGRAM, [address, bus.identity, bus.trust, folder.path], {
    execArgv: ['--conditions=certbus:source'],
  });
  try {
    const [{ port }] = (await once(server, 'message')) as [{ port: number }];
    const times: number[] = [];
    for (let n = 0; n < renewals; n += 1) {
      // The making of the test's own certificate is not part of the path.
      const { serialNumber, appendedAt } = await bus
        .issue([NAME])
        .then((issued) => ({ ...issued, appendedAt: performance.now() }));
      while ((await serialShown(port, bus.roots)) !== serialNumber)
        await new Promise((resolve) => setTimeout(resolve, 1));
      times.push(performance.now() - appendedAt);
    }
    const [low, high] = [quantile(times, 0.25), quantile(times, 0.75)];
    const figure = (name: string, share: number): Figure => ({
      figure: name,
      value: quantile(times, share),
      unit: 'ms',
      low,
      high,
      n: renewals,
    });
    return [figure('path.served.p50', 0.5), figure('path.served.p99', 0.99)];
  } finally {
    server.kill();
    await once(server, 'close');
    await bus.close();
    folder.remove();
  }
};
