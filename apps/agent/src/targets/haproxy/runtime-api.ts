/** HAProxy's runtime API on one connection of its admin socket. */
import { connect, type Socket } from 'node:net';
import { AgentError } from '../../errors.ts';

/** A connection to HAProxy's admin socket. Commands are answered one after the other. */
export interface RuntimeApi {
  /**
   * Sends a command and resolves with its answer. Rejects `CERTBUS_AGENT_TARGET_FAILED` where the connection ends, and
   * `CERTBUS_AGENT_TARGET_TIMED_OUT`, after which nothing more can be asked.
   *
   * @param payload lines that the command reads; a blank one would end it, and HAProxy would obey the rest.
   */
  ask(command: string, payload?: string): Promise<string>;
  close(): void;
}

const TIMEOUT_MS = 10_000;
/** Ends each answer in interactive mode. */
const PROMPT = '\n> ';
/** What it says to each line of a payload. */
const PAYLOAD_PROMPTS = /^(?:\+ )+/;

/** What to do, by the error of the system. */
const advice = (path: string): Readonly<Record<string, string>> => ({
  EACCES: `This user has no access to it: run the agent in the group of the socket, or add "mode 660 group GROUP" to its "stats socket" line and restart HAProxy, which keeps the socket as it is over a reload.`,
  ECONNREFUSED: 'HAProxy is not running; start it.',
  ENOENT: `HAProxy is not running, or its "global" section lacks "stats socket ${path} level admin".`,
});

function unreachable(path: string, why: string): AgentError {
  const otherwise = `Is HAProxy running, with "stats socket ${path} level admin"?`;
  const what = `HAProxy's admin socket ${path} cannot be used: ${why}. ${advice(path)[why] ?? otherwise}`;
  return new AgentError('CERTBUS_AGENT_TARGET_FAILED', what);
}

/** Takes what a socket says, and gives each answer to the command that waits for it. */
function createAnswers(socket: Socket, path: string) {
  let text = '';
  let failure: AgentError | undefined;
  let waiting: { readonly resolve: (answer: string) => void; readonly reject: (error: AgentError) => void } | undefined;

  function fail(error: AgentError): void {
    failure ??= error;
    waiting?.reject(failure);
    waiting = undefined;
    socket.destroy();
  }
  socket.setEncoding('latin1');
  socket.on('data', (chunk: string) => {
    text += chunk;
    if (!text.endsWith(PROMPT) || !waiting) return;
    const answer = text.slice(0, -PROMPT.length).replace(PAYLOAD_PROMPTS, '');
    text = '';
    const { resolve } = waiting;
    waiting = undefined;
    resolve(answer.trim());
  });
  socket.on('error', (error: NodeJS.ErrnoException) => fail(unreachable(path, error.code ?? error.message)));
  socket.on('close', () => fail(unreachable(path, 'HAProxy closed the connection')));
  return {
    fail,
    next: (): Promise<string> =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        waiting = { resolve, reject };
      }),
  };
}

/** Connects. Rejects `CERTBUS_AGENT_TARGET_FAILED` where nothing listens there. */
export async function openRuntimeApi(path: string, signal: AbortSignal): Promise<RuntimeApi> {
  signal.throwIfAborted();
  const socket = connect(path);
  const answers = createAnswers(socket, path);
  const abort = () => answers.fail(unreachable(path, 'the agent is ending'));
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));

  async function send(line: string, what: string): Promise<string> {
    const timer = setTimeout(() => {
      const message = `HAProxy did not answer "${what}" on ${path} within ${TIMEOUT_MS / 1000} s.`;
      answers.fail(new AgentError('CERTBUS_AGENT_TARGET_TIMED_OUT', message));
    }, TIMEOUT_MS);
    try {
      const answer = answers.next();
      socket.write(line);
      return await answer;
    } finally {
      clearTimeout(timer);
    }
  }

  await send('prompt\n', 'prompt');
  return {
    ask(command, payload) {
      if (/[\n;]/.test(command)) throw new TypeError('a command is one line');
      if (payload === undefined) return send(`${command}\n`, command);
      const lines = payload.trimEnd();
      if (/^\s*$/m.test(lines)) throw new TypeError('a payload has no blank line');
      return send(`${command} <<\n${lines}\n\n`, command);
    },
    close() {
      socket.destroy();
    },
  };
}
