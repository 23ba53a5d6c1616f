/** The folder in which the sandbox keeps its ports and keys over restarts. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

const PORTS = ['acme', 'dns', 'dnsManagement'] as const;

/** Ports on 127.0.0.1 that the sandbox listens on. */
export type Ports = Readonly<Record<(typeof PORTS)[number], number>>;

/** A folder with mode 0700, and the ports that belong to it. */
export interface Home {
  readonly folder: string;
  readonly ports: Ports;
}

// Below the ports that systems give to outgoing connections, which could be in the way at the next start.
const FIRST = 20_000;
const COUNT = 10_000;

const errorCode = (error: unknown) => (error instanceof Error && 'code' in error ? error.code : undefined);

async function listensOnTcp(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
    await new Promise((resolve) => server.close(resolve));
    return true;
  } catch {
    return false;
  }
}

async function listensOnUdp(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  const listening = once(socket, 'listening');
  socket.bind(port, '127.0.0.1');
  try {
    await listening;
    return true;
  } catch {
    return false;
  } finally {
    socket.close();
  }
}

const isFree = async (port: number) => (await listensOnTcp(port)) && (await listensOnUdp(port));

async function drawPorts(): Promise<Ports> {
  const drawn = new Set<number>();
  while (drawn.size < PORTS.length) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) drawn.add(port);
  }
  const [acme = 0, dns = 0, dnsManagement = 0] = drawn;
  return { acme, dns, dnsManagement };
}

function parsePorts(text: string, file: string): Ports {
  try {
    const { acme, dns, dnsManagement } = JSON.parse(text) as Ports;
    const isPort = (port: unknown) => Number.isInteger(port) && Number(port) > 0 && Number(port) < 65_536;
    if ([acme, dns, dnsManagement].every(isPort)) return { acme, dns, dnsManagement };
  } catch {
    // The same as JSON of another shape.
  }
  throw new Error(`${file} does not hold the sandbox's ports. Remove it to draw new ones.`);
}

async function readPorts(file: string): Promise<Ports> {
  try {
    return parsePorts(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  const ports = await drawPorts();
  await writeFile(file, `${JSON.stringify(ports)}\n`);
  return ports;
}

/** Keys are in it, so that others must not read it. What is open already may be a folder for something else, and stays as it is. */
async function openPrivately(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const mode = (await stat(folder)).mode & 0o777;
  if (process.platform === 'win32' || (mode & 0o077) === 0) return;
  const octal = mode.toString(8).padStart(4, '0');
  throw new Error(`${folder} has mode ${octal}, and keys would be in it. Run: chmod 700 ${folder}
Or keep the sandbox's files in another folder: npm run sandbox -- --state FOLDER`);
}

/** Opens a folder, or makes it with ports that are free. Rejects with what to do where others can read it, or where a port of it is taken. */
export async function openHome(folder: string): Promise<Home> {
  await openPrivately(folder);
  const file = join(folder, 'ports.json');
  const ports = await readPorts(file);
  for (const name of PORTS) {
    if (await isFree(ports[name])) continue;
    throw new Error(`Port ${ports[name]} of 127.0.0.1 is taken, perhaps by a sandbox that still runs. It belongs to this sandbox (${file}): a
bus that was made with it looks for its CA and DNS there. End the other program and start the sandbox again.
For a second sandbox at the same time, choose another folder: npm run sandbox -- --state FOLDER`);
  }
  return { folder, ports };
}
