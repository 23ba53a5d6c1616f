/** A manager's replica of many certificates, made once and kept in the user's cache folder for every figure that wants one. */
import { constants, copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ManagedCertificate, parseManagerKey, sha256, type Trust } from '@certbus/events';
import { type Checkpoint, encodeCommit } from '@certbus/events/history';
import { type ManagerOptions, openManager, type RenewalInfoNote } from '@certbus/manager';
import { openRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import { openReplica } from '@certbus/replica';
import { openBus, type StoredCommit } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { writeBus } from './bulk.ts';
import { createFleet, createFleetKeys, type Fleet, type FleetKeys } from './fleet.ts';
import { keepFolder } from './kept-folder.ts';
import { loadFleet, servesAll } from './loaded-fleet.ts';

/** What is in the folder of a prepared fleet. */
export interface PreparedFleet {
  /** Address of the bus, which holds all but the certificates. */
  readonly bus: string;
  /** The replica, at the head of the bus. */
  readonly replica: string;
  /** The notes of when to ask the CA: about nobody before tomorrow. */
  readonly notes: string;
  readonly trust: Trust;
  /** Text of the manager's key file. */
  readonly managerKey: string;
  /** When nothing is due. */
  readonly now: Date;
}

const STREAM = 'fleet';
const TOGETHER = 25;
const DAY_MS = 86_400_000;
/** Ten days after the certificates were issued, which is twenty before they are due. */
export const FLEET_NOW: Date = new Date('2026-11-11T00:00:00Z');
/** When the first of a fleet is due, a third of its lifetime before its end; the others follow a millisecond apart. */
export const FIRST_DUE: Date = new Date(FLEET_NOW.getTime() + 20 * DAY_MS);
/** The CA that all certificates of a fleet are from. */
export const FLEET_CA = { directory: 'https://ca.fleet.test/directory', termsOfServiceAgreed: true } as const;
/** What the manager of a fleet is configured with. */
export const FLEET_CONFIG = { version: 1, authorities: { fleet: FLEET_CA }, defaultAuthority: 'fleet' };

function describe(folder: string, { trust, managerText }: Pick<FleetKeys, 'trust' | 'managerText'>): PreparedFleet {
  const [replica, notes] = [join(folder, 'manager.db'), join(folder, 'notes.db')];
  return { bus: `sqlite:${folder}/bus.db#${STREAM}`, replica, notes, trust, managerKey: managerText, now: FLEET_NOW };
}

/** What a bus says while nothing happens: it has the positions that the certificates' orders would have taken. */
function* heartbeats({ trust, signer }: FleetKeys, from: Checkpoint, count: number): Iterable<StoredCommit> {
  let [position, previous] = [from.position, from.hash];
  for (let n = 0; n < count; n += 1) {
    position += 1;
    const content = { format: from.format, bus: trust.busId, position, previous, at: FLEET_NOW, by: 'fleet' };
    const bytes = encodeCommit({ ...content, events: [{ type: 'Heartbeat' }] }, signer);
    previous = sha256(bytes);
    yield { position, bytes };
  }
}

async function makeBus(path: string, { fleet, keys, commits }: { fleet: Fleet; keys: FleetKeys; commits: number }) {
  function* all() {
    yield* fleet.commits();
    yield* heartbeats(keys, fleet.end, commits);
  }
  await writeBus(path, STREAM, all());
}

/** What of a fleet's manager its caller can set. */
type FleetManagerOptions = Partial<
  Pick<ManagerOptions, 'acceptStale' | 'archive' | 'limits' | 'notes' | 'now' | 'outgoing' | 'solvers'>
>;

/** Opens a fleet's bus and replica with a manager on both; where nothing else is asked for, nothing can be ordered, and the clock stands. */
export async function openFleetManager(
  { bus: address, replica: path, notes: notesPath, trust, managerKey, now }: PreparedFleet,
  options: FleetManagerOptions = {},
) {
  const key = parseManagerKey(managerKey);
  const log = await openLog(address);
  const replica = await openReplica({ path, busId: trust.busId });
  const notes = openRenewalInfoNotes(notesPath);
  const manager = await openManager({
    bus: openBus(log, STREAM, { trust, signer: key.signer }),
    key,
    replica,
    notes,
    holder: 'bench',
    solvers: () => Promise.reject(new TypeError('nothing is to be ordered')),
    secrets: () => undefined,
    now: () => now,
    ...options,
  });
  return {
    manager,
    replica,
    notes,
    async close() {
      await manager.close();
      notes[Symbol.dispose]();
      await replica.close();
      await log.close();
    },
  };
}

/** Copies a fleet into an empty folder, where it can be changed. */
export function copyFleet(prepared: PreparedFleet, folder: string): PreparedFleet {
  const { trust, managerKey: managerText } = prepared;
  const copy = describe(folder, { trust, managerText });
  const pathOf = ({ bus }: PreparedFleet) => bus.replace(/^sqlite:/, '').replace(/#.*$/, '');
  for (const [from, to] of [
    [pathOf(prepared), pathOf(copy)],
    [prepared.replica, copy.replica],
    [prepared.notes, copy.notes],
  ] as const)
    copyFileSync(from, to, constants.COPYFILE_FICLONE);
  return copy;
}

/** The note of a certificate about which the CA is asked tomorrow. */
export const noteOf = ({ certificateId, current }: ManagedCertificate): RenewalInfoNote[] =>
  current?.directory === undefined
    ? []
    : [
        {
          certificateId,
          leafHash: current.leafHash,
          directory: current.directory,
          askAt: new Date(FLEET_NOW.getTime() + DAY_MS),
          failures: 0,
        },
      ];

/** Puts the certificates into the replica and the notes, as if they had been on the bus from the third position on. */
async function load(
  fleet: Fleet,
  { replica, notes }: Pick<Awaited<ReturnType<typeof openFleetManager>>, 'replica' | 'notes'>,
): Promise<void> {
  const { restored, position } = replica.checkpoint();
  await loadFleet(replica, fleet, {
    at: FLEET_NOW,
    positionOf: (number) => 2 + Math.ceil(number / TOGETHER),
    onLoaded: (certificates) =>
      notes.extend({ restored, after: 0, upTo: position }, { notes: certificates.flatMap(noteOf), gone: [] }),
  });
}

async function make(folder: string, certificates: number): Promise<void> {
  const keys = await createFleetKeys();
  const beginning = await createFleet({ certificates: 0, together: TOGETHER, keys });
  await makeBus(join(folder, 'bus.db'), { fleet: beginning, keys, commits: Math.ceil(certificates / TOGETHER) });
  const prepared = describe(folder, keys);
  const open = await openFleetManager(prepared);
  try {
    await open.manager.configure(FLEET_CONFIG);
    await open.manager.refresh();
    await load(await createFleet({ certificates, together: TOGETHER, keys }), open);
  } finally {
    await open.close();
  }
  writeFileSync(join(folder, 'keys.json'), JSON.stringify({ trust: keys.trust, managerText: keys.managerText }), {
    mode: 0o600,
  });
}

const read = (folder: string): PreparedFleet =>
  describe(folder, JSON.parse(readFileSync(join(folder, 'keys.json'), 'utf8')));

/** A fleet of so many certificates of 45 days, none of which is due: from the cache, or made, which takes minutes for a million. */
export async function prepareFleet(certificates: number): Promise<PreparedFleet> {
  const folder = await keepFolder(`fleet-${certificates}`, {
    make: (unfinished) => make(unfinished, certificates),
    isWhole(kept) {
      const { replica: path, trust } = read(kept);
      return servesAll({ path, busId: trust.busId }, certificates);
    },
  });
  return read(folder);
}
