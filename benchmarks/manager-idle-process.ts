/** Opens a manager as cron does, has it run once with nothing to do, and reports what that cost. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { createOutgoing } from '@certbus/store/outgoing';
import { readTask } from './fleet-task.ts';
import { openFleetManager } from './prepared-fleet.ts';

/** What a run cost that had nothing to do. */
export interface IdleCost {
  /** Of all threads, from opening the manager to the end of the run. */
  readonly cpuSeconds: number;
  /** The longest turn of the event loop in the run. */
  readonly stallMs: number;
  /** The most that the process ever held. */
  readonly rssMegabytes: number;
}

const { fleet, ca, aheadMs } = readTask();
const now = () => new Date(Date.now() + aheadMs);
const before = process.cpuUsage();
const { manager, notes, close } = await openFleetManager(fleet, { now, outgoing: createOutgoing({ proxy: ca.proxy }) });
const turns = monitorEventLoopDelay({ resolution: 1 });
turns.enable();
await sleep(20);
turns.reset();
const { due, outcomes, problems } = await manager.runOnce();
const { user, system } = process.cpuUsage(before);
if (due > 0 || outcomes.length > 0 || problems.length > 0) throw new Error('something was due');
if (notes.stretch()) throw new Error('the CA says when it wants certificates renewed');
// The last turn is seen by the timer behind it only.
await sleep(5);
turns.disable();
const cost: IdleCost = {
  cpuSeconds: (user + system) / 1e6,
  stallMs: turns.max / 1e6,
  rssMegabytes: process.resourceUsage().maxRSS / 1_000,
};
await close();
process.send?.(cost, () => process.exit(0));
