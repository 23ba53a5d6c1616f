/** The bus of the sandbox, and the server that follows it: the command line makes the one and is the other. */
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { environmentOf } from './environment.ts';
import type { ServerPorts } from './home.ts';
import { initFlags, type LocalCa } from './local-ca.ts';

const CERTBUS = fileURLToPath(new URL('../../cli/bin/dev.js', import.meta.url));
const ENDS_WITH_PARENT = new URL('ends-with-parent.ts', import.meta.url).href;
const SOURCES = '--conditions=certbus:source';

/** A bus with its server. */
export interface Site {
  /** Environment of the command line, by which it finds the bus. */
  readonly variables: Readonly<Record<'CERTBUS_CONFIG' | 'CERTBUS_STATE_DIR', string>>;
  readonly folder: string;
  stop(): Promise<void>;
}

/** Starts the server, and resolves once it listens. Rejects with what it wrote where it ends before. */
async function startServer({ port, httpPort }: ServerPorts, env: NodeJS.ProcessEnv) {
  const args = ['example-server', '--port', String(port), '--http-port', String(httpPort)];
  const execArgv = [SOURCES, `--import=${ENDS_WITH_PARENT}`];
  const child = fork(CERTBUS, args, { execArgv, env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
  const ended = once(child, 'close');
  let written = '';
  child.stderr?.on('data', (chunk) => (written += chunk));
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream });
  const listening = new Promise<void>((resolve) => {
    lines.on('line', (line) => line.startsWith('listening') && resolve());
  });
  const failed = ended.then(() => Promise.reject(new Error(written.trim())));
  await Promise.race([listening, failed]);
  failed.catch(() => {});
  return async () => {
    child.kill('SIGTERM');
    await ended;
  };
}

/** Makes a bus for a local CA, or goes on with the one that is there, and starts the server. Rejects with what the command line wrote. */
export async function startSite(local: LocalCa, ports: ServerPorts): Promise<Site> {
  const folder = join(local.folder, 'bus');
  const variables = { CERTBUS_CONFIG: join(folder, 'certbus.json'), CERTBUS_STATE_DIR: join(folder, 'state') };
  const env = environmentOf(process.env, variables);
  const init = [SOURCES, CERTBUS, 'init', '--quiet', '--dir', folder, ...initFlags(local)];
  await promisify(execFile)(process.execPath, init, { env });
  return { variables, folder, stop: await startServer(ports, env) };
}
