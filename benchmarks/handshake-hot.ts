import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { type Benchmark, quantile } from './figure.ts';

const NAMES = 1_000;
const PARALLEL = 8;
const PROGRAM = fileURLToPath(new URL('./handshake-server.ts', import.meta.url));

interface Server {
  readonly child: ChildProcess;
  readonly port: number;
}

async function start(kind: 'certbus' | 'map'): Promise<Server> {
  const child = fork(PROGRAM, [kind, String(NAMES)], { execArgv: ['--conditions=certbus:source'] });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  return { child, port };
}

async function cpuSeconds({ child }: Server): Promise<number> {
  const answer = once(child, 'message');
  child.send('cpu');
  const [{ user, system }] = (await answer) as [NodeJS.CpuUsage];
  return (user + system) / 1e6;
}

/** One full handshake: no session is offered, so none is resumed. */
function shakeHands(port: number, name: string): Promise<void> {
  return new Promise((resolve, reject) => {
    // The load is to be cheap; the test of who answers is in the client's own tests.
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: name,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
    });
    socket
      .on('error', reject)
      .on('data', () => socket.destroy())
      .on('close', () => resolve());
  });
}

async function shakeMany({ port }: Server, count: number, nameOf: (n: number) => number): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) {
      const n = next;
      next += 1;
      await shakeHands(port, `h${nameOf(n)}.bench.test`);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

/** Handshakes a CPU second of the server, over one slice. */
async function slice(server: Server, handshakes: number): Promise<number> {
  const before = await cpuSeconds(server);
  await shakeMany(server, handshakes, () => Math.floor(Math.random() * NAMES));
  return handshakes / ((await cpuSeconds(server)) - before);
}

/** `handshake.hot`: the client's callback against a bare SNICallback over a Map, all 1,000 names in use. */
export const handshakeHot: Benchmark = async ({ quick }) => {
  const rounds = quick ? 5 : 41;
  const servers = await Promise.all([start('certbus'), start('map'), start('map')]);
  try {
    for (const server of servers) await shakeMany(server, NAMES, (n) => n);
    const ratios: number[] = [];
    const controls: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const [certbus, map, again] = servers as [Server, Server, Server];
      // Turned about, so that a drift of the machine's speed favours nobody.
      const order = round % 2 === 0 ? [certbus, map, again] : [again, map, certbus];
      const rates = new Map<Server, number>();
      for (const server of order) rates.set(server, await slice(server, 300));
      const rateOf = (server: Server) => rates.get(server) ?? Number.NaN;
      ratios.push(rateOf(certbus) / rateOf(map));
      controls.push(rateOf(again) / rateOf(map));
    }
    const value = quantile(ratios, 0.5);
    return [
      {
        figure: 'handshake.hot',
        value,
        unit: 'x',
        against: 'bare SNICallback + Map',
        low: quantile(ratios, 0.25),
        high: quantile(ratios, 0.75),
        control: quantile(controls, 0.5),
        n: rounds,
      },
    ];
  } finally {
    for (const { child } of servers) child.disconnect();
  }
};
