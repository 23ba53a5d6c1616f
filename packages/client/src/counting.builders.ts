/** Preloaded into every thread of a process: reports the pages of commits that it reads, the signatures that it checks, and the large texts that it parses. */
import crypto from 'node:crypto';
import { syncBuiltinESMExports } from 'node:module';
import { StatementSync } from 'node:sqlite';
import { isMainThread } from 'node:worker_threads';

/** Something that a thread did. */
export interface Count {
  readonly isMain: boolean;
  readonly what: 'page' | 'signature' | 'large text';
  readonly bytes: number;
}

/** Where counts are sent. */
export const COUNTS = 'counts';

const channel = new BroadcastChannel(COUNTS);
channel.unref();
const count = (what: Count['what'], bytes: number) =>
  channel.postMessage({ isMain: isMainThread, what, bytes } satisfies Count);

const { parse } = JSON;
JSON.parse = (...call) => {
  // What was signed on these buses is smaller, and is read again where the client looks for a restore.
  const { length } = String(call[0]);
  if (length > 100_000) count('large text', length);
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
    count('page', size);
  }
} as typeof iterate;

const { verify } = crypto;
crypto.verify = ((...call: Parameters<typeof verify>) => {
  count('signature', call[1].byteLength);
  return verify(...call);
}) as typeof verify;
syncBuiltinESMExports();
