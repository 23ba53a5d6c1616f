/** The strict ACME server as a CA for contenders. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Site } from './site.ts';

const PROGRAM = fileURLToPath(new URL('./strict-ca-process.ts', import.meta.url));

/** The strict ACME server with its DNS, in a process that ends with this one. */
export interface StrictCa extends Site {
  close(): Promise<void>;
}

/** Starts it; contenders prove names by DNS-01. */
export async function openStrictCa(): Promise<StrictCa> {
  const child = fork(PROGRAM, { execArgv: ['--conditions=certbus:source'] });
  const ended = once(child, 'exit');
  const failed = ended.then(([status]) => Promise.reject(new Error(`the CA ended with status ${status}`)));
  const [site] = (await Promise.race([once(child, 'message'), failed])) as [Site];
  failed.catch(() => {});
  return {
    ...site,
    async close() {
      if (child.connected) child.disconnect();
      await ended;
    },
  };
}
