/** Puts a fleet's certificates into a replica, in the time that they take without their history. */
import type { ManagedCertificate } from '@certbus/events';
import { evolve } from '@certbus/events/history';
import { openReplica, type Replica } from '@certbus/replica';
import type { Fleet } from './fleet.ts';

const LOADED_TOGETHER = 500;

/** How certificates are put into a replica. */
export interface Loading {
  /** When they were obtained. */
  readonly at: Date;
  /** The position of a certificate by its number, from 1 on. Default: that of the replica. */
  positionOf?(number: number): number;
  /** Called with each group of them. */
  onLoaded?(certificates: readonly ManagedCertificate[]): void;
}

function* certificatesOf(fleet: Fleet, at: Date): Iterable<ManagedCertificate> {
  for (const obtained of fleet.obtained()) {
    const certificate = evolve(undefined, obtained, { at });
    if (certificate) yield certificate;
  }
}

function* inGroups<T>(items: Iterable<T>, size: number): Iterable<readonly T[]> {
  let group: T[] = [];
  for (const item of items) {
    group.push(item);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** Puts a fleet's certificates next to what a replica has, as if they had been on its bus. */
export async function loadFleet(
  replica: Replica,
  fleet: Fleet,
  { at, positionOf, onLoaded = () => {} }: Loading,
): Promise<void> {
  const [checkpoint, others] = [replica.checkpoint(), [...replica.records()]];
  const building = await replica.build({ checkpoint, bus: replica.bus(), rootEvents: replica.rootEvents() });
  await building.load(others);
  let number = 0;
  for (const certificates of inGroups(certificatesOf(fleet, at), LOADED_TOGETHER)) {
    const records = certificates.map((certificate) => {
      number += 1;
      return { certificate, position: positionOf?.(number) ?? checkpoint.position };
    });
    await building.load(records);
    onLoaded(certificates);
  }
  await building.serve();
}

/** Whether a replica's file serves so many certificates. One of an earlier release serves none: it is set aside. */
export async function servesAll(options: Parameters<typeof openReplica>[0], certificates: number): Promise<boolean> {
  const replica = await openReplica(options);
  const served = replica.countServed();
  await replica.close();
  return served === certificates;
}
