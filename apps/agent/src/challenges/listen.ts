/** Listens on a port or socket that the balancer sends challenges to. */
import { once } from 'node:events';
import { lchownSync, lstatSync, rmSync } from 'node:fs';
import { connect, type Server, type Socket } from 'node:net';
import { dirname } from 'node:path';
import { AgentError } from '../errors.ts';
import { resolveAccess } from '../targets/files/access.ts';
import { placeProblem } from '../targets/files/own-place.ts';

/** Where challenges are taken. */
export interface Place {
  /** `HOST:PORT`, port 0 for any, or the path of a socket that its owner and `group` can use. */
  readonly listen: string;
  /** By default the agent's own group. */
  readonly group?: string | undefined;
}

/** A server that answers challenges. */
export interface ChallengeServer {
  /** `HOST:PORT`, or the path of the socket. */
  readonly address: string;
  close(): Promise<void>;
}

/** What to do where it cannot be listened on, by the error of the system. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'Name a port from 1024 on, and let the balancer send challenges there.',
  EADDRINUSE: 'Another program has it: name another port, and let the balancer send challenges there.',
};

/** The same for a socket. */
const SOCKET_ADVICE: Readonly<Record<string, string>> = {
  EADDRINUSE: 'Another program answers there, or a file has that name: name another path.',
};
const FOLDER_ADVICE = 'The folder of the socket must be there, and this user must be able to write to it.';

/** Whether nobody listens on a socket any more: what a program that was killed left. */
const isStale = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(false);
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });

/** Removes the socket that an agent left here when it was killed; that of a program which runs stays, and so does anything else. */
async function removeStaleSocket(path: string): Promise<void> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket() && (await isStale(path))) rmSync(path, { force: true });
}

/**
 * Lets a server listen. Rejects `CERTBUS_AGENT_CONFIG_INVALID` where it cannot.
 *
 * @param what the challenge, and the field of the configuration that is about it.
 */
export async function listenAt(
  server: Server,
  { listen, group }: Place,
  what: { readonly challenge: string; readonly field: string },
): Promise<ChallengeServer> {
  const { gid } = await resolveAccess({ group });
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  if (listen.startsWith('/')) {
    // Another user who can write there could answer in place of the agent, and lead what is given to the group elsewhere.
    const problem = placeProblem(dirname(listen));
    if (problem !== undefined) throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', problem);
    await removeStaleSocket(listen);
    // Before anybody can connect, only owner and group may.
    const before = process.umask(0o117);
    try {
      server.listen(listen);
    } finally {
      process.umask(before);
    }
  } else {
    const at = listen.lastIndexOf(':');
    server.listen(Number(listen.slice(at + 1)), listen.slice(0, at).replace(/^\[|\]$/g, ''));
  }
  await once(server, 'listening').catch((cause: NodeJS.ErrnoException) => {
    const { code = '' } = cause;
    const known = listen.startsWith('/') ? (SOCKET_ADVICE[code] ?? FOLDER_ADVICE) : ADVICE[code];
    const advice = known ?? 'Name another HOST:PORT, or the path of a socket.';
    const text = `${what.challenge} cannot be answered on ${listen}, which is "${what.field}" in the configuration (${cause.message}). ${advice}`;
    throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', text, { cause });
  });
  if (gid !== undefined && listen.startsWith('/')) {
    try {
      lchownSync(listen, -1, gid);
    } catch (cause) {
      server.close();
      const text = `The socket for ${what.challenge}, ${listen}, cannot be given to the group "${group}". Run the agent as a member of that group.`;
      throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', text, { cause });
    }
  }
  const bound = server.address();
  const address =
    typeof bound === 'object' && bound ? `${listen.slice(0, listen.lastIndexOf(':'))}:${bound.port}` : listen;
  return {
    address,
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
