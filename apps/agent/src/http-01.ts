/** Answers HTTP-01 challenges on a port or socket that the balancer sends them to. */
import { once } from 'node:events';
import { lchownSync, lstatSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname } from 'node:path';
import { answerHttp01, type MaterialSource } from '@certbus/client/material';
import { AgentError } from './errors.ts';
import { resolveAccess } from './targets/files/access.ts';
import { placeProblem } from './targets/files/own-place.ts';

/** A server that answers HTTP-01 challenges. */
export interface Http01Server {
  /** `HOST:PORT`, or the path of the socket. */
  readonly address: string;
  close(): Promise<void>;
}

/** What to do where it cannot be listened on, by the error of the system. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'Name a port from 1024 on, and let the balancer send challenges there.',
  EADDRINUSE: 'Another program has it: name another port, and let the balancer send challenges there.',
};

const FOLDER_ADVICE = 'The folder of the socket must be there, and this user must be able to write to it.';

/** Removes the socket that an agent left here when it was killed; anything else stays. */
function removeSocket(path: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSocket()) rmSync(path);
}

/**
 * Starts to answer `GET /.well-known/acme-challenge/TOKEN` with what the bus announced, and everything else with 404.
 *
 * Rejects `CERTBUS_AGENT_CONFIG_INVALID` where that cannot be listened on.
 *
 * @param listen `HOST:PORT`, port 0 for any, or the path of a socket that its owner and `group` can use, by default the agent's own group.
 */
export async function startHttp01(
  { listen, group }: { readonly listen: string; readonly group?: string | undefined },
  source: Pick<MaterialSource, 'keyAuthorization'>,
): Promise<Http01Server> {
  const { gid } = await resolveAccess({ group });
  const server = createServer((request, response) => {
    if (answerHttp01(request, response, (token) => source.keyAuthorization(token))) return;
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('not a challenge of this bus\n');
  });
  server.requestTimeout = 10_000;
  if (listen.startsWith('/')) {
    // Another user who can write there could answer in place of the agent, and lead what is given to the group elsewhere.
    const problem = placeProblem(dirname(listen));
    if (problem !== undefined) throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', problem);
    removeSocket(listen);
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
    const known = listen.startsWith('/') ? FOLDER_ADVICE : ADVICE[cause.code ?? ''];
    const advice = known ?? 'Name another HOST:PORT, or the path of a socket.';
    const what = `HTTP-01 cannot be answered on ${listen}, which is "http01" in the configuration (${cause.message}). ${advice}`;
    throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', what, { cause });
  });
  if (gid !== undefined && listen.startsWith('/')) {
    try {
      lchownSync(listen, -1, gid);
    } catch (cause) {
      server.close();
      const what = `The socket for HTTP-01, ${listen}, cannot be given to the group "${group}". Run the agent as a member of that group.`;
      throw new AgentError('CERTBUS_AGENT_CONFIG_INVALID', what, { cause });
    }
  }
  const bound = server.address();
  const address =
    typeof bound === 'object' && bound ? `${listen.slice(0, listen.lastIndexOf(':'))}:${bound.port}` : listen;
  return {
    address,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
