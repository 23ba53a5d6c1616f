/** Makes the demo's HTTPS requests, verified and counted. */
import { request } from 'node:https';
import type { TLSSocket } from 'node:tls';

/** Where requests go: one of the servers. */
export interface Target {
  readonly name: string;
  readonly host: string;
}

/** Makes verified requests, and counts. */
export interface Visitor {
  /** One HTTPS request over a connection of its own; the serial number that was shown. Rejects when TLS or the greeting is not right. */
  visit(target: Target, serverName: string): Promise<string>;
  /** A look whether a server is ready yet: a visit that does not count. */
  probe(target: Target, serverName: string): Promise<string>;
  /** Visits all targets by a name, over and over, until stopped. */
  keepVisiting(targets: readonly Target[], serverName: string): Load;
  readonly made: number;
  readonly failed: number;
}

/** Visits that go on. */
export interface Load {
  /** When each serial number was first shown by a target, milliseconds since 1970. */
  firstSeen(target: Target): ReadonlyMap<string, number>;
  readonly made: number;
  readonly errors: readonly string[];
  stop(): Promise<void>;
}

const TIMEOUT_MS = 5_000;

/** How requests are made: `ca` is the PEM of the only root that is trusted. */
interface Connection {
  readonly ca: string;
  readonly port: number;
}

/** One HTTPS request over a connection of its own; the serial number of the certificate that was shown. */
function requestOnce(
  { host }: Target,
  serverName: string,
  { ca, port, path }: Connection & { readonly path: string },
): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { host: serverName };
    const options = { host, port, path, servername: serverName, ca, agent: false, timeout: TIMEOUT_MS, headers };
    const call = request(options, (response) => {
      const { serialNumber = '' } = (response.socket as TLSSocket).getPeerCertificate() ?? {};
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk));
      response.on('end', () =>
        text.includes(path) ? resolve(serialNumber) : reject(new Error(`an odd greeting: ${text}`)),
      );
    });
    call
      .on('timeout', () => call.destroy(new Error('no answer in 5 s')))
      .on('error', reject)
      .end();
  });
}

const WORKERS_PER_TARGET = 2;

function startLoad(targets: readonly Target[], visit: (target: Target) => Promise<string>): Load {
  const seen = new Map<Target, Map<string, number>>(targets.map((target) => [target, new Map()]));
  const errors: string[] = [];
  let made = 0;
  let isStopped = false;

  async function keepVisiting(target: Target): Promise<void> {
    while (!isStopped) {
      made += 1;
      try {
        const serial = await visit(target);
        const serials = seen.get(target);
        if (!serials?.has(serial)) serials?.set(serial, Date.now());
      } catch (error) {
        errors.push(`${target.name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }

  const workers = targets.flatMap((target) => Array.from({ length: WORKERS_PER_TARGET }, () => keepVisiting(target)));
  return {
    firstSeen: (target) => seen.get(target) ?? new Map(),
    get made() {
      return made;
    },
    errors,
    async stop() {
      isStopped = true;
      await Promise.all(workers);
    },
  };
}

/** Makes a visitor that has not visited anything yet. */
export function createVisitor(connection: Connection): Visitor {
  let made = 0;
  let failed = 0;
  const probe = (target: Target, serverName: string) =>
    requestOnce(target, serverName, { ...connection, path: `/hello/${made}` });

  async function visit(target: Target, serverName: string): Promise<string> {
    made += 1;
    try {
      return await probe(target, serverName);
    } catch (error) {
      failed += 1;
      throw error;
    }
  }

  return {
    visit,
    probe,
    keepVisiting: (targets, serverName) => startLoad(targets, (target) => visit(target, serverName)),
    get made() {
      return made;
    },
    get failed() {
      return failed;
    },
  };
}

/** Waits until something holds, looking ten times a second. */
export async function until(holds: () => boolean | Promise<boolean>, ms = 15_000): Promise<boolean> {
  const deadline = performance.now() + ms;
  while (performance.now() < deadline) {
    if (await holds()) return true;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return false;
}
