/** Loaded before the agent: kills it, without a warning, at one of the steps in which it changes files, starts a command or asks a balancer. */
import childProcess from 'node:child_process';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { Socket } from 'node:net';

const STEPS = ['chmod', 'chown', 'link', 'mkdir', 'open', 'rename', 'rm', 'symlink'] as const;
const last = Number(process.env['CERTBUS_KILL_AT_STEP']);
let step = 0;

type Call = (...args: readonly unknown[]) => unknown;

function countStep(): void {
  step += 1;
  if (step === last) process.kill(process.pid, 'SIGKILL');
}

/** Counts a function of an object as a step each time that it is called. */
function count(owner: object, name: string): void {
  const own: Call = Reflect.get(owner, name);
  Reflect.set(owner, name, function counted(this: unknown, ...args: readonly unknown[]) {
    // What the agent logs changes nothing.
    const isLog = typeof this === 'object' && this !== null && '_isStdio' in this;
    if (!isLog) countStep();
    return own.apply(this, [...args]);
  });
}

for (const name of STEPS) count(fs, name);
count(childProcess, 'spawn');
count(Socket.prototype, 'write');
syncBuiltinESMExports();
