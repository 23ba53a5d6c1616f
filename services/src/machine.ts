/** The machine that tests run on: programs, folders, ports. */
import { randomInt } from 'node:crypto';
import { accessSync, constants, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where what was installed once is kept, by part and exact version. */
export function cacheFolder(name: string): string {
  return join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'certbus-dev', name);
}

/** Where a program is on this machine's path, or among those for administrators, which a user's path may lack. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin'];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** Whether this machine has a program. */
export function hasProgram(name: string): boolean {
  return findProgram(name) !== undefined;
}

/** Whether a path is a file that may be run. */
export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A folder for one test, with what removes it. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'certbus-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

function listenOnce(address: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(port, address, () => {
      const bound = server.address();
      server.close(() => resolve(typeof bound === 'object' && bound ? bound.port : 0));
    });
  });
}

/** The first port that the system gives away by itself, to connections and to those who ask for any port. */
function firstGivenPort(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
  } catch {
    return 32_768;
  }
}

/** Ports for tests begin here. All have five digits, so that none is the beginning of another one. */
const FIRST_PORT = 10_000;
/** The sandbox draws its own from here on, and does not know which ones were found free. */
const END_PORT = 20_000;
/** Fewer are not enough for all files of a run. */
const ENOUGH = 5_000;

/** One that the system gives to nobody by itself, so that it is still free when a program takes it minutes later; any, where a machine gives away nearly all of them. */
function drawPort(): number {
  const end = firstGivenPort();
  return randomInt(FIRST_PORT, end < FIRST_PORT + ENOUGH ? END_PORT : Math.min(end, END_PORT));
}

/**
 * Keeps a port from all others that look for one with {@link freePort}, by an abstract socket of its name, which ends with this process.
 * Resolves with whether nobody has it; elsewhere than on Linux nobody can be kept from it.
 */
function reserve(port: number): Promise<boolean> {
  if (process.platform !== 'linux') return Promise.resolve(true);
  return new Promise((resolve) => {
    const server = createServer().on('error', () => resolve(false));
    server.listen(`\0certbus-port-${port}`, () => resolve(true)).unref();
  });
}

/** A port that is free on each of these addresses, for a program that takes it later: nobody else is given it as long as this process lives. */
export async function freePort(...addresses: readonly string[]): Promise<number> {
  const [first = '127.0.0.1', ...others] = addresses;
  for (let tries = 0; tries < 100; tries += 1) {
    const port = await listenOnce(first, drawPort()).catch(() => undefined);
    if (port === undefined) continue;
    const taken = await Promise.allSettled(others.map((address) => listenOnce(address, port)));
    if (taken.every(({ status }) => status === 'fulfilled') && (await reserve(port))) return port;
  }
  throw new Error(`no port is free on all of ${[first, ...others].join(', ')}`);
}
