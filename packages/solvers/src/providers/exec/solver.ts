/** Answers dns-01 by a program of this machine. */
import type { Solver } from '@certbus/acme';
import { AcmeError } from '@certbus/acme';
import { textOf } from '@certbus/acme/solver-kit';
import type { Program } from '../../definition/program.ts';
import type { Surroundings } from '../../definition/provider.ts';
import { eachFew, singleValues } from '../../dns/each-value.ts';
import type { DnsOptions } from '../../dns/options.ts';
import { createDnsSolver, type ZoneValues } from '../../dns/solver.ts';
import { inTurn } from '../../dns/turns.ts';
import { zoneInDns } from '../../dns/zone-of.ts';
import { openAuthOutputs } from './auth-outputs.ts';
import { invocationOf } from './invocation.ts';
import { type ProgramResult, runProgram } from './run-program.ts';
import type { ExecSettings } from './settings.ts';
import { inSlot } from './slots.ts';
import type { Task } from './task.ts';

export type { Program } from '../../definition/program.ts';

/** Which program writes values. */
export interface ExecOptions extends DnsOptions {
  readonly program: Program;
}

const PARALLEL = 4;
const TIMEOUT_MS = 120_000;
const SAID_LENGTH = 500;

const NOT_STARTED: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist, or what its first line names does not',
  EACCES: 'this user cannot execute it (chmod +x), or cannot reach its folder',
};

/** A name leads where DNS says, and comes to shell scripts: nothing that means something to a shell gets through. */
const PLAIN = /^[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?$/i;

function howItEnded({ end }: ProgramResult, timeoutMs: number): string | undefined {
  switch (end.kind) {
    case 'exited':
      return end.status === 0 ? undefined : `ended with exit status ${end.status}`;
    case 'killed':
      return `was ended by ${end.by}`;
    case 'overdue':
      return `was ended after ${timeoutMs / 1000} s, its time`;
    case 'not-started':
      return `cannot be started: ${NOT_STARTED[end.code] ?? end.code}`;
  }
}

/** The end of what a program said, fit to print. */
function lastWords(said: string, secrets: readonly string[]): string {
  // The longest first, for one can be the beginning of another.
  const longest = secrets.filter(Boolean).toSorted((one, other) => other.length - one.length);
  const clean = longest.reduce((text, secret) => text.replaceAll(secret, '…'), said).trim();
  const words = textOf(clean.slice(-SAID_LENGTH), SAID_LENGTH) ?? '';
  return words === '' ? 'nothing' : clean.length > SAID_LENGTH ? `…${words}` : words;
}

function failed(program: Program, task: Task, why: string): AcmeError {
  const attempt = task.action === 'present' ? 'Presenting' : 'Cleaning up';
  const message = `${attempt} the TXT value of ${task.name}: the program "${program.name}" ${why}`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', message);
}

/** Keeps or reads the output of an auth hook; what the disk refuses is a failure of the program's task. */
async function onDisk<T>(program: Program, task: Task, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown error';
    throw failed(program, task, `has an auth hook whose output cannot be kept in the state directory (${code}).`);
  }
}

async function run(program: Program, task: Task, signal: AbortSignal): Promise<void> {
  const { timeoutMs = TIMEOUT_MS, secrets = [] } = program;
  const isCleanUp = task.action === 'cleanup';
  const outputs = program.preset === 'certbot' ? openAuthOutputs(program.outputs, program.path) : undefined;
  const output = isCleanUp ? await onDisk(program, task, async () => outputs?.recall(task)) : undefined;
  const invocation = invocationOf(program, task, output ?? '');
  const result = await inSlot(signal, () => runProgram(invocation, { timeoutMs, signal }));
  const why = howItEnded(result, timeoutMs);
  if (why !== undefined) {
    const words = lastWords(result.said, [...secrets, task.keyAuthorization, task.token]);
    throw failed(program, task, result.end.kind === 'not-started' ? `${why}.` : `${why}. It said: ${words}`);
  }
  await onDisk(program, task, async () =>
    isCleanUp ? outputs?.forget(task) : outputs?.keep(task, result.stdout.trim()),
  );
}

/** Tasks of a zone, in order. */
function tasksOf(action: Task['action'], values: ZoneValues): Task[] {
  const single = singleValues(values);
  const batch = single.map(({ challenge }) => challenge.name);
  return single.map(({ name, value, challenge }, index) => {
    const { name: domain, token, keyAuthorization } = challenge;
    const remaining = batch.length - 1 - index;
    return { action, zone: values.zone, name, value, domain, token, keyAuthorization, batch, remaining };
  });
}

function check(program: Program, tasks: readonly Task[]): void {
  const odd = tasks.find(({ name, domain }) => !PLAIN.test(name) || !PLAIN.test(domain));
  if (odd)
    throw failed(program, odd, 'was not run for it: the name has other characters than letters, digits, - and _.');
}

/**
 * Answers dns-01 by a program of this machine, which is run once for each value, without a shell: a few at a time, eight in the
 * whole process. It must succeed for a value that is there already, and for one that is gone. `certbot` and `lego-raw` are told the
 * domain, not where its CNAMEs lead, and answer dns-01 alone; `certbot` gets its challenges one after another, and the output of
 * its auth hook comes back only on the machine that presented. Needs a POSIX system. Operations reject with
 * `CERTBUS_ACME_ZONE_NOT_FOUND`, where DNS has no zone for a name, or `CERTBUS_ACME_SOLVER_FAILED`.
 */
export function createExecSolver({ program, ...dns }: ExecOptions): Solver {
  const isSequential = program.isSequential || program.preset === 'certbot';

  async function perform(action: Task['action'], values: ZoneValues, signal: AbortSignal): Promise<void> {
    if (action === 'cleanup' && program.preset === 'certbot' && program.cleanup === undefined) return;
    const tasks = tasksOf(action, values);
    check(program, tasks);
    const how = { parallel: isSequential ? 1 : PARALLEL, goOn: action === 'cleanup' };
    const act = () => eachFew(tasks, how, (task) => run(program, task, signal));
    await (program.isSequential ? inTurn([`exec ${program.path} ${values.zone}`], signal, act) : act());
  }

  return createDnsSolver(
    {
      id: `exec ${program.path}`,
      findZones:
        ({ lookups }) =>
        (name) =>
          zoneInDns(name, lookups),
      add: (values, { signal }) => perform('present', values, signal),
      remove: (values, { signal }) => perform('cleanup', values, signal),
      makesNames: program.preset === 'certbot' || program.preset === 'lego-raw',
    },
    dns,
  );
}

/** The solver of settings in the configuration. Rejects where this machine does not have the program. */
export async function createFromSettings(settings: ExecSettings, { findProgram }: Surroundings): Promise<Solver> {
  return createExecSolver({ ...settings, program: await findProgram(settings.program) });
}
