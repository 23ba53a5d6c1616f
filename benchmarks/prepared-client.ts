/** A client's state with many certificates, made once and kept in the user's cache folder for every figure that wants one. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestBus } from '@certbus/client/testing';
import { type ManagedCertificate, parseTrust } from '@certbus/events';
import { evolve } from '@certbus/events/history';
import { openReplica, type Replica, replicaPath, synchronize } from '@certbus/replica';
import { cacheFolder } from 'certbus-services';
import { createFleet, createFleetKeys } from './fleet.ts';

/** Where the state is, and what a client needs to start on it. */
export interface PreparedClient {
  /** Address of the bus, which has only the certificate of {@link PreparedClient.name}. */
  readonly bus: string;
  readonly identity: string;
  readonly trust: string;
  /** PEM of the root of the one certificate whose key opens. */
  readonly roots: string;
  readonly name: string;
  readonly stateDirectory: string;
  /** The replica's file. */
  readonly replica: string;
}

const NAME = 'served.bench.test';
const AT = new Date('2026-11-01T00:00:00Z');
const LOADED_TOGETHER = 500;
const TOGETHER = 25;

/** The first name of the fleet's certificate with a number. */
export const fleetName = (number: number): string => `n${String(number).padStart(8, '0')}.fleet.test`;

function describe(folder: string, kept: Pick<PreparedClient, 'identity' | 'trust' | 'roots'>): PreparedClient {
  const [bus, stateDirectory] = [`sqlite:${folder}/bus.db#test`, join(folder, 'state')];
  const replica = replicaPath({ stateDirectory, role: 'client', address: bus });
  return { ...kept, bus, name: NAME, stateDirectory, replica };
}

/** Puts a fleet's certificates into a replica next to those that it has. */
async function load(replica: Replica, certificates: number): Promise<void> {
  const fleet = await createFleet({ certificates, together: TOGETHER, keys: await createFleetKeys() });
  const [checkpoint, records] = [replica.checkpoint(), [...replica.records()]];
  const building = await replica.build({ checkpoint, bus: replica.bus(), rootEvents: replica.rootEvents() });
  await building.load(records);
  let group: { certificate: ManagedCertificate; position: number }[] = [];
  for (const obtained of fleet.obtained()) {
    const certificate = evolve(undefined, obtained, { at: AT });
    if (certificate) group.push({ certificate, position: checkpoint.position });
    if (group.length < LOADED_TOGETHER) continue;
    await building.load(group);
    group = [];
  }
  await building.load(group);
  await building.serve();
}

async function make(folder: string, final: string, certificates: number): Promise<void> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const test = await createTestBus({ address: `sqlite:${folder}/bus.db#test` });
  await test.issue([NAME]);
  const { identity, trust, roots } = test;
  // Named for where it will be: the name of a replica is made of the bus's address.
  const { replica: name } = describe(final, { identity, trust, roots });
  const path = join(folder, 'state', name.slice(join(final, 'state').length + 1));
  const replica = await openReplica({ path, busId: parseTrust(trust).busId, role: 'client' });
  await synchronize(replica, test.bus);
  await load(replica, certificates);
  await replica.close();
  await test.close();
  writeFileSync(join(folder, 'keys.json'), JSON.stringify({ identity, trust, roots }), { mode: 0o600 });
}

/** Whether a replica in the cache is one of this release; another would be set aside. */
async function isWhole({ replica: path, trust }: PreparedClient, certificates: number): Promise<boolean> {
  const replica = await openReplica({ path, busId: parseTrust(trust).busId, role: 'client' });
  const served = replica.countServed();
  await replica.close();
  return served === certificates + 1;
}

/** A client's state with so many certificates and one whose key opens: from the cache, or made, which takes minutes for a million. */
export async function prepareClient(certificates: number): Promise<PreparedClient> {
  const folder = cacheFolder(`client-${certificates}`);
  const keys = join(folder, 'keys.json');
  const read = () => describe(folder, JSON.parse(readFileSync(keys, 'utf8')));
  if (existsSync(keys) && (await isWhole(read(), certificates))) return read();
  const unfinished = `${folder}.new`;
  await make(unfinished, folder, certificates);
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  return read();
}
