import { openReplica } from './replica.ts';

/** A process that advances a replica until it is killed. */
const [, , path = '', busId = ''] = process.argv;
const replica = await openReplica({ path, busId });
process.stdout.write(`${replica.advancing}\n`);
setInterval(() => {}, 1_000);
