/**
 * A load balancer in a process of its own. It tells its parent when it is live, and when it is at the position that it was given, with the CPU
 * that its main thread took from one millisecond to the next.
 */
import { connect } from '@certbus/client';

const [, , bus = '', identity = '', trust = '', stateDirectory = '', target = '0'] = process.argv;
const client = await connect({ bus, identity, trust, stateDirectory, intervalMs: 100 });
if (!client.health().live) await new Promise<void>((resolve) => client.on('live', resolve));
const { following } = client.health();

/** CPU of this thread, milliseconds. Linux tells it as of the last tick or wait, up to 4 ms ago, unless all threads were asked for just before. */
const cpuMs = (): number => {
  process.cpuUsage();
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
};
const turns: number[] = [];
let last = cpuMs();
let changed = 0;
client.on('changed', () => {
  changed += 1;
});
const timer = setInterval(() => {
  const now = cpuMs();
  turns.push(now - last);
  if (turns.length % 500 === 0 && client.health().position >= Number(target)) end();
  // Looking is not a part of what is measured.
  last = cpuMs();
}, 1);

function end(): void {
  clearInterval(timer);
  process.send?.({ following, changed, turns });
}
process.send?.({ live: true });
process.on('disconnect', () => process.exit());
