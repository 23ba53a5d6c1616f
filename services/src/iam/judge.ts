/** A judge of requests to AWS: an open simulator of IAM, which is a program of its own and ships with nothing. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { lockOf } from '../locks.ts';
import { cacheFolder, hasProgram } from '../machine.ts';
import { installPackages } from '../npm-packages.ts';

/** A request to AWS, as IAM sees it. */
export interface IamRequest {
  /** Such as `dynamodb:PutItem`. */
  readonly action: string;
  /** ARN, or `*` for an action that has no resource. */
  readonly resource: string;
  /** Condition keys of the request. */
  readonly context?: Readonly<Record<string, string | readonly string[]>>;
}

/** Who asks, and what says whether he may. */
export interface IamSubject {
  /** ARN of the role. */
  readonly principal: string;
  /** Policies of the role. */
  readonly policies: readonly unknown[];
  /** Policy of the resource. Default none. */
  readonly resourcePolicy?: unknown;
  /** Permissions boundary of the role. Default none. */
  readonly boundary?: unknown;
}

/** A judge that runs. */
export interface IamJudge {
  readonly endpoint: string;
  /** Whether a request is allowed. Rejects where it is not one that IAM knows. */
  isAllowed(subject: IamSubject, request: IamRequest): Promise<boolean>;
  stop(): Promise<void>;
}

const LOCK = 'iam-simulate';
const PROGRAM = fileURLToPath(new URL('./judge-process.mjs', import.meta.url));

/** The account that resources belong to, as in moto and in DynamoDB Local. */
export const ACCOUNT = '123456789012';

/** Why this machine cannot have the judge; `undefined` when it can. */
export function missingIamJudge(): string | undefined {
  return hasProgram('npm') || existsSync(cacheFolder(lockOf(LOCK).cacheName)) ? undefined : 'npm fetches iam-simulate';
}

/** Finds or installs the simulator, and returns its module's path. */
export async function findIamJudge(): Promise<string> {
  const modules = await installPackages(LOCK);
  return join(modules, '@cloud-copilot', 'iam-simulate', 'dist', 'esm', 'index.js');
}

/** Starts the judge, installing it first where it was never used. */
export async function startIamJudge(): Promise<IamJudge> {
  const module = pathToFileURL(await findIamJudge()).href;
  const child = spawn(process.execPath, [PROGRAM, module], { stdio: ['ignore', 'pipe', 'inherit'] });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'exit');
  const [port] = (await Promise.race([
    once(child.stdout, 'data'),
    ended.then(() => Promise.reject(new Error('the IAM judge ended'))),
  ])) as [Buffer];
  const endpoint = `http://127.0.0.1:${Number(port.toString())}`;
  return {
    endpoint,
    async isAllowed(subject, { context = {}, ...request }) {
      const body = JSON.stringify({ account: ACCOUNT, ...subject, ...request, context });
      const response = await fetch(endpoint, { method: 'POST', body });
      const text = await response.text();
      if (!response.ok) throw new Error(`${request.action} on ${request.resource}: ${text}`);
      return (JSON.parse(text) as { readonly allowed: boolean }).allowed;
    },
    async stop() {
      process.off('exit', kill);
      kill();
      await ended;
    },
  };
}
