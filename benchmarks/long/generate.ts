import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { formatTrust } from '@certbus/events';
import { writeBus } from '../bulk.ts';
import { createFleet, createFleetKeys } from '../fleet.ts';

/** A process of its own: makes a bus of so many certificates in a folder, with the files that `certbus init` would have written. */
const [, , folder = '', certificates = '0'] = process.argv;
mkdirSync(folder, { recursive: true });
const keys = await createFleetKeys();
// A manager that has not read a bus before signs nothing where its newest commit is older than two days.
const began = new Date(Date.now() - 3_600_000);
const fleet = await createFleet({ certificates: Number(certificates), together: 25, began, keys });
await writeBus(join(folder, 'bus.db'), 'fleet', fleet.commits());
const secret = { mode: 0o600 };
writeFileSync(join(folder, 'manager.key'), keys.managerText, secret);
writeFileSync(join(folder, 'loadbalancer.key'), keys.identity, secret);
writeFileSync(join(folder, 'bus.pub'), `${formatTrust(keys.trust)}\n`);
const config = {
  bus: 'sqlite:./bus.db#fleet',
  managerKey: 'manager.key',
  identity: 'loadbalancer.key',
  trust: 'bus.pub',
};
writeFileSync(join(folder, 'certbus.json'), JSON.stringify({ ...config, archive: 'file:./archive' }));
console.log(JSON.stringify({ commits: fleet.end.position, randomBytes: fleet.randomBytes }));
