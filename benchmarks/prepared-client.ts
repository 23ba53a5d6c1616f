/** A client's state with many certificates, made once and kept in the user's cache folder for every figure that wants one. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestBus } from '@certbus/client/testing';
import { parseTrust } from '@certbus/events';
import { openReplica, replicaPath, synchronize } from '@certbus/replica';
import { createFleet, createFleetKeys } from './fleet.ts';
import { keepFolder } from './kept-folder.ts';
import { loadFleet, servesAll } from './loaded-fleet.ts';

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
const TOGETHER = 25;

function describe(folder: string, kept: Pick<PreparedClient, 'identity' | 'trust' | 'roots'>): PreparedClient {
  const [bus, stateDirectory] = [`sqlite:${folder}/bus.db#test`, join(folder, 'state')];
  const replica = replicaPath({ stateDirectory, role: 'client', address: bus });
  return { ...kept, bus, name: NAME, stateDirectory, replica };
}

async function make(folder: string, final: string, certificates: number): Promise<void> {
  const test = await createTestBus({ address: `sqlite:${folder}/bus.db#test` });
  await test.issue([NAME]);
  const { identity, trust, roots } = test;
  // Named for where it will be: the name of a replica is made of the bus's address.
  const { replica: name } = describe(final, { identity, trust, roots });
  const path = join(folder, 'state', name.slice(join(final, 'state').length + 1));
  const replica = await openReplica({ path, busId: parseTrust(trust).busId, role: 'client' });
  await synchronize(replica, test.bus);
  const fleet = await createFleet({ certificates, together: TOGETHER, keys: await createFleetKeys() });
  await loadFleet(replica, fleet, { at: AT });
  await replica.close();
  await test.close();
  writeFileSync(join(folder, 'keys.json'), JSON.stringify({ identity, trust, roots }), { mode: 0o600 });
}

const read = (folder: string): PreparedClient =>
  describe(folder, JSON.parse(readFileSync(join(folder, 'keys.json'), 'utf8')));

/** A client's state with so many certificates and one whose key opens: from the cache, or made, which takes minutes for a million. */
export async function prepareClient(certificates: number): Promise<PreparedClient> {
  const folder = await keepFolder(`client-${certificates}`, {
    make: (unfinished, final) => make(unfinished, final, certificates),
    isWhole(kept) {
      const { replica: path, trust } = read(kept);
      return servesAll({ path, busId: parseTrust(trust).busId, role: 'client' }, certificates + 1);
    },
  });
  return read(folder);
}
