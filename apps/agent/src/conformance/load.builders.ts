/** Clients that keep asking a balancer while its certificates change. */
import { setImmediate as turn } from 'node:timers/promises';
import { connect } from 'node:tls';

/** What the clients met. */
export interface LoadReport {
  readonly handshakes: number;
  /** Handshakes that failed. */
  readonly failed: readonly string[];
  /** Names that were shown the certificate of another name. */
  readonly wrong: readonly string[];
}

const CLIENTS = 4;

/** One full handshake; returns what is wrong with it. */
const handshake = (port: number, name: string): Promise<{ failed?: string; wrong?: string }> =>
  new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', servername: name, rejectUnauthorized: false, timeout: 60_000 });
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      resolve(certificate?.checkHost(name) ? {} : { wrong: `${name}: ${certificate?.subjectAltName}` });
    });
    socket.once('error', (error) => resolve({ failed: `${name}: ${error.message}` }));
    socket.once('timeout', () => socket.destroy(new Error('timed out')));
  });

/** Lets the clients rest while something is done. */
export type WithoutLoad = (work: () => Promise<void>) => Promise<void>;

/** Asks for names, one after the other, with several clients, until `work` is done. */
export async function underLoad(
  port: number,
  names: readonly string[],
  work: (withoutLoad: WithoutLoad) => Promise<void>,
): Promise<LoadReport> {
  let isDone = false;
  /** What the clients wait for before their next handshake. */
  let rest = Promise.resolve();
  let asking = 0;
  let handshakes = 0;
  const failed: string[] = [];
  const wrong: string[] = [];
  const client = async (first: number) => {
    for (let n = first; ; n += 1) {
      await rest;
      if (isDone) return;
      asking += 1;
      const found = await handshake(port, names[n % names.length] ?? '');
      asking -= 1;
      handshakes += 1;
      if (found.failed) failed.push(found.failed);
      if (found.wrong) wrong.push(found.wrong);
    }
  };
  const withoutLoad: WithoutLoad = async (during) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    rest = promise;
    while (asking > 0) await turn();
    try {
      await during();
    } finally {
      resolve();
    }
  };
  const clients = Array.from({ length: CLIENTS }, (_, n) => client(n));
  try {
    await work(withoutLoad);
  } finally {
    isDone = true;
    await Promise.all(clients);
  }
  return { handshakes, failed, wrong };
}
