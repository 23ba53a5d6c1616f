/**
 * Opens a manager as cron does, on the packages as they are published, has it run once with nothing to do, and reports what that cost. It is JavaScript,
 * and loads nothing but what a manager does: stripping types and making a fleet take memory that no manager needs.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseManagerKey } from '@certbus/events';
import { openManager } from '@certbus/manager';
import { openRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import { openReplica } from '@certbus/replica';
import { openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { createOutgoing } from '@certbus/store/outgoing';

const { fleet, ca, aheadMs } = JSON.parse(process.argv[2] ?? '');
const { busId } = fleet.trust;
const before = process.cpuUsage();
const key = parseManagerKey(fleet.managerKey);
const log = await openLog(fleet.bus);
const replica = await openReplica({ path: fleet.replica, busId });
const notes = openRenewalInfoNotes(fleet.notes);
const manager = await openManager({
  bus: openBus(log, 'fleet', { trust: fleet.trust, signer: key.signer }),
  key,
  replica,
  notes,
  holder: 'bench',
  solvers: () => Promise.reject(new TypeError('nothing is to be ordered')),
  secrets: () => undefined,
  now: () => new Date(Date.now() + aheadMs),
  outgoing: createOutgoing({ proxy: ca.proxy }),
});
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
const cost = {
  cpuSeconds: (user + system) / 1e6,
  stallMs: turns.max / 1e6,
  rssMegabytes: process.resourceUsage().maxRSS / 1_000,
};
await manager.close();
notes[Symbol.dispose]();
await replica.close();
await log.close();
process.send?.(cost, () => process.exit(0));
