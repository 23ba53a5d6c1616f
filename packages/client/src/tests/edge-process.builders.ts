/** A load balancer in a process of its own, on the state folder of others, which answers its parent's questions and runs until it is killed. */
import { connect } from '../connect.ts';
import type { Health } from '../health.ts';
import { startTlsServer } from '../tls/tls.builders.ts';

/** What its parent gives it, as JSON. */
export interface EdgeTask {
  readonly bus: string;
  readonly identity: string;
  readonly trust: string;
  readonly stateDirectory: string;
  readonly intervalMs: number;
  /** Where snapshots are. */
  readonly archive?: string;
  /** How far its clock is ahead of this machine's, milliseconds. */
  readonly aheadMs: number;
}

/** What it says: once that it has started and which names it serves, and its health whenever it is asked. */
export type EdgeReport =
  | { readonly kind: 'starting' }
  | { readonly kind: 'started'; readonly port: number; readonly served: number }
  | { readonly kind: 'health'; readonly health: Pick<Health, 'position' | 'following' | 'live' | 'ready'> };

const { aheadMs, ...options }: EdgeTask = JSON.parse(process.argv[2] ?? '{}');
const send = (report: EdgeReport) => process.send?.(report);
process.on('disconnect', () => process.exit());
send({ kind: 'starting' });
const client = await connect({
  ...options,
  // However busy the machine is: no test is about how long a start takes.
  startTimeoutMs: Number.POSITIVE_INFINITY,
  now: () => new Date(Date.now() + aheadMs),
});
// The parent hears of troubles by the health that it asks for.
client.on('alarm', () => {});
const { port } = await startTlsServer(client);
process.on('message', () => {
  const { position, following, live, ready } = client.health();
  send({ kind: 'health', health: { position, following, live, ready } });
});
send({ kind: 'started', port, served: [...client.certificates()].length });
