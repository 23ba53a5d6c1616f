import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { buildGoProgram, temporaryFolder } from 'certbus-services';
import type { Orders, Outcome } from './orders.ts';
import type { Site } from './site.ts';

export const ACME_CLIENT_VERSION = '5.4.0';
export const ACMEZ_VERSION = '3.1.7';

/** A client with an account at one CA. */
export interface Contender {
  /** Rejects when the client ends, or the signal stops it. */
  obtain(orders: Orders, options: { readonly signal: AbortSignal }): Promise<Outcome>;
  close(): Promise<void>;
}

/** Starts a client at a CA. */
export type OpenContender = (site: Site) => Promise<Contender>;

const fileBeside = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Starts a program that reads slices from its standard input. */
async function openProgram(command: string, args: readonly string[], { roots }: Site): Promise<Contender> {
  const folder = temporaryFolder();
  const rootsFile = join(folder.path, 'roots.pem');
  await writeFile(rootsFile, roots);
  // A manager that is opened again starts its thread again; what users install has no types to strip each time.
  const env = { ...process.env, NODE_EXTRA_CA_CERTS: rootsFile, NODE_COMPILE_CACHE: join(folder.path, 'compiled') };
  const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  // Its end shows where its answers are read.
  child.stdin.on('error', () => {});
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const nextLine = async (): Promise<unknown> => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`${command} ended early`);
    return JSON.parse(value);
  };
  const close = async () => {
    child.stdin.end();
    const timer = setTimeout(() => child.kill('SIGKILL'), 2_000);
    await ended;
    clearTimeout(timer);
    folder.remove();
  };
  await nextLine();
  return {
    async obtain(orders, { signal }) {
      child.stdin.write(`${JSON.stringify(orders)}\n`);
      const kill = () => child.kill('SIGKILL');
      signal.addEventListener('abort', kill);
      try {
        return (await nextLine()) as Outcome;
      } finally {
        signal.removeEventListener('abort', kill);
      }
    },
    close,
  };
}

function nodeProgram(file: string, more: object = {}): OpenContender {
  const args = ['--conditions=certbus:source', fileBeside(file)];
  return (site) => openProgram(process.execPath, [...args, JSON.stringify({ ...site, ...more })], site);
}

/** `obtain` of @certbus/acme. */
export const openCertBus: OpenContender = nodeProgram('./certbus-process.ts');

/** `runOnce` of @certbus/manager on a bus in a SQLite file, or at the addresses that the function gives, a new one for each process. */
export const openManager =
  (nextBus: () => string | undefined = () => undefined): OpenContender =>
  (site) =>
    nodeProgram('./manager-process.ts', { bus: nextBus() })(site);

/** `auto()` of acme-client, the version in package.json. */
export const openAcmeClient: OpenContender = nodeProgram('./acme-client-process.ts');

/** A Go program on acmez, the version in its go.mod. */
export const openAcmez: OpenContender = async (site) =>
  openProgram(await buildGoProgram(fileBeside('./acmez')), [JSON.stringify(site)], site);
