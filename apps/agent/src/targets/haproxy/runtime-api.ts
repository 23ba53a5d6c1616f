/** HAProxy's runtime API on one connection of its admin socket. */
import { connect } from 'node:net';
import { AgentError } from '../../errors.ts';

/** A connection to HAProxy's admin socket. Commands are answered one after the other. */
export interface RuntimeApi {
  /**
   * Sends a command and resolves with its answer. Rejects `CERTBUS_AGENT_TARGET_FAILED` where the connection ends, and
   * `CERTBUS_AGENT_TARGET_TIMED_OUT` where no command at all is answered for 10 s, after which nothing more can be asked.
   *
   * @param payload lines that the command reads; a blank one would end it, and HAProxy would obey the rest.
   */
  ask(command: string, payload?: string): Promise<string>;
  /** Sends some commands without waiting for each answer, and resolves with the answers in order. Rejects as {@link RuntimeApi.ask}. */
  askAll(commands: readonly string[]): Promise<readonly string[]>;
  close(): void;
}

const TIMEOUT_MS = 10_000;
const READ_BYTES = 65_536;
/** Longest answer, characters: the list of a million certificates is shorter. */
const MAX_ANSWER = 100_000_000;
/** Ends each answer in interactive mode. */
const PROMPT = '\n> ';
/** Begins interactive mode. */
const PROMPTED = 'prompt';
/** What the process that starts the others prints in place of {@link PROMPT}. */
const MASTER_PROMPT = 'master> ';
const OF_MASTER = 'it is that of the master process ("-S")';
const TOO_LONG = 'its answer has no end';
/** What it says to each line of a payload. */
const PAYLOAD_PROMPTS = /^(?:\+ )+/;

/** What to do, by the error of the system. */
const advice = (path: string): Readonly<Record<string, string>> => ({
  EACCES: `This user has no access to it: run the agent in the group of the socket, or add "mode 660 group GROUP" to its "stats socket" line and restart HAProxy, which keeps the socket as it is over a reload.`,
  ECONNREFUSED: 'HAProxy is not running; start it.',
  [OF_MASTER]: 'Name that of a "stats socket" line with "level admin" in its "global" section.',
  ENOENT: `HAProxy is not running, or its "global" section lacks "stats socket ${path} level admin".`,
});

function unreachable(path: string, why: string): AgentError {
  const otherwise = `Is HAProxy running, with "stats socket ${path} level admin"?`;
  const what = `HAProxy's admin socket ${path} cannot be used: ${why}. ${advice(path)[why] ?? otherwise}`;
  return new AgentError('CERTBUS_AGENT_TARGET_FAILED', what);
}

interface Waiting {
  readonly command: string;
  readonly resolve: (answer: string) => void;
  readonly reject: (error: AgentError) => void;
}

/** A command, and all that is sent for it. */
interface Question {
  readonly command: string;
  readonly lines: string;
}

/** Gives each answer to the command that waits for it: the oldest. */
function createAnswers() {
  /** What has come of the next answer, without a prompt in it. */
  let chunks: string[] = [];
  /** Characters of it. */
  let length = 0;
  let failure: AgentError | undefined;
  let waiting: Waiting[] = [];

  function fail(error: AgentError): void {
    failure ??= error;
    for (const { reject } of waiting) reject(failure);
    waiting = [];
  }
  /** Takes what came; returns whether an answer ended with it. */
  function take(chunk: string): boolean {
    const before = waiting.length;
    length += chunk.length;
    // Of a long answer only the end is looked at: all of it, at each chunk, would be copied over and over.
    let text = `${chunks.pop() ?? ''}${chunk}`;
    for (let end = text.indexOf(PROMPT); end >= 0 && waiting.length > 0; end = text.indexOf(PROMPT)) {
      const answer = [...chunks, text.slice(0, end)].join('').replace(PAYLOAD_PROMPTS, '');
      chunks = [];
      text = text.slice(end + PROMPT.length);
      length = text.length;
      waiting.shift()?.resolve(answer.trim());
    }
    // A prompt may be cut in two.
    if (text.length > PROMPT.length) chunks.push(text.slice(0, -PROMPT.length));
    chunks.push(text.slice(-PROMPT.length));
    return waiting.length < before;
  }
  return {
    take,
    fail,
    length: () => length,
    /** The command that HAProxy is at work on; `undefined` for none. */
    oldest: (): string | undefined => waiting[0]?.command,
    next: (command: string): Promise<string> =>
      new Promise((resolve, reject) => {
        if (failure) return reject(failure);
        waiting.push({ command, resolve, reject });
      }),
  };
}

/**
 * Connects. Rejects `CERTBUS_AGENT_TARGET_FAILED` where nothing listens there, and `CERTBUS_AGENT_TARGET_TIMED_OUT` where nothing is answered.
 *
 * @param firstAnswerMs how long HAProxy has for its first answer, milliseconds; default 10000.
 * @param maxAnswer longest answer, characters: what another program sends without an end would fill the memory. Default 100,000,000.
 */
export async function openRuntimeApi(
  path: string,
  signal: AbortSignal,
  {
    firstAnswerMs = TIMEOUT_MS,
    maxAnswer = MAX_ANSWER,
  }: { readonly firstAnswerMs?: number; readonly maxAnswer?: number } = {},
): Promise<RuntimeApi> {
  signal.throwIfAborted();
  let timeoutMs = firstAnswerMs;
  const answers = createAnswers();
  let timer: NodeJS.Timeout | undefined;
  // One buffer for all that is read: thousands of answers would fill the memory with one each.
  const onread = {
    buffer: Buffer.allocUnsafe(READ_BYTES),
    callback(length: number, read: Uint8Array) {
      const text = Buffer.from(read.buffer, read.byteOffset, length).toString('latin1');
      if (answers.take(text)) waitForOldest();
      if (answers.oldest() === PROMPTED && text.endsWith(MASTER_PROMPT)) fail(unreachable(path, OF_MASTER));
      if (answers.length() > maxAnswer) fail(unreachable(path, TOO_LONG));
      return true;
    },
  };
  const socket = connect({ path, onread });
  const fail = (error: AgentError) => {
    clearTimeout(timer);
    answers.fail(error);
    socket.destroy();
  };
  socket.on('error', (error: NodeJS.ErrnoException) => fail(unreachable(path, error.code ?? error.message)));
  socket.on('close', () => fail(unreachable(path, 'HAProxy closed the connection')));
  const abort = () => fail(unreachable(path, 'the agent is ending'));
  signal.addEventListener('abort', abort, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', abort));

  /** Gives HAProxy its time for the command that it is at work on. The others wait behind that one, and have theirs afterwards. */
  function waitForOldest(): void {
    clearTimeout(timer);
    timer = undefined;
    const command = answers.oldest();
    if (command === undefined) return;
    timer = setTimeout(() => {
      const message = `HAProxy did not answer "${command}" on ${path} within ${timeoutMs / 1000} s.`;
      fail(new AgentError('CERTBUS_AGENT_TARGET_TIMED_OUT', message));
    }, timeoutMs);
  }

  /** Sends commands at one time, each with its lines, and resolves with the answer to each. */
  async function sendAll(questions: readonly Question[]): Promise<readonly string[]> {
    const given = questions.map(({ command }) => answers.next(command));
    if (timer === undefined) waitForOldest();
    socket.write(questions.map(({ lines }) => lines).join(''));
    return Promise.all(given);
  }
  const send = async (question: Question): Promise<string> => (await sendAll([question]))[0] ?? '';

  const oneLine = (command: string): Question => {
    if (/[\n;]/.test(command)) throw new TypeError('a command is one line');
    return { command, lines: `${command}\n` };
  };

  await send(oneLine(PROMPTED));
  timeoutMs = TIMEOUT_MS;
  return {
    ask(command, payload) {
      const question = oneLine(command);
      if (payload === undefined) return send(question);
      const lines = payload.trimEnd();
      if (/^\s*$/m.test(lines)) throw new TypeError('a payload has no blank line');
      return send({ command, lines: `${command} <<\n${lines}\n\n` });
    },
    askAll: (commands) => sendAll(commands.map(oneLine)),
    close() {
      socket.destroy();
    },
  };
}
