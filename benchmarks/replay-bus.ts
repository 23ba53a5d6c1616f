/** A bus whose last commits can be hidden and shown again, so that they arrive when a measurement wants them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { formatTrust } from '@certbus/events';
import { writeBus } from './bulk.ts';
import { createFleet, createFleetKeys } from './fleet.ts';
import { keepFolder } from './kept-folder.ts';

export interface ReplayBusOptions {
  /** Certificates that are issued before the part that can be hidden. */
  readonly certificates: number;
  /** Those of them that are renewed in that part. */
  readonly renewed: number;
}

/** Such a bus. */
export interface ReplayBus {
  readonly address: string;
  /** Paths of the files that a client is given. */
  readonly trust: string;
  readonly identity: string;
  /** Events that are always there, and those that can be hidden. */
  readonly events: { readonly first: number; readonly last: number };
  /** Positions of the last commit of both parts. */
  readonly end: { readonly first: number; readonly last: number };
  hide(): void;
  show(): void;
}

const [STREAM, HIDDEN] = ['fleet', 'hidden'];
const TOGETHER = 25;
const EVENTS_OF_AN_ORDER = 3;
/** Its beginning has three, and there is an issuer. */
const OTHER_EVENTS = 4;
const commitsOf = (orders: number): number => Math.ceil(orders / TOGETHER) * EVENTS_OF_AN_ORDER;

async function make(folder: string, { certificates, renewed }: ReplayBusOptions): Promise<void> {
  const keys = await createFleetKeys();
  const fleet = await createFleet({ certificates, together: TOGETHER, renewed, keys });
  await writeBus(join(folder, 'bus.db'), STREAM, fleet.commits());
  writeFileSync(join(folder, 'loadbalancer.key'), keys.identity, { mode: 0o600 });
  writeFileSync(join(folder, 'bus.pub'), `${formatTrust(keys.trust)}\n`);
}

/** Opens it from the cache, or makes it, which takes minutes for a million certificates. */
export async function openReplayBus(options: ReplayBusOptions): Promise<ReplayBus> {
  const { certificates, renewed } = options;
  const folder = await keepFolder(`replay-${certificates}-${renewed}`, {
    make: (unfinished) => make(unfinished, options),
  });
  const first = 2 + commitsOf(certificates);
  function rename(from: string, to: string): void {
    const database = new DatabaseSync(join(folder, 'bus.db'));
    database.prepare('UPDATE commits SET stream = ? WHERE stream = ? AND position > ?').run(to, from, first);
    database.close();
  }
  return {
    address: `sqlite:${folder}/bus.db#${STREAM}`,
    trust: join(folder, 'bus.pub'),
    identity: join(folder, 'loadbalancer.key'),
    events: { first: OTHER_EVENTS + certificates * EVENTS_OF_AN_ORDER, last: renewed * EVENTS_OF_AN_ORDER },
    end: { first, last: first + commitsOf(renewed) },
    hide: () => rename(STREAM, HIDDEN),
    show: () => rename(HIDDEN, STREAM),
  };
}
