/** A process of its own: gives the manager of a fleet an account at its CA, and takes away the notes of when to ask it, which such a CA leaves nobody. */
import { rmSync } from 'node:fs';
import { openTaskManager } from './fleet-site.ts';
import { readTask } from './fleet-task.ts';

const task = readTask();
const { manager, close } = await openTaskManager(task);
// What is written to the bus once, after the account was made.
const { due } = await manager.runOnce();
if (due > 0) throw new Error('something was due');
await close();
for (const end of ['', '-wal', '-shm']) rmSync(`${task.fleet.notes}${end}`, { force: true });
process.send?.(true);
