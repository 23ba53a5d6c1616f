/** How a program is started for a task, by preset. */
import { basename } from 'node:path';
import type { Program } from '../../definition/program.ts';
import { ACME_SH_SHIM } from './acme-sh-shim.ts';
import type { Task } from './task.ts';

/** How a program is started. */
export interface Invocation {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** For standard input. */
  readonly input: string;
}

type Call = Omit<Invocation, 'command' | 'env'> & { readonly command?: string; readonly env?: Invocation['env'] };

function certbotVariables({ action, domain, value, batch, remaining }: Task, output: string): Record<string, string> {
  const all = batch.join(',');
  return {
    CERTBOT_DOMAIN: domain,
    CERTBOT_IDENTIFIER: domain,
    CERTBOT_VALIDATION: value,
    CERTBOT_ALL_DOMAINS: all,
    CERTBOT_ALL_IDENTIFIERS: all,
    CERTBOT_REMAINING_CHALLENGES: String(remaining),
    ...(action === 'cleanup' ? { CERTBOT_AUTH_OUTPUT: output } : {}),
  };
}

/** The name of the function in a file of acme.sh's dnsapi. */
function functionOf(dnsapi: string, action: Task['action']): string {
  return `${basename(dnsapi, '.sh')}_${action === 'present' ? 'add' : 'rm'}`;
}

function callOf(program: Program, task: Task, output: string): Call {
  const { action, name, value, domain, token, keyAuthorization, zone } = task;
  switch (program.preset) {
    case 'json': {
      const request = { action, fqdn: `${name}.`, value, zone, domain, token, keyAuthorization };
      return { args: [], input: `${JSON.stringify(request)}\n` };
    }
    case 'lego':
      return { args: [action, `${name}.`, value], input: '' };
    case 'lego-raw':
      return { args: [action, '--', domain, token, keyAuthorization], input: '' };
    case 'certbot': {
      const command = action === 'present' ? program.path : (program.cleanup ?? program.path);
      return { command, args: [], env: certbotVariables(task, output), input: '' };
    }
    case 'acme.sh': {
      const { path, dnsapi } = program;
      const args = ['-c', ACME_SH_SHIM, path, path, dnsapi, functionOf(dnsapi, action), name, value];
      return { command: '/bin/sh', args, input: '' };
    }
  }
}

/** How a program is told of a task. `output` is what its auth hook printed, for certbot's. */
export function invocationOf(program: Program, task: Task, output: string): Invocation {
  const { command = program.path, args, env = {}, input } = callOf(program, task, output);
  const own = 'args' in program ? (program.args ?? []) : [];
  return { command, args: [...own, ...args], env: { ...program.env, ...env }, input };
}
