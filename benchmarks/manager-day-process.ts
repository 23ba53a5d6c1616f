/** A process of its own: hours of a manager's day, each a run over what is due by its end. */
import { openTaskManager } from './fleet-site.ts';
import { readTask } from './fleet-task.ts';
import { FIRST_DUE } from './prepared-fleet.ts';

const HOUR_MS = 3_600_000;
const task = readTask();
const { manager, advance, close } = await openTaskManager(task);
const cpuSeconds: number[] = [];
for (let hour = 1; hour <= task.rounds; hour += 1) {
  // What a fleet of this size has in an hour is due within seconds.
  const at = new Date(FIRST_DUE.getTime() + hour * task.each - 1);
  const before = process.cpuUsage();
  const { renewed, outcomes } = await manager.runOnce({ at });
  const { user, system } = process.cpuUsage(before);
  if (renewed !== task.each) {
    const other = outcomes.find(({ outcome }) => outcome !== 'renewed');
    throw new Error(`${renewed} of ${task.each} were renewed; another one: ${other?.outcome} ${other?.error}`);
  }
  cpuSeconds.push((user + system) / 1e6);
  advance(HOUR_MS);
}
await close();
process.send?.(cpuSeconds);
