import { connect } from './connect.ts';

/** A load balancer in a process of its own: says `advancing` or `reading` once it has started, and runs until it is killed. */
const [, , bus = '', identity = '', trust = '', stateDirectory = ''] = process.argv;
const client = await connect({ bus, identity, trust, stateDirectory, intervalMs: 100 });
process.stdout.write(`${client.health().following ? 'advancing' : 'reading'}\n`);
