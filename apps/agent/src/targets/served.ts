/** Asks a balancer by TLS which certificate it shows for a name. */
import { isIP } from 'node:net';
import { connect, createSecureContext, type SecureContext } from 'node:tls';
import { sha256 } from '@certbus/events';
import { AgentError } from '../errors.ts';
import type { Leaf } from './target.ts';
import { together } from './together.ts';

const TIMEOUT_MS = 5_000;
const TOGETHER = 8;
/**
 * The groups of Node, in another order: a key is made for the first one before anybody has asked for it, and one of ML-KEM costs half as much as all else
 * of a handshake. A server that knows only others asks for them.
 */
const GROUPS = 'X25519:P-256:X448:P-384:P-521:ffdhe2048:ffdhe3072';

function createContext(): SecureContext {
  try {
    return createSecureContext({ ecdhCurve: `${GROUPS}:X25519MLKEM768` });
  } catch {
    // As of Node 22, whose OpenSSL does not know it.
    return createSecureContext({ ecdhCurve: GROUPS });
  }
}

/** One for all connections: making one costs as much as a handshake. */
const secureContext = createContext();
/** Stands for any name under a wildcard. */
const LABEL = 'certbus-agent-check';

/** The name to ask for; `undefined` where all of them are addresses, which no client sends as a server name (RFC 6066 section 3). */
function nameToAsk(names: readonly string[]): string | undefined {
  const hosts = names.filter((name) => isIP(name) === 0);
  const exact = hosts.find((name) => !name.startsWith('*.'));
  return exact ?? hosts[0]?.replace(/^\*/, LABEL);
}

/**
 * The leaf that a TLS server shows for a server name: SHA-256 of its DER, base64url; `undefined` where it refuses the name. Rejects
 * `CERTBUS_AGENT_TARGET_FAILED` where nothing listens there, and `CERTBUS_AGENT_TARGET_TIMED_OUT`.
 */
function servedLeaf(address: string, serverName: string, signal: AbortSignal): Promise<string | undefined> {
  const at = address.lastIndexOf(':');
  const host = address.slice(0, at).replace(/^\[|\]$/g, '');
  return new Promise((resolve, reject) => {
    // Only which certificate it is counts here; whether it is a good one was checked before.
    const socket = connect({
      host,
      port: Number(address.slice(at + 1)),
      servername: serverName,
      secureContext,
      rejectUnauthorized: false,
    });
    const fail = (code: AgentError['code'], why: string) => {
      socket.destroy();
      reject(new AgentError(code, `${address} cannot be asked for the certificate of ${serverName}: ${why}.`));
    };
    const abort = () => fail('CERTBUS_AGENT_TARGET_FAILED', 'the agent is ending');
    signal.addEventListener('abort', abort, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', abort));
    socket.setTimeout(TIMEOUT_MS, () =>
      fail('CERTBUS_AGENT_TARGET_TIMED_OUT', `it did not answer within ${TIMEOUT_MS / 1000} s`),
    );
    let isConnected = false;
    socket.once('connect', () => {
      isConnected = true;
    });
    const answer = () => {
      const { raw } = socket.getPeerX509Certificate() ?? {};
      socket.destroy();
      resolve(raw && sha256(raw));
    };
    socket.once('secureConnect', answer);
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // An alert or a reset is its answer to this name; one behind its certificate, as for want of a client's, is not.
      if (isConnected) answer();
      else fail('CERTBUS_AGENT_TARGET_FAILED', error.code ?? error.message);
    });
  });
}

/**
 * The leaves that a TLS server shows for some certificates, by id; none for those it refuses. Those without a host name cannot be asked for,
 * and are taken to be shown.
 */
export async function servedLeaves(
  address: string,
  leaves: readonly Leaf[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, string>> {
  const served = new Map<string, string>();
  await together(leaves, TOGETHER, async ({ certificateId, names, leafHash }) => {
    const name = nameToAsk(names);
    const leaf = name === undefined ? leafHash : await servedLeaf(address, name, signal);
    if (leaf !== undefined) served.set(certificateId, leaf);
  });
  return served;
}
