import { connect } from '@certbus/client';

/** A process of its own: a load balancer that starts for the first time, until it is live. */
const [, , bus = '', identity = '', trust = '', archive] = process.argv;
const began = performance.now();
const client = await connect({ bus, identity, trust, ...(archive ? { archive } : {}) });
client.on('alarm', (error) => console.error(error.message));
const readyMs = performance.now() - began;
const { position, live, certificates } = client.health();
console.log(JSON.stringify({ position, live, served: certificates.served, readyMs }));
await client.close();
