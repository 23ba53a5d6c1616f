import { readFile, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Benchmark, Figure } from './figure.ts';
import { forgetUserSettings } from './user-settings.ts';

/** Every benchmark, by the figures it gives. A name on the command line picks those that begin with it. */
const BENCHMARKS: readonly { readonly names: readonly string[]; readonly load: () => Promise<Benchmark> }[] = [
  {
    names: ['store.snapshot.size', 'store.newcomer', 'store.newcomer.young'],
    load: async () => (await import('./store-snapshot.ts')).storeSnapshot,
  },
  {
    names: ['store.append.dynamodb', 'store.replay.dynamodb', 'store.transact.contended'],
    load: async () => (await import('./store-dynamodb.ts')).storeDynamoDb,
  },
  {
    names: ['store.append.sqlite', 'store.append.sqlite.emmett'],
    load: async () => (await import('./store-append-sqlite.ts')).storeAppendSqlite,
  },
  {
    names: ['store.append.sqlite.4'],
    load: async () => (await import('./store-append-sqlite-4.ts')).storeAppendSqlite4,
  },
  { names: ['store.follow.verify'], load: async () => (await import('./store-follow-verify.ts')).storeFollowVerify },
  {
    names: ['store.fleet.cost.quiet', 'store.fleet.cost.busy'],
    load: async () => (await import('./store-fleet-cost.ts')).storeFleetCost,
  },
  {
    names: ['acme.orders.http-01', 'acme.orders.http-01.lego', 'acme.orders.http-01.acmez'],
    load: async () => (await import('./acme-orders.ts')).acmeOrdersHttp01,
  },
  {
    names: ['acme.orders.dns-01', 'acme.orders.dns-01.lego', 'acme.orders.dns-01.acmez'],
    load: async () => (await import('./acme-orders.ts')).acmeOrdersDns01,
  },
  {
    names: ['acme.order.requests', 'acme.order.cpu', 'acme.order.cpu.acme-client'],
    load: async () => (await import('./acme-order.ts')).acmeOrder,
  },
  { names: ['acme.badnonce'], load: async () => (await import('./acme-badnonce.ts')).acmeBadNonce },
  { names: ['manager.plan'], load: async () => (await import('./manager-plan.ts')).managerPlan },
  {
    names: ['manager.idle', 'manager.idle.rss', 'manager.idle.stall'],
    load: async () => (await import('./manager-idle.ts')).managerIdle,
  },
  {
    names: ['manager.real', 'manager.real.dynamodb'],
    load: async () => (await import('./manager-real.ts')).managerReal,
  },
  {
    names: ['manager.daemon', 'manager.daemon.rss', 'manager.daemon.ari'],
    load: async () => (await import('./manager-daemon.ts')).managerDaemon,
  },
  { names: ['manager.day'], load: async () => (await import('./manager-day.ts')).managerDay },
  {
    names: ['acme', 'client', 'certbus'].flatMap((name) => [`install.${name}.packages`, `install.${name}.megabytes`]),
    load: async () => (await import('./install.ts')).install,
  },
  { names: ['cli.start'], load: async () => (await import('./cli-start.ts')).cliStart },
  {
    names: ['cli.newcomer', 'cli.newcomer.commands'],
    load: async () => (await import('./cli-newcomer.ts')).cliNewcomer,
  },
  { names: ['cli.mk.bulk'], load: async () => (await import('./cli-mk-bulk.ts')).cliMkBulk },
  { names: ['cli.ls'], load: async () => (await import('./cli-ls.ts')).cliLs },
  {
    names: ['handshake.hot', 'handshake.hot.static'].flatMap((name) =>
      ['', '.rsa'].flatMap((key) => ['', '.run1', '.run2', '.run3'].map((run) => name + key + run)),
    ),
    load: async () => (await import('./handshake-hot.ts')).handshakeHot,
  },
  {
    names: ['handshake.addcontext', 'handshake.addcontext.rsa'],
    load: async () => (await import('./handshake-addcontext.ts')).handshakeAddContext,
  },
  {
    names: ['handshake.servers.nginx', 'handshake.servers.haproxy'].flatMap((name) => [name, `${name}.rsa`]),
    load: async () => (await import('./handshake-servers.ts')).handshakeServers,
  },
  {
    names: ['', '.rsa', '.callback', '.memory', '.memory.rsa'].map((suffix) => `flood.wildcard${suffix}`),
    load: async () => (await import('./flood-wildcard.ts')).floodWildcard,
  },
  { names: ['lookup.exact', 'lookup.wildcard'], load: async () => (await import('./lookup.ts')).lookup },
  {
    names: ['memory.turnover', 'memory.turnover.young', 'memory.turnover.held'],
    load: async () => (await import('./memory-turnover.ts')).memoryTurnover,
  },
  { names: ['replay.rate', 'replay.rate.full'], load: async () => (await import('./replay.ts')).replay },
  {
    names: ['loop.stall', 'loop.stall.max', 'loop.stall.watcher', 'loop.stall.watcher.max'],
    load: async () => (await import('./loop-stall.ts')).loopStall,
  },
  {
    names: ['handshake.cold', 'handshake.cold.first'].flatMap((name) => [name, `${name}.rsa`]),
    load: async () => (await import('./handshake-cold.ts')).handshakeCold,
  },
  { names: ['opening.loop'], load: async () => (await import('./opening-loop.ts')).openingLoop },
  {
    names: ['flood.cold', 'flood.cold.ms'].flatMap((name) => [name, `${name}.rsa`]),
    load: async () => (await import('./flood-cold.ts')).floodCold,
  },
  {
    names: ['agent.haproxy.served', 'agent.nginx.served'],
    load: async () => (await import('./agent-targets.ts')).agentServed,
  },
  {
    names: ['agent.haproxy.renewals', 'agent.haproxy.verified'],
    load: async () => (await import('./agent-targets.ts')).agentHaproxyRenewals,
  },
  {
    names: ['agent.start', 'agent.memory', 'agent.nginx.fill'],
    load: async () => (await import('./agent-targets.ts')).agentMany,
  },
  {
    names: ['zip', 'load', 'cold', 'warm', 'cost.10', 'cost.1000', 'cost.100000'].map((name) => `lambda.${name}`),
    load: async () => (await import('./lambda.ts')).lambda,
  },
  {
    names: ['lambda.cold.snapshot', 'lambda.cold.log'],
    load: async () => (await import('./lambda-snapshot.ts')).lambdaSnapshot,
  },
  { names: ['health.cost'], load: async () => (await import('./health-cost.ts')).healthCost },
  {
    names: ['restart.first-handshake', 'restart.cold-disk', 'restart.rss', 'lookup.disk', 'lookup.disk.cold'],
    load: async () => (await import('./restart.ts')).restarts,
  },
  { names: ['path.issue'], load: async () => (await import('./path-issue.ts')).pathIssue },
  {
    names: ['', '.p99', '.quiet', '.quiet.p99'].map((suffix) => `served.after-event${suffix}`),
    load: async () => (await import('./served-after-event.ts')).servedAfterEvent,
  },
];
const DOCUMENT = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url));
const [BEGIN, END] = ['<!-- figures:begin -->', '<!-- figures:end -->'];

function shown(value: number): string {
  if (value < 0.1) return value.toPrecision(2);
  return value < 10 ? value.toFixed(2) : value.toFixed(1);
}

const HEADER =
  '| figure | value | quartiles | against | control | n | measured |\n| --- | --- | --- | --- | --- | --- | --- |';

function row({ figure, value, unit, against, low, high, control, n }: Figure): string {
  const trust = control === undefined ? '' : shown(control);
  const today = new Date().toISOString().slice(0, 10);
  return `| \`${figure}\` | ${shown(value)} ${unit} | ${shown(low)} to ${shown(high)} | ${against ?? ''} | ${trust} | ${n} | ${today} |`;
}

/** Puts the rows of these figures onto the page, in the place of those that it has; the others stay with their date. */
async function publish(figures: readonly Figure[]): Promise<void> {
  const text = await readFile(DOCUMENT, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN) + BEGIN.length, text.indexOf(END)];
  const rows = new Map<string, string>();
  for (const [line, figure = ''] of text.slice(begin, end).matchAll(/^\| `([^`]+)` \|.*$/gm)) rows.set(figure, line);
  for (const figure of figures) rows.set(figure.figure, row(figure));
  const places = BENCHMARKS.flatMap(({ names }) => names);
  const sorted = [...rows].sort(([one], [other]) => places.indexOf(one) - places.indexOf(other));
  const machine = `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${cpus().length} cores, Node ${process.versions.node}`;
  const section = `\n\nThe last run was on ${machine}.\n\n${[HEADER, ...sorted.map(([, line]) => line)].join('\n')}\n\n`;
  await writeFile(DOCUMENT, text.slice(0, begin) + section + text.slice(end));
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    publish: { type: 'boolean', default: false },
  },
});
const wanted = BENCHMARKS.filter(
  ({ names }) =>
    positionals.length === 0 || names.some((name) => positionals.some((prefix) => name.startsWith(prefix))),
);
if (wanted.length === 0) {
  console.error(
    `No figure begins with ${positionals.join(', ')}. There are: ${BENCHMARKS.flatMap(({ names }) => names).join(', ')}`,
  );
  process.exit(2);
}
forgetUserSettings();
const figures: Figure[] = [];
for (const { names, load } of wanted) {
  console.error(`measuring ${names.join(', ')} …`);
  const run = await load();
  figures.push(...(await run({ quick: values.quick })));
}
console.log([HEADER, ...figures.map(row)].join('\n'));
if (values.json) await writeFile(values.json, `${JSON.stringify(figures, undefined, 2)}\n`);
// A whole run is published, a part where that is asked for; one in a hurry is not worth it.
if ((wanted.length === BENCHMARKS.length || values.publish) && !values.quick) await publish(figures);
