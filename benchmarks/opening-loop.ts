import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-services';
import { type Benchmark, quantile } from './figure.ts';
import { createKeyedBus } from './keyed-bus.ts';

const PROCESSES = 4;
const PROGRAM = fileURLToPath(new URL('./opening-process.ts', import.meta.url));

/** `opening.loop`: wall time of the calls of files and of SQLite that one first opening makes on the main thread, by four processes at once. */
export const openingLoop: Benchmark = async ({ quick }) => {
  const each = quick ? 50 : 250;
  const folder = temporaryFolder();
  const address = `sqlite:${folder.path}/bus.db#bench`;
  const { bus } = await createKeyedBus(PROCESSES * each, { address });
  const children: ChildProcess[] = [];
  try {
    for (let n = 0; n < PROCESSES; n += 1) {
      const args = [address, bus.identity, bus.trust, folder.path, String(n * each), String(each)];
      const child = fork(PROGRAM, args, { execArgv: ['--conditions=certbus:source'] });
      children.push(child);
      await once(child, 'message');
    }
    const answers = children.map((child) => once(child, 'message'));
    for (const child of children) child.send('go');
    const measured = (await Promise.all(answers)) as [{ times: number[]; writes: string[] }][];
    const writes = measured.flatMap(([answer]) => answer.writes);
    if (writes.length > 0) throw new Error(`The main thread wrote: ${writes[0]}`);
    const times = measured.flatMap(([answer]) => answer.times);
    const [low, high] = [quantile(times, 0.25), quantile(times, 0.75)];
    return [{ figure: 'opening.loop', value: quantile(times, 0.99), unit: 'ms', low, high, n: times.length }];
  } finally {
    for (const child of children) if (child.connected) child.disconnect();
    for (const child of children) if (child.exitCode === null) await once(child, 'exit');
    await bus.close();
    folder.remove();
  }
};
