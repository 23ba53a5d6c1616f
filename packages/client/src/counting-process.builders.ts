import { connect } from './connect.ts';
import { COUNTS, type Count } from './counting.builders.ts';

/**
 * A load balancer in a process of its own that counts, over all threads, what it reads of its bus and how many large commits it parses. It
 * tells its parent when it has started, when its alarm is raised, at every tenth look behind that, and when a certificate changes.
 */
const [, , bus = '', identity = '', trust = '', stateDirectory = ''] = process.argv;
const LOOKS = 10;

/** Bytes of each page that was read since the last message. */
const pages: number[] = [];
let looks = 0;
let parsed = 0;
/** Signatures that were checked, and pages that were read, on the main thread and elsewhere. */
const checked = { main: 0, elsewhere: 0 };
let code: unknown;

const counts = new BroadcastChannel(COUNTS);
counts.onmessage = ({ data }) => {
  const { isMain, what, bytes } = data as Count;
  if (what === 'large text') parsed += 1;
  else checked[isMain ? 'main' : 'elsewhere'] += 1;
  if (what !== 'page') return;
  pages.push(bytes);
  looks += 1;
  if (code !== undefined && looks % LOOKS === 0) void tell();
};

/** In another turn of the event loop, in which a handshake's context is made as well. */
async function tell(): Promise<void> {
  const counted = { code, parsed, checked, pages: pages.splice(0), position: client.health().position };
  const isServing = (await client.secureContextFor('a.test')) !== undefined;
  parsed = 0;
  process.send?.({ ...counted, isServing });
}

const client = await connect({ bus, identity, trust, stateDirectory, intervalMs: 100 });
client
  .on('alarm', (error) => {
    code = 'code' in error ? error.code : error.message;
    void tell();
  })
  .on('changed', () => process.send?.({ changed: client.health().position }));
// A first start resolves once it has caught up.
process.send?.({ started: client.health().position });
process.on('disconnect', () => process.exit());
