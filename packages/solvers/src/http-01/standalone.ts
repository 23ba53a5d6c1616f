/** http-01 answered on a port of this machine. */
import { createServer, type Server } from 'node:http';
import type { Solver } from '@certbus/acme';
import { AcmeError } from '@certbus/acme';
import { awaitHttp01, type Http01ProbeOptions } from '../probes/http-01.ts';

/** Where to listen, and how to look at the answers. */
export interface Http01StandaloneOptions extends Http01ProbeOptions {
  /** Port to listen on, where another one is passed on to it. Default: `port`, which is 80. */
  readonly listenPort?: number | undefined;
  /** Address to listen on. Default: all of this machine. */
  readonly address?: string | undefined;
}

/** One listening port of this program, shared by all solvers that want it. */
interface Responder {
  /** Key authorization by token, with the solvers that present it. */
  readonly answers: Map<string, { readonly text: string; readonly owners: Set<object> }>;
  server: Server | undefined;
  /** The last opening or closing, on which the next one waits. */
  turn: Promise<unknown>;
}

const responders = new Map<string, Responder>();
const PATH = /^\/\.well-known\/acme-challenge\/([\w-]{1,256})$/;

function responderAt(place: string): Responder {
  const found = responders.get(place) ?? { answers: new Map(), server: undefined, turn: Promise.resolve() };
  responders.set(place, found);
  return found;
}

function notListening(place: string, cause: unknown): AcmeError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: 'another program listens there. Stop it, let it pass challenges on to another port, or use another way',
    EACCES: 'this user is not permitted to listen there. Give it the right, or pass the port on to a higher one',
    EADDRNOTAVAIL: 'this machine does not have that address',
  };
  const why = reasons[code] ?? `it failed${code ? ` (${code})` : ''}`;
  return new AcmeError('CERTBUS_ACME_SOLVER_FAILED', `http-01 cannot be answered at ${place}: ${why}.`, { cause });
}

function listen(
  { answers }: Responder,
  { port, address }: { readonly port: number; readonly address: string | undefined },
): Promise<Server> {
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  const server = createServer(({ method, url = '' }, response) => {
    const token = PATH.exec(url.split('?')[0] ?? '')?.[1];
    const answer = method === 'GET' && token ? answers.get(token) : undefined;
    response.setHeader('connection', 'close');
    if (!answer) return void response.writeHead(404).end();
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(answer.text);
  });
  server.once('error', reject);
  server.listen(port, address, () => resolve(server));
  return promise;
}

async function close(server: Server): Promise<void> {
  await new Promise((resolve) => {
    server.close(resolve);
    server.closeAllConnections();
  });
}

/**
 * Answers http-01 by itself, on a port of this machine: for one machine that serves its names alone. It listens only while there is
 * something to answer, and answers only its own tokens; several orders at once share one listener. `present` rejects with
 * `CERTBUS_ACME_SOLVER_FAILED` where the port is taken or not allowed, `ready` where an address of a name does not lead here.
 */
export function createHttp01StandaloneSolver(options: Http01StandaloneOptions = {}): Solver {
  const { port = 80, listenPort = port, address, ...probe } = options;
  const place = `${address ?? '*'} port ${listenPort}`;
  const owner = {};

  /** Opens and closes one after another, so that a port that is being closed is not found taken. */
  async function openOrClose(responder: Responder): Promise<void> {
    const turn = responder.turn.then(async () => {
      const { answers, server } = responder;
      if (answers.size > 0 && !server) responder.server = await listen(responder, { port: listenPort, address });
      if (answers.size === 0 && server) {
        responder.server = undefined;
        await close(server);
      }
    });
    responder.turn = turn.catch(() => {});
    const mine = responder.turn;
    await turn;
    if (responder.answers.size === 0 && !responder.server && responder.turn === mine) responders.delete(place);
  }

  function withdraw({ answers }: Responder, tokens: readonly string[]): void {
    for (const token of tokens) {
      const owners = answers.get(token)?.owners;
      owners?.delete(owner);
      if (owners?.size === 0) answers.delete(token);
    }
  }

  return {
    challenges: ['http-01'],
    async present(challenges, { signal }) {
      signal.throwIfAborted();
      const responder = responderAt(place);
      for (const { token, keyAuthorization } of challenges) {
        const answer = responder.answers.get(token) ?? { text: keyAuthorization, owners: new Set() };
        answer.owners.add(owner);
        responder.answers.set(token, answer);
      }
      try {
        await openOrClose(responder);
      } catch (cause) {
        withdraw(
          responder,
          challenges.map(({ token }) => token),
        );
        throw notListening(place, cause);
      }
    },
    ready: awaitHttp01('Each of its addresses must lead to this machine.', { port, ...probe }),
    async cleanUp(challenges) {
      const responder = responderAt(place);
      withdraw(
        responder,
        challenges.map(({ token }) => token),
      );
      await openOrClose(responder);
    },
  };
}
