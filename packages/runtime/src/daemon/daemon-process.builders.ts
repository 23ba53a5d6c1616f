/** A daemon as a process of its own, which tests kill. Each line that it writes is one JSON value. */
import { type DaemonTask, environmentFor } from './daemon.builders.ts';
import { runDaemon } from './daemon.ts';

const task: DaemonTask = JSON.parse(process.argv[2] ?? '');
const { aheadMs, claimMs, graceMs } = task;
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort(new Error('stopped')));
const say = (said: unknown) => void process.stdout.write(`${JSON.stringify(said)}\n`);
await runDaemon(environmentFor(task), {
  signal: stop.signal,
  now: () => new Date(Date.now() + aheadMs),
  claimMs,
  graceMs,
  log: say,
  onProgress: say,
});
