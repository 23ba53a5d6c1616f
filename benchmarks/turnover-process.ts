/** Makes and drops contexts, and reports how much the process has grown. */
import type { SecureContext } from 'node:tls';
import { connect } from '@certbus/client';
import { type EdgeSiteOptions, prepareEdgeSite } from './edge-site.ts';
import { serverSocket } from './server-socket.ts';

export interface TurnoverOptions {
  readonly site: EdgeSiteOptions;
  readonly by: 'callback' | 'secureContextFor';
  readonly cacheSize: number;
  readonly turnovers: number;
}

const [, , text = ''] = process.argv;
const { site, by, cacheSize, turnovers }: TurnoverOptions = JSON.parse(text);
const { bus, identity, trust, hot } = await prepareEdgeSite(site);
const client = await connect({ bus, identity, trust, cacheSize, replica: ':memory:' });
const callback = client.sniCallback.bind(serverSocket());
const byCallback = (name: string) =>
  new Promise<SecureContext | undefined>((resolve) => callback(name, (_, context) => resolve(context)));
const find = by === 'callback' ? byCallback : client.secureContextFor;
const seen = new WeakSet<SecureContext>();
const before = process.memoryUsage.rss();
for (let made = 0, n = 0; made < turnovers; n += 1) {
  const context = await find(hot[n % hot.length]?.name ?? '');
  if (!context || seen.has(context)) continue;
  seen.add(context);
  made += 1;
  // As between two handshakes: what was evicted is closed in the next turn.
  if (made % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
}
process.send?.(process.memoryUsage.rss() - before);
await client.close();
process.exit(0);
