import { StatementSync } from 'node:sqlite';
import { connect } from './connect.ts';

/**
 * A load balancer in a process of its own that counts what it reads of its bus and how many large commits it parses. It tells its parent when it
 * has started, when its alarm is raised, at every tenth look behind that, and when a certificate changes.
 */
const [, , bus = '', identity = '', trust = '', stateDirectory = ''] = process.argv;
const LOOKS = 10;

/** Bytes of each page that was read since the last message. */
const pages: number[] = [];
let looks = 0;
let parsed = 0;
let code: unknown;

const { parse } = JSON;
JSON.parse = (...call) => {
  // What was signed on this bus is smaller, and is read again where the client looks for a restore.
  if (String(call[0]).length > 100_000) parsed += 1;
  return parse(...call);
};
const { iterate } = StatementSync.prototype;
StatementSync.prototype.iterate = function* (this: StatementSync, ...call: Parameters<typeof iterate>) {
  if (!this.sourceSQL.includes('commits.position >')) return yield* iterate.apply(this, call);
  let size = 0;
  try {
    for (const row of iterate.apply(this, call)) {
      const { bytes } = row;
      if (bytes instanceof Uint8Array) size += bytes.length;
      yield row;
    }
  } finally {
    pages.push(size);
    looks += 1;
    if (code !== undefined && looks % LOOKS === 0) setImmediate(() => void tell());
  }
} as typeof iterate;

/** In another turn of the event loop, in which a handshake's context is made as well. */
async function tell(): Promise<void> {
  const counted = { code, parsed, pages: pages.splice(0), position: client.health().position };
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
