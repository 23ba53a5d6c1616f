/** A copy of a prepared fleet with its CA, for figures of a manager that asks the CA or orders there. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { LETS_ENCRYPT_LIMITS, type Solver } from '@certbus/acme';
import { createOutgoing } from '@certbus/store/outgoing';
import { runPnpm, temporaryFolder } from 'certbus-services';
import type { FleetCa, FleetCaOptions, FleetCaReport } from './fleet-ca-process.ts';
import type { FleetTask } from './fleet-task.ts';
import { copyFleet, FLEET_CA, openFleetManager, type PreparedFleet } from './prepared-fleet.ts';

/** What a program does with a fleet. */
export interface FleetWork extends Pick<FleetTask, 'rounds' | 'each'>, Pick<FleetCaOptions, 'window' | 'isLimited'> {
  /** What the clocks of CA and manager show when it begins. */
  readonly from: Date;
}

const CA_PROGRAM = fileURLToPath(new URL('./fleet-ca-process.ts', import.meta.url));
const ACCOUNT_PROGRAM = fileURLToPath(new URL('./fleet-account-process.ts', import.meta.url));
const FROM_SOURCES = ['--conditions=certbus:source'];
/** What users run: taking the types out of sources takes memory. */
const BUILT: readonly string[] = [];

/** Starts a module as a process, and resolves with its first message. Rejects where it ends before. */
async function startProgram<Message>(
  program: string,
  task: object,
  ready: (message: Message, child: ChildProcess) => Promise<void> | void,
  execArgv: readonly string[] = FROM_SOURCES,
) {
  const child = fork(program, [JSON.stringify(task)], { execArgv: [...execArgv] });
  const ended = once(child, 'exit');
  const failed = ended.then(([status]) => Promise.reject(new Error(`${program} ended with status ${status}`)));
  failed.catch(() => {});
  try {
    const [message] = (await Promise.race([once(child, 'message'), failed])) as [Message];
    await ready(message, child);
  } finally {
    if (child.connected) child.disconnect();
    await ended;
  }
}

/** Puts the clock of a fleet's CA forward, and resolves with what it saw. */
export type AdvanceFleetCa = (ms: number) => Promise<FleetCaReport>;

/** Copies a fleet, starts its CA, and does something with both. */
export async function onCopy(
  prepared: PreparedFleet,
  { from, rounds, each, ...like }: FleetWork,
  work: (task: FleetTask, advanceCa: AdvanceFleetCa) => Promise<void>,
): Promise<void> {
  const folder = temporaryFolder();
  try {
    const fleet = copyFleet(prepared, folder.path);
    const aheadMs = from.getTime() - Date.now();
    const options: FleetCaOptions = { aheadMs, ...like };
    await startProgram<FleetCa>(CA_PROGRAM, options, (ca, child) =>
      work({ fleet, ca, aheadMs, rounds, each }, async (ms) => {
        child.send(ms);
        const [report] = (await once(child, 'message')) as [FleetCaReport];
        return report;
      }),
    );
  } finally {
    folder.remove();
  }
}

/** Runs a program as a process of its own, and resolves with what it sends. */
async function resultOf<Result>(program: string, task: FleetTask, execArgv?: readonly string[]): Promise<Result> {
  const results: Result[] = [];
  await startProgram<Result>(program, task, (result) => void results.push(result), execArgv);
  const [result] = results;
  if (result === undefined) throw new TypeError('the program sends its result');
  return result;
}

/** Has a program work with a copy of a fleet and with its CA, each in a process of its own, and resolves with what it sends. */
export async function runOnFleet<Result>(program: string, prepared: PreparedFleet, work: FleetWork): Promise<Result> {
  const results: Result[] = [];
  await onCopy(prepared, work, async (task) => void results.push(await resultOf<Result>(program, task)));
  const [result] = results;
  if (result === undefined) throw new TypeError('the program was run');
  return result;
}

/**
 * Runs a program so many times, each as a process of its own, on a copy of a fleet of which nothing is due, whose manager has an account at a CA that does not
 * say when it wants certificates renewed, and so no notes of when to ask it. Resolves with what they send.
 */
export async function runOnQuietFleet<Result>(
  program: string,
  prepared: PreparedFleet,
  { processes, rounds = 0 }: { readonly processes: number; readonly rounds?: number },
): Promise<Result[]> {
  await runPnpm(['exec', 'turbo', 'run', 'build', '--filter=certbus', '--output-logs=errors-only']);
  const results: Result[] = [];
  await onCopy(prepared, { from: prepared.now, rounds, each: 0 }, async (task) => {
    await resultOf<boolean>(ACCOUNT_PROGRAM, task);
    for (let n = 0; n < processes; n += 1) results.push(await resultOf<Result>(program, task, BUILT));
  });
  return results;
}

/** For a CA that believes everything. */
const idle: Solver = { challenges: ['dns-01'], async present() {}, async ready() {}, async cleanUp() {} };

/** Opens the manager of a task: with the limits of Let's Encrypt, an account at the fleet's CA, and a clock that can be put forward. */
export async function openTaskManager(
  { fleet, ca: { proxy, roots, dns }, aheadMs }: FleetTask,
  { notes }: Pick<NonNullable<Parameters<typeof openFleetManager>[1]>, 'notes'> = {},
) {
  let forwardMs = 0;
  const now = () => new Date(Date.now() + aheadMs + forwardMs);
  const open = await openFleetManager(fleet, {
    now,
    outgoing: createOutgoing({ proxy }),
    solvers: async () => idle,
    limits: () => LETS_ENCRYPT_LIMITS,
    ...(notes ? { notes } : {}),
  });
  await open.manager.refresh();
  await open.manager.configure({
    version: 1,
    authorities: { fleet: { ...FLEET_CA, roots } },
    defaultAuthority: 'fleet',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
    quarantine: { resolver: [dns] },
  });
  await open.manager.register({ signal: new AbortController().signal });
  return {
    ...open,
    now,
    /** Puts the clock forward. */
    advance(ms: number) {
      forwardMs += ms;
    },
  };
}
