/** A load balancer whose every answer is held against what its bus has said. */
import { createSecureContext, connect as dial } from 'node:tls';
import { isDeepStrictEqual } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import type { CertBus, ConnectOptions } from '../cert-bus.ts';
import { connect } from '../connect.ts';
import type { Health } from '../health.ts';
import { startTlsServer } from '../tls/tls.builders.ts';
import type { Site } from './site.builders.ts';

/** Of every client: to make one takes a sixth of what a handshake does. */
const secureContext = createSecureContext();

/**
 * The serial number of the certificate that a server shows for a name; `undefined` where it refuses the handshake. Rejects where the certificate is
 * that of another name, and where the handshake fails in another way.
 */
export function serialShown(port: number, serverName: string): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const place = { host: '127.0.0.1', port, servername: serverName };
    const socket = dial({ ...place, secureContext, rejectUnauthorized: false });
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      socket.destroy();
      if (certificate?.checkHost(serverName)) resolve(certificate.serialNumber);
      else reject(new Error(`${serverName} was shown the certificate of ${certificate?.subjectAltName}`));
    });
    socket.once('error', (error: Error & { readonly code?: string }) => {
      if (error.code === 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE') resolve(undefined);
      else reject(error);
    });
  });
}

/** Positions of the bus, by server name, that a load balancer must not fall behind again. */
export type Floors = Map<string, number>;

/** A load balancer in this process, with a server. */
export interface Edge {
  readonly client: CertBus;
  readonly port: number;
  /** Codes of the alarms so far. */
  readonly alarms: readonly unknown[];
  close(): Promise<void>;
}

/** Starts one; it is closed when the test ends. */
export async function startEdge(options: ConnectOptions): Promise<Edge> {
  const client = await connect(options);
  const alarms: unknown[] = [];
  client.on('alarm', (error) => alarms.push('code' in error ? error.code : error.message));
  const server = await startTlsServer(client);
  let closing: Promise<void> | undefined;
  const close = async () => {
    await server.close();
    await client.close();
  };
  const edge: Edge = { client, port: server.port, alarms, close: () => (closing ??= close()) };
  onTestFinished(() => edge.close());
  return edge;
}

/** What a server is held against. */
export interface Shows {
  readonly site: Site;
  readonly floors: Floors;
  /** What it shows must be as new as this position of the bus; default its floors alone. */
  readonly position?: number;
  /** Whether it may refuse a name. */
  readonly mayRefuse?: boolean;
}

/** Asks a server for names; what it shows must be as new as anything that it showed before. Raises the floors. */
export async function checkShown(
  port: number,
  { site: { history }, floors, position = 0, mayRefuse = false }: Shows,
  serverNames: Iterable<string>,
): Promise<void> {
  for (const serverName of serverNames) {
    const from = Math.max(position, floors.get(serverName) ?? 0);
    const serialNumber = await serialShown(port, serverName);
    if (mayRefuse && serialNumber === undefined) continue;
    const found = history.firstShowing({ serverName, serialNumber }, { from, upTo: history.head });
    const which = { serverName, from, upTo: history.head };
    if (found === undefined)
      expect({ ...which, serialNumber }).toEqual({ ...which, serialNumber: history.shownAt(from, serverName) });
    // Another handshake may have ended meanwhile.
    floors.set(serverName, Math.max(found ?? from, floors.get(serverName) ?? 0));
  }
}

const WEEK_MS = 7 * 86_400_000;

type Standing = Pick<Health, 'ready' | 'newestCommitAt' | 'certificates' | 'offlineBudgetMs'>;

const standingOf = ({ ready, newestCommitAt, certificates, offlineBudgetMs }: Health): Standing => ({
  ready,
  newestCommitAt,
  certificates,
  offlineBudgetMs,
});

/** What a load balancer at a position has to report of its certificates, by a clock. */
export function standingReport({ history }: Site, position: number, at: Date): Standing {
  const { ends, newestCommitAt } = history.standingAt(position);
  const endingBefore = (ms: number) => ends.filter((end) => end.getTime() < ms).length;
  const ahead = ends.map((end) => end.getTime() - at.getTime()).filter((ms) => ms >= 0);
  const expired = endingBefore(at.getTime());
  return {
    ready: ends.length === 0 || expired < ends.length,
    newestCommitAt,
    certificates: {
      served: ends.length,
      expired,
      endingWithin7Days: endingBefore(at.getTime() + WEEK_MS) - expired,
    },
    offlineBudgetMs: ahead.length > 0 ? Math.min(...ahead) : undefined,
  };
}

/** Holds a report against the position that it names, or against one that the bus has reached since: its counts may be ahead. */
export function checkReport(site: Site, health: Health, at: Date = site.options.now()): void {
  for (let position = health.position; position < site.history.head; position += 1)
    if (isDeepStrictEqual(standingOf(health), standingReport(site, position, at))) return;
  expect(standingOf(health)).toEqual(standingReport(site, site.history.head, at));
}

/**
 * Holds a report against what is true of every report, also while rows of the replica are damaged: some certificates are not counted then, and never
 * one that no position has had since.
 */
export function checkSound({ history }: Site, health: Health): void {
  const { position, certificates, ready, live, following, lagMs = 0, trouble } = health;
  const { served, expired, endingWithin7Days } = certificates;
  const positions = Array.from({ length: history.head - position + 1 }, (_, n) => position + n);
  const most = Math.max(0, ...positions.map((each) => history.standingAt(each).ends.length));
  const isSilent = trouble?.code === 'CERTBUS_REPLICA_SILENT';
  const rules = {
    'the position is one of the bus': position <= history.head,
    'no certificate is counted that is not there': served <= most,
    'parts are not more than the whole': expired + endingWithin7Days <= served,
    'a server is ready while one certificate has not ended': !ready || served === 0 || expired < served,
    'nothing is live where the process that follows is silent': !isSilent || (!live && !following),
    'time does not lag backwards': lagMs >= 0,
  };
  const broken = Object.entries(rules).flatMap(([rule, holds]) => (holds ? [] : [rule]));
  if (broken.length > 0) expect({ broken, health }).toEqual({ broken: [], health });
}
