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

/** The certificates of one nginx. Every call rejects `CERTBUS_AGENT_TARGET_FAILED`, `CERTBUS_AGENT_TARGET_REFUSED` or
 * `CERTBUS_AGENT_TARGET_TIMED_OUT`. */
export interface AdminApi {
  list(signal: AbortSignal): Promise<ReadonlyMap<string, Kept>>;
  /** Puts a certificate in one step, and resolves with the fingerprint that is kept then. Its names are for messages. */
  put(certificate: Pick<Leaf, 'certificateId' | 'names'>, value: string, signal: AbortSignal): Promise<string>;
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

interface Call {
  readonly method: 'GET' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly body?: string;
  /** The certificate that it is about. */
  readonly subject?: string;
}

const WRONG_TOKEN = 'it does not know the token of this agent';
/** What to do, by the error of the system. */
const ADVICE: Readonly<Record<string, string>> = {
  EACCES: 'This user cannot enter its folder: give that to the group of the agent, with mode 0750.',
  ECONNREFUSED:
    'nginx is not running; start it. One that was killed leaves its socket and does not start again before that is removed.',
  ENOENT: 'nginx is not running, or its configuration lacks the lines of "certbus-agent init".',
  [WRONG_TOKEN]: 'Reload nginx, which reads the file of the token at its start and at each reload.',
};

/** Which limit a certificate is beyond, by nginx's answer, and what to do; `undefined` where it is another answer. */
function limitIn(status: number, text: string): string | undefined {
  if (status === 507)
    return `${text.trim().slice(0, 200)}; make "js_shared_dict_zone", or with Lua "lua_shared_dict", larger`;
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

  async function must(call: Call, signal: AbortSignal): Promise<string> {
    const { status, text } = await send(call, signal);
    if (status < 300) return text;
    if (status === 401) throw unreachable(WRONG_TOKEN);
    const { subject } = call;
    const limit = limitIn(status, text);
    if (limit !== undefined && subject !== undefined) throw refuse(subject, limit);
    throw unreachable(`it answered ${status} ${text.trim().slice(0, 200)}`);
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
    put: ({ certificateId: id, names }, body, signal) => {
      const subject = `certificate ${id} (${names.join(', ')})`;
      return must({ method: 'PUT', path: `/certificates/${id}`, body, subject }, signal);
    },
    remove: async (id, signal) => void (await must({ method: 'DELETE', path: `/certificates/${id}` }, signal)),
    epoch: (signal) => must({ method: 'GET', path: '/epoch' }, signal),
    setEpoch: async (body, signal) => void (await must({ method: 'PUT', path: '/epoch', body }, signal)),
    close: () => agent.destroy(),
  };
}
