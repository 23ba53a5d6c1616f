/** A function in AWS's emulator of Lambda. */
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { isListening } from '../listening.ts';
import { freePort } from '../machine.ts';
import { startService, withFreePorts } from '../process.ts';
import { findLambdaEmulator, findLambdaRuntime, type LambdaRuntime } from './programs.ts';

/** How a function is emulated. */
export interface LambdaOptions {
  /** Folder with the function's code. */
  readonly task: string;
  /** Default `index.handler`. */
  readonly handler?: string;
  /** What runs it; default AWS's client, where this machine can build it. */
  readonly runtime?: LambdaRuntime;
  /** After so long an invocation is ended, seconds. Default 900. */
  readonly timeoutS?: number;
  /** The function's variables, credentials included. */
  readonly variables: Readonly<Record<string, string>>;
}

/**
 * A function that is emulated: one environment of Lambda, which serves one invocation at a time. Unlike Lambda it limits no memory, shares the
 * machine's temporary folder, and freezes nothing between invocations.
 */
export interface LambdaEmulator {
  /** Invokes it, at first by a cold start, and returns what was answered: JSON, unless the invocation was ended. */
  invoke(event?: unknown, options?: { readonly requestId?: string }): Promise<string>;
  /** What the emulator and the function wrote. */
  log(): string;
  /** Sends a signal to the process that runs the function. */
  signal(name: NodeJS.Signals): void;
  stop(): Promise<void>;
}

const PATH = '/2015-03-31/functions/function/invocations';

/** The children of a process, whichever of its threads started them. */
function childrenOf(pid: number): readonly number[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  const texts = threads.map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8'));
  return texts.flatMap((each) => each.trim().split(' ').filter(Boolean).map(Number));
}

/** Without the limit that `fetch` has: an invocation takes minutes. */
function post(port: number, headers: Readonly<Record<string, string>>, body: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: '127.0.0.1', port, method: 'POST', path: PATH, headers }, (answer) => {
      text(answer).then(resolve, reject);
    });
    asked.on('error', reject).end(body);
  });
}

/** Starts the emulator with a function, which itself starts with its first invocation. */
export async function startLambdaEmulator({
  task,
  handler = 'index.handler',
  runtime = 'aws',
  timeoutS = 900,
  variables,
}: LambdaOptions): Promise<LambdaEmulator> {
  const [program, client] = [await findLambdaEmulator(), await findLambdaRuntime(runtime)];
  const env = {
    LAMBDA_TASK_ROOT: task,
    AWS_LAMBDA_FUNCTION_TIMEOUT: String(timeoutS),
    AWS_LAMBDA_FUNCTION_NAME: 'certbus-prod',
    AWS_LAMBDA_LOG_FORMAT: 'JSON',
    // As on Lambda, where nothing of an earlier start is left.
    NODE_COMPILE_CACHE: '',
    ...variables,
  };
  return withFreePorts(async () => {
    const [port, api] = [await freePort(), await freePort()];
    const addresses = ['--runtime-interface-emulator-address', `127.0.0.1:${port}`];
    const args = [...addresses, '--runtime-api-address', `127.0.0.1:${api}`, process.execPath, client, handler];
    const service = await startService(program, args, { cwd: task, env, isReady: () => isListening({ port }) });
    const { pid, log } = service;
    let isStopped = false;
    return {
      invoke: (event = {}, { requestId } = {}) =>
        post(port, requestId === undefined ? {} : { 'x-amzn-requestid': requestId }, JSON.stringify(event)),
      log,
      signal(name) {
        for (const child of childrenOf(pid)) process.kill(child, name);
      },
      async stop() {
        if (isStopped) return;
        isStopped = true;
        const children = childrenOf(pid);
        await service.stop();
        for (const child of children) {
          try {
            process.kill(child, 'SIGKILL');
          } catch {
            // It ended with the emulator.
          }
        }
      },
    };
  });
}
