/** The cold start of the manager as a function: on a bus of 100,000 certificates from a snapshot, and on one of 10,000 from the log. */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { formatTrust } from '@certbus/events';
import { archiveNotes } from '@certbus/manager/renewal-info-archive';
import { openArchivePlace } from '@certbus/store/open';
import { run, startLambdaEmulator, temporaryFolder } from 'certbus-services';
import { writeBus } from './bulk.ts';
import { type Benchmark, quantile } from './figure.ts';
import { createFleet, createFleetKeys } from './fleet.ts';
import {
  FLEET_CONFIG,
  FLEET_NOW,
  noteOf,
  openFleetManager,
  type PreparedFleet,
  prepareFleet,
} from './prepared-fleet.ts';

const CERTIFICATES = 100_000;
/** Each of them with three commits. */
const IN_LOG = 10_000;
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

/** A bus whose log has everything, as a manager that takes up one order at a time leaves it, and its notes in an archive without a snapshot. */
async function makeLog(folder: string, address: string): Promise<PreparedFleet> {
  const keys = await createFleetKeys();
  const { trust, managerText: managerKey } = keys;
  const file = (name: string) => join(folder, name);
  const commits = (await createFleet({ certificates: IN_LOG, together: 1, keys })).commits();
  await writeBus(file('log.db'), 'fleet', commits);
  const [replica, notes] = [file('log-manager.db'), file('log-notes.db')];
  const fleet = { bus: `sqlite:${file('log.db')}#fleet`, replica, notes, trust, managerKey, now: FLEET_NOW };
  const place = await openArchivePlace(address);
  // Its orders are days old.
  const open = await openFleetManager(fleet, { acceptStale: true });
  try {
    await open.manager.configure(FLEET_CONFIG);
    const { restored, position } = open.manager.checkpoint;
    const all = [...open.replica.certificates()].flatMap(noteOf);
    open.notes.extend({ restored, after: 0, upTo: position }, { notes: all, gone: [] });
    await archiveNotes(open.notes, { place, busId: trust.busId });
  } finally {
    await open.close();
    await place.close();
  }
  return fleet;
}

/** Seconds of first invocations, each in an empty folder. */
async function measureCold(
  fleet: PreparedFleet,
  { task, folder, archive, samples }: { task: string; folder: string; archive: string; samples: number },
): Promise<readonly number[]> {
  const seconds: number[] = [];
  const key = join(folder, `${crypto.randomUUID()}.key`);
  writeFileSync(key, fleet.managerKey, { mode: 0o600 });
  for (let n = 0; n < samples; n += 1) {
    const TMPDIR = join(folder, crypto.randomUUID());
    mkdirSync(TMPDIR);
    const variables = {
      TMPDIR,
      NODE_OPTIONS: livingAt(fleet.now),
      CERTBUS_BUS: fleet.bus,
      CERTBUS_TRUST: formatTrust(fleet.trust),
      CERTBUS_MANAGER_KEY_FILE: key,
      CERTBUS_ARCHIVE: archive,
      // As in AWS, each start but the first knows how far the last one came.
      CERTBUS_CHECKPOINT: `${fleet.replica}.checkpoint`,
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
    rmSync(TMPDIR, { recursive: true, force: true });
  }
  return seconds;
}

/**
 * `lambda.cold.snapshot`: the first invocation of a function in an empty folder, nothing due, the snapshot and the bus on the disk of this machine;
 * `lambda.cold.log`: the same where there is no snapshot, and all of the log is read.
 */
export const lambdaSnapshot: Benchmark = async ({ quick }) => {
  const prepared = await prepareFleet(CERTIFICATES);
  const { path: folder, remove } = temporaryFolder();
  const samples = quick ? { snapshot: 1, log: 1 } : { snapshot: 5, log: 3 };
  try {
    await run(process.execPath, ['--conditions=certbus:source', at('src/bundle/build.builders.ts')]);
    const task = join(folder, 'task');
    await run('python3', ['-m', 'zipfile', '-e', at('dist/lambda.zip'), task]);
    const [archive, logArchive] = [join(folder, 'archive'), join(folder, 'log-archive')];
    for (const place of [archive, logArchive]) mkdirSync(place);
    const fleet = copyOf(prepared, folder);
    await archiveFleet(fleet, `file:${archive}`);
    const fromLog = await makeLog(folder, `file:${logArchive}`);
    const measured = [
      [
        'lambda.cold.snapshot',
        await measureCold(fleet, { task, folder, archive: `file:${archive}`, samples: samples.snapshot }),
      ],
      [
        'lambda.cold.log',
        await measureCold(fromLog, { task, folder, archive: `file:${logArchive}`, samples: samples.log }),
      ],
    ] as const;
    return measured.map(([figure, seconds]) => {
      const [low, value, high] = [quantile(seconds, 0.25), quantile(seconds, 0.5), quantile(seconds, 0.75)];
      return { figure, unit: 's', value, low, high, n: seconds.length };
    });
  } finally {
    remove();
  }
};
