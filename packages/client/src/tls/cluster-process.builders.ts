/** A cluster whose workers serve a bus on one port: its parent says when one begins, and when one closes its server. */
import cluster from 'node:cluster';
import { connect } from '../connect.ts';
import { startTlsServer } from './tls.builders.ts';

/** What the parent asks of it. */
export type ClusterOrder = { readonly kind: 'begin' } | { readonly kind: 'close'; readonly worker: number };

/** What a worker reports: that it serves, how often it has replaced its ticket keys since, and that it serves no longer. */
export interface ClusterReport {
  readonly worker: number;
  readonly port: number;
  readonly rotations: number;
  readonly isClosed: boolean;
}

function lead(): void {
  // A worker that is asked to close says nothing more than it is asked for.
  process.on('message', (order: ClusterOrder) => {
    if (order.kind === 'close') cluster.workers?.[order.worker]?.send('close');
    else cluster.fork().on('message', (report) => process.send?.(report));
  });
  process.on('disconnect', () => process.exit());
}

async function work(): Promise<void> {
  const client = await connect({ ...JSON.parse(process.argv[2] ?? '{}'), intervalMs: 100 });
  client.on('alarm', () => {});
  const { server, port, close } = await startTlsServer(client);
  let keys = server.getTicketKeys();
  let rotations = 0;
  let isClosed = false;
  const report = () => process.send?.({ worker: cluster.worker?.id, port, rotations, isClosed });
  client.on('changed', () => {
    if (!keys.equals(server.getTicketKeys())) rotations += 1;
    keys = server.getTicketKeys();
    report();
  });
  const end = async () => {
    await close();
    isClosed = true;
    report();
  };
  process.on('message', () => void end());
  report();
}

if (cluster.isPrimary) lead();
else await work();
