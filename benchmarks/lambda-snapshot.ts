/** The cold start of the manager as a function on a bus of 100,000 certificates, from a snapshot. */
import { copyFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatTrust } from '@certbus/events';
import { archiveNotes } from '@certbus/manager/renewal-info-archive';
import { openArchivePlace } from '@certbus/store/open';
import { run, startLambdaEmulator, temporaryFolder } from 'certbus-services';
import { type Benchmark, quantile } from './figure.ts';
import { openFleetManager, type PreparedFleet, prepareFleet } from './prepared-fleet.ts';

const CERTIFICATES = 100_000;
const at = (path: string) => fileURLToPath(new URL(`../apps/lambda/${path}`, import.meta.url));

/** A copy of a fleet, which is changed here. */
function copyOf(prepared: PreparedFleet, folder: string): PreparedFleet {
  const [, bus = '', stream = ''] = /^sqlite:(.*)#(.*)$/.exec(prepared.bus) ?? [];
  const copy = (from: string, name: string): string => {
    copyFileSync(from, join(folder, name));
    return join(folder, name);
  };
  return {
    ...prepared,
    bus: `sqlite:${copy(bus, 'bus.db')}#${stream}`,
    replica: copy(prepared.replica, 'manager.db'),
    notes: copy(prepared.notes, 'notes.db'),
  };
}

/** Puts a snapshot of a fleet, and the notes of when to ask its CA, into an archive. */
async function archiveFleet(fleet: PreparedFleet, address: string): Promise<void> {
  const place = await openArchivePlace(address);
  const { manager, notes, close } = await openFleetManager(fleet, { archive: place });
  try {
    await manager.snapshot();
    // One that is set is a change, which is what is kept.
    for (const note of notes.all().slice(0, 1)) notes.set(note);
    await archiveNotes(notes, { place, busId: fleet.trust.busId });
  } finally {
    await close();
    await place.close();
  }
}

/** Has a process live at an instant: the dates of the fleet are fixed. */
const livingAt = (now: Date): string =>
  `--import=data:text/javascript,${encodeURIComponent(`const { now } = Date;
const by = ${now.getTime()} - now();
globalThis.Date = class extends Date {
  constructor(...given) { super(...(given.length > 0 ? given : [now() + by])); }
  static now() { return now() + by; }
};`)}`;

/** `lambda.cold.snapshot`: the first invocation of a function in an empty folder, nothing due, the snapshot and the bus on the disk of this machine. */
export const lambdaSnapshot: Benchmark = async ({ quick }) => {
  const prepared = await prepareFleet(CERTIFICATES);
  const { path: folder, remove } = temporaryFolder();
  try {
    await run(process.execPath, ['--conditions=certbus:source', at('src/bundle/build.builders.ts')]);
    const task = join(folder, 'task');
    await run('python3', ['-m', 'zipfile', '-e', at('dist/lambda.zip'), task]);
    const fleet = copyOf(prepared, folder);
    const archive = `file:${join(folder, 'archive')}`;
    mkdirSync(join(folder, 'archive'));
    await archiveFleet(fleet, archive);
    const seconds: number[] = [];
    for (let n = 0; n < (quick ? 1 : 5); n += 1) {
      const TMPDIR = join(folder, `cold-${n}`);
      mkdirSync(TMPDIR);
      const variables = {
        TMPDIR,
        NODE_OPTIONS: livingAt(fleet.now),
        CERTBUS_BUS: fleet.bus,
        CERTBUS_TRUST: formatTrust(fleet.trust),
        CERTBUS_MANAGER_KEY: fleet.managerKey,
        CERTBUS_ARCHIVE: archive,
        CERTBUS_CHECKPOINT: join(folder, 'checkpoint'),
        CERTBUS_ACCEPT_STALE: '1',
      };
      const emulator = await startLambdaEmulator({ task, variables });
      try {
        const begun = performance.now();
        const answer = await emulator.invoke();
        seconds.push((performance.now() - begun) / 1_000);
        const { due, failed } = JSON.parse(answer) as { readonly due?: number; readonly failed?: number };
        if (due !== 0 || failed !== 0) throw new Error(`nothing was to be due: ${answer}`);
      } finally {
        await emulator.stop();
      }
    }
    const [low, value, high] = [quantile(seconds, 0.25), quantile(seconds, 0.5), quantile(seconds, 0.75)];
    return [{ figure: 'lambda.cold.snapshot', unit: 's', value, low, high, n: seconds.length }];
  } finally {
    remove();
  }
};
