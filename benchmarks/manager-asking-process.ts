/** A process of its own: minutes of a manager that asks the CA about its share of all certificates, each of which it has asked about before. */
import type { ManagedCertificate } from '@certbus/events';
import type { RenewalInfoNote } from '@certbus/manager';
import { openRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import { openTaskManager } from './fleet-site.ts';
import { readTask } from './fleet-task.ts';

/** More than the time after which the CA wants to be asked again. */
const SEVEN_HOURS_MS = 25_200_000;
const task = readTask();
const notes = openRenewalInfoNotes(':memory:');
const { manager, now, advance, close } = await openTaskManager(task, { notes });

const noteOf = ({ certificateId, current }: ManagedCertificate): RenewalInfoNote[] =>
  current?.directory === undefined
    ? []
    : [{ certificateId, leafHash: current.leafHash, directory: current.directory, askAt: now(), failures: 0 }];

const asked: ManagedCertificate[] = [];
for (const certificate of manager.state.all()) {
  if (asked.length === task.each) break;
  asked.push(certificate);
}
const { position } = manager.checkpoint;
// As if it had noted all others, and none of them were to be asked about.
notes.extend({ restored: 0, after: 0, upTo: position }, { notes: asked.flatMap(noteOf), gone: [] });
const cpuSeconds: number[] = [];
for (let minute = 0; minute <= task.rounds; minute += 1) {
  const before = process.cpuUsage();
  const { due } = await manager.runOnce();
  const { user, system } = process.cpuUsage(before);
  if (due > 0) throw new Error('something was due');
  const left = asked.filter(({ certificateId }) => (notes.get(certificateId)?.askAt ?? now()) <= now());
  if (left.length > 0) throw new Error(`${left.length} of ${task.each} were not asked about`);
  // The first answers are new, and go onto the bus.
  if (minute > 0) cpuSeconds.push((user + system) / 1e6);
  advance(SEVEN_HOURS_MS);
}
await close();
notes[Symbol.dispose]();
process.send?.(cpuSeconds);
