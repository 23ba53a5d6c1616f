/** The certificates in nginx's shared memory, through the socket that `certbus.js` or `certbus.lua` answers. */
import { AgentError } from '../../errors.ts';
import type { Leaf } from '../target.ts';

/** A certificate in nginx's memory. */
export interface Kept {
  /** SHA-256 of the leaf's DER, base64url. */
  readonly leafHash: string;
  /** Names that lead to it; `-` for clients that name no server. */
  readonly names: readonly string[];
}

/** A certificate, and its text in nginx's memory. Its names are for messages. */
export interface Put {
  readonly certificate: Pick<Leaf, 'certificateId' | 'names'>;
  readonly value: string;
}

/** What became of what was put, by id: the fingerprint that is kept then, or why nginx did not take it. */
export type PutAnswers = ReadonlyMap<string, string | AgentError>;

/** The certificates of one nginx. Every call rejects `CERTBUS_AGENT_TARGET_FAILED`, `CERTBUS_AGENT_TARGET_REFUSED` or
 * `CERTBUS_AGENT_TARGET_TIMED_OUT`. */
export interface AdminApi {
  list(signal: AbortSignal): Promise<ReadonlyMap<string, Kept>>;
  /** Puts certificates, each in one step. What nginx does not take of one holds up no other. */
  putAll(puts: readonly Put[], signal: AbortSignal): Promise<PutAnswers>;
  remove(certificateId: string, signal: AbortSignal): Promise<void>;
  /** What was kept by {@link AdminApi.setEpoch}; empty where the memory was emptied since, an older one where it was filled from a file. */
  epoch(signal: AbortSignal): Promise<string>;
  setEpoch(epoch: string, signal: AbortSignal): Promise<void>;
  close(): void;
}

const TIMEOUT_MS = 10_000;
const MAX_ANSWER = 1_000_000_000;
/** Requests on their way at one time. */
export const TOGETHER = 8;
/** Certificates in one request, whose body is mostly shorter than 64 kB then: a request costs more than what nginx does with a certificate. */
export const PUT_TOGETHER = 16;

interface Call {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: string;
}

const WRONG_TOKEN = 'it does not know the token of this agent';
const WRONG_SCRIPT = 'it runs a script of another version than this agent';
/** Why it answers so to every agent, by status. */
const WRONG: Readonly<Record<number, string>> = { 401: WRONG_TOKEN, 404: WRONG_SCRIPT };
/** What to do, by the error of the system. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'This user cannot enter its folder: give that to the group of the agent, with mode 0750.',
  ECONNREFUSED:
    'nginx is not running; start it. One that was killed leaves its socket and does not start again before that is removed.',
  ENOENT: 'nginx is not running, or its configuration lacks the lines of "certbus-agent init".',
  [WRONG_TOKEN]: 'Reload nginx, which reads the file of the token at its start and at each reload.',
  [WRONG_SCRIPT]: 'Reload nginx, which reads certbus.js or certbus.lua at its start and at each reload.',
};

const FULL = 'the zone is full; make "js_shared_dict_zone", or with Lua "lua_shared_dict", larger';
/** What nginx answers for a certificate instead of its fingerprint. */
const NO_ROOM = 'full';

/** Which limit a certificate is beyond, by nginx's answer to it alone, and what to do; `undefined` where it is another answer. */
function limitIn(status: number, text: string): string | undefined {
  if (status !== 413) return undefined;
  // With Lua the script says so.
  const name = text.includes('client_body_buffer_size') ? 'client_body_buffer_size' : 'client_max_body_size';
  return `it is larger than "${name}"; make that larger`;
}

/** Where nginx is asked. */
export interface AdminApiOptions {
  readonly socket: string;
  readonly token: () => string;
  /** How long it may send nothing, milliseconds; default 10000. */
  readonly timeoutMs?: number;
}

/** Opens the socket. Nothing is asked yet. */
export function openAdminApi({ socket, token, timeoutMs = TIMEOUT_MS }: AdminApiOptions): AdminApi {
  // An import would take 17 MB, also where no nginx is fed.
  const { Agent, request } = process.getBuiltinModule('node:http');
  const agent = new Agent({ keepAlive: true, maxSockets: TOGETHER });
  /** Read with each question; what is put after it goes by the same one. */
  let known: string | undefined;
  const tokenFor = ({ method }: Call): string => {
    if (method === 'GET' || known === undefined) known = token();
    return known;
  };
  const unreachable = (why: string) => {
    const next = ADVICE[why] ?? 'Is nginx running with the lines of "certbus-agent init"?';
    return new AgentError('CERTBUS_AGENT_TARGET_FAILED', `nginx cannot be reached through ${socket}: ${why}. ${next}`);
  };

  const refuse = (subject: string, why: string) =>
    new AgentError('CERTBUS_AGENT_TARGET_REFUSED', `nginx did not take ${subject} through ${socket}: ${why}.`);

  function send(call: Call, signal: AbortSignal): Promise<{ status: number; text: string }> {
    const { method, path, body } = call;
    return new Promise((resolve, reject) => {
      let late: AgentError | undefined;
      // In the middle of an answer Node reports that it was cut off, and not why.
      const fail = (error: NodeJS.ErrnoException) => reject(late ?? unreachable(error.code ?? error.message));
      const headers = {
        authorization: `Bearer ${tokenFor(call)}`,
        ...(body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }),
      };
      const sent = request(
        { socketPath: socket, path: `/certbus${path}`, method, headers, agent, signal },
        (response) => {
          const chunks: Buffer[] = [];
          let length = 0;
          response.on('data', (chunk: Buffer) => {
            chunks.push(chunk);
            length += chunk.length;
            if (length > MAX_ANSWER) response.destroy(new Error('the answer is too long'));
          });
          response.on('end', () =>
            resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }),
          );
          response.on('error', fail);
        },
      );
      sent.setTimeout(timeoutMs, () => {
        const what = `nginx did not answer on ${socket} within ${timeoutMs / 1000} s.`;
        late = new AgentError('CERTBUS_AGENT_TARGET_TIMED_OUT', what);
        sent.destroy(late);
      });
      sent.on('error', fail);
      // PEM, ids and names are ASCII.
      sent.end(body, 'latin1');
    });
  }

  function checkStatus(status: number, text: string): void {
    if (status < 300) return;
    throw unreachable(WRONG[status] ?? `it answered ${status} ${text.trim().slice(0, 200)}`);
  }
  async function must(call: Call, signal: AbortSignal): Promise<string> {
    const { status, text } = await send(call, signal);
    checkStatus(status, text);
    return text;
  }

  async function putAll(puts: readonly Put[], signal: AbortSignal): Promise<PutAnswers> {
    // PEM, ids and names are ASCII.
    const lines = puts.map(({ certificate, value }) => `${certificate.certificateId} ${value.length}\n${value}`);
    const { status, text } = await send({ method: 'PUT', path: '/certificates', body: lines.join('') }, signal);
    if (puts.length > 1 && status >= 400 && WRONG[status] === undefined) {
      // A body of several can be beyond a limit that each of them is not.
      const answers: (readonly [string, string | AgentError])[] = [];
      for (const put of puts) answers.push(...(await putAll([put], signal)));
      return new Map(answers);
    }
    const limit = limitIn(status, text);
    if (limit === undefined) checkStatus(status, text);
    const found = new Map(text.split('\n').map((line) => line.split(' ') as [string, string | undefined]));
    const answerFor = ({ certificateId: id, names }: Put['certificate']): string | AgentError => {
      const why = limit ?? (found.get(id) === NO_ROOM ? FULL : undefined);
      if (why !== undefined) return refuse(`certificate ${id} (${names.join(', ')})`, why);
      const leafHash = found.get(id);
      if (leafHash === undefined) throw unreachable('its answer names not all that was put');
      return leafHash;
    };
    return new Map(puts.map(({ certificate }) => [certificate.certificateId, answerFor(certificate)]));
  }

  return {
    async list(signal) {
      const lines = (await must({ method: 'GET', path: '/certificates' }, signal)).split('\n');
      return new Map(
        lines.flatMap((line): [string, Kept][] => {
          const [id, leafHash, ...names] = line.split(' ').filter((word) => word !== '');
          return id && leafHash ? [[id, { leafHash, names }]] : [];
        }),
      );
    },
    putAll,
    remove: async (id, signal) => void (await must({ method: 'DELETE', path: `/certificates/${id}` }, signal)),
    epoch: (signal) => must({ method: 'GET', path: '/epoch' }, signal),
    setEpoch: async (body, signal) => void (await must({ method: 'PUT', path: '/epoch', body }, signal)),
    close: () => agent.destroy(),
  };
}
