/** Loaded before the agent: kills it, without a warning, at one of the steps in which it changes files. */
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';

const STEPS = ['chmod', 'chown', 'link', 'mkdir', 'open', 'rename', 'rm', 'symlink'] as const;
const last = Number(process.env['CERTBUS_KILL_AT_STEP']);
let step = 0;

type Call = (...args: readonly unknown[]) => Promise<unknown>;

for (const name of STEPS) {
  const own = fs[name] as Call;
  const counted: Call = async (...args) => {
    step += 1;
    if (step === last) process.kill(process.pid, 'SIGKILL');
    return own(...args);
  };
  Object.assign(fs, { [name]: counted });
}
syncBuiltinESMExports();
