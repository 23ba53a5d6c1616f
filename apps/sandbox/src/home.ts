/** The folder in which the sandbox keeps its ports and keys over restarts. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';

const PORTS = ['acme', 'dns', 'dnsManagement'] as const;

/** Ports on 127.0.0.1 that the sandbox listens on. */
export type Ports = Readonly<Record<(typeof PORTS)[number], number>>;

/** Ports on 127.0.0.1 of the server that follows the bus. */
export interface ServerPorts {
  readonly port: number;
  readonly httpPort: number;
}

/** A folder with mode 0700, and the ports that belong to it. */
export interface Home {
  readonly folder: string;
  readonly ports: Ports;
  /** The configuration of the bus has them, too: they are what a CA validates at. */
  readonly server: ServerPorts;
}

/** Of the server, in a folder that has none yet. */
export const SERVER_PORTS: ServerPorts = { port: 8443, httpPort: 5002 };

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

/** What `ports.json` holds. */
type StoredPorts = Pick<Home, 'ports' | 'server'>;

function parsePorts(text: string, file: string): StoredPorts {
  try {
    const { acme, dns, dnsManagement, port, httpPort } = JSON.parse(text) as Ports & ServerPorts;
    const isPort = (each: unknown) => Number.isInteger(each) && Number(each) > 0 && Number(each) < 65_536;
    if ([acme, dns, dnsManagement, port, httpPort].every(isPort))
      return { ports: { acme, dns, dnsManagement }, server: { port, httpPort } };
  } catch {
    // The same as JSON of another shape.
  }
  throw new Error(`${file} does not hold the sandbox's ports. Remove its folder to start with another sandbox.`);
}

async function readPorts(file: string): Promise<StoredPorts | undefined> {
  try {
    return parsePorts(await readFile(file, 'utf8'), file);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
  return undefined;
}

/** Draws the ports of a new folder. Rejects, and writes nothing, where one of the server is taken: the next start can choose others. */
async function makePorts(file: string, server: ServerPorts): Promise<StoredPorts> {
  for (const [flag, port] of [
    ['--port', server.port],
    ['--http-port', server.httpPort],
  ] as const) {
    if (await listensOnTcp(port)) continue;
    throw new Error(`Port ${port} of 127.0.0.1 is taken by another program, or not allowed to this user. End the program, or choose another port, as with:
npm run sandbox -- ${flag} PORT`);
  }
  const ports = await drawPorts();
  await writeFile(file, `${JSON.stringify({ ...ports, ...server })}\n`);
  return { ports, server };
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

/**
 * Opens a folder, or makes it with ports that are free. Rejects with what to do where others can read it, where a port of it is taken, or where the
 * server is to have other ports than those that the bus was made with.
 *
 * @param wished ports of the server; default those of the folder, in a new one {@link SERVER_PORTS}.
 */
export async function openHome(
  folder: string,
  wished: { readonly port?: number | undefined; readonly httpPort?: number | undefined } = {},
): Promise<Home> {
  await openPrivately(folder);
  const file = join(folder, 'ports.json');
  const { port = SERVER_PORTS.port, httpPort = SERVER_PORTS.httpPort } = wished;
  const { ports, server } = (await readPorts(file)) ?? (await makePorts(file, { port, httpPort }));
  if ((wished.port ?? server.port) !== server.port || (wished.httpPort ?? server.httpPort) !== server.httpPort)
    throw new Error(`The bus in ${folder} was made for a server at the ports ${server.port} and ${server.httpPort}, where its CA validates. Leave out --port and
--http-port, or choose another folder: npm run sandbox -- --state FOLDER --port PORT --http-port PORT`);
  const needed = [
    ...PORTS.map((name) => ({ number: ports[name], isUsable: isFree })),
    ...[server.port, server.httpPort].map((number) => ({ number, isUsable: listensOnTcp })),
  ];
  for (const { number, isUsable } of needed) {
    if (await isUsable(number)) continue;
    throw new Error(`Port ${number} of 127.0.0.1 is taken, perhaps by a sandbox that still runs. It belongs to this sandbox (${file}):
its bus is configured with it. End the other program and start the sandbox again.
For a second sandbox at the same time, choose another folder: npm run sandbox -- --state FOLDER --port PORT --http-port PORT`);
  }
  return { folder, ports, server };
}
