/** A manager, or a daemon, as a process of its own that a signal meets at one append or request. Each line that it writes is one JSON value. */
import { subscribe } from 'node:diagnostics_channel';
import { readFileSync, writeSync } from 'node:fs';
import { flushCompileCache } from 'node:module';
import { createInterface } from 'node:readline';
import { parseTrust } from '@certbus/events';
import { type IssueRequest, openManager } from '@certbus/manager';
import { openReplica } from '@certbus/replica';
import { type Log, openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { environmentFor, STREAM } from '../daemon/daemon.builders.ts';
import { keepRenewing } from '../daemon/loop.ts';
import { secretsOf } from '../environment.ts';
import { createHolder, hasEnded } from '../holder.ts';
import { readManagerKey } from '../manager-key.ts';
import { createSolverFactory } from '../solvers/solvers.ts';
import type { Awaited, Said, SignalledTask, WorkOrder } from './signals.builders.ts';

const task: SignalledTask = JSON.parse(process.argv[2] ?? '');
let awaits: Awaited | undefined;
let passed: string[] = [];
const now = () => new Date(Date.now() + Number(readFileSync(task.clock, 'utf8')));
const say = (said: Said) => void writeSync(1, `${JSON.stringify(said)}\n`);

// Timers that fell due while a process stood still fire before it reads anything. Here only the clock of the world went on.
const repeated = new Map<unknown, { readonly work: () => void; readonly everyMs: number; dueMs: number }>();
const { setInterval: begin, clearInterval: end } = globalThis;
globalThis.setInterval = ((work: () => void, everyMs: number) => {
  const timer = begin(work, everyMs);
  repeated.set(timer, { work, everyMs, dueMs: now().getTime() + everyMs });
  return timer;
}) as typeof setInterval;
globalThis.clearInterval = ((timer: NodeJS.Timeout) => {
  repeated.delete(timer);
  end(timer);
}) as typeof clearInterval;
function fireDue(): void {
  for (const timer of repeated.values()) if (timer.dueMs <= now().getTime()) timer.work();
}

/** Counts a point, and meets its signal there. */
function pass(what: string): void {
  const point = `${what} #${1 + passed.filter((each) => each.startsWith(`${what} #`)).length}`;
  passed.push(point);
  if (awaits?.point !== point && awaits?.count !== passed.length) return;
  const { signal } = awaits;
  awaits = undefined;
  say({ reached: point });
  process.kill(process.pid, signal);
  process.nextTick(fireDue);
}

/** Types of the events that a commit has. */
function typesIn(bytes: Uint8Array): string {
  const [payload = ''] = Buffer.from(bytes).toString().split('\n');
  const { events } = JSON.parse(payload) as { readonly events: readonly { readonly type: string }[] };
  return [...new Set(events.map(({ type }) => type))].join(', ');
}

const watched = (log: Log): Log => ({
  ...log,
  async append(stream, after, bytes, options) {
    const types = typesIn(bytes);
    pass(`before ${types}`);
    const position = await log.append(stream, after, bytes, options);
    pass(`after ${types}`);
    return position;
  },
});

/** What undici tells of a request, from ACME client and solver alike. */
function watchRequests(channel: 'create' | 'headers', when: string): void {
  subscribe(`undici:request:${channel}`, (message) => {
    const { method, path } = (message as { readonly request: { readonly method: string; readonly path: string } })
      .request;
    const [, resource] = /^\/(?:acme\/)?([\w-]+)/.exec(path) ?? [];
    pass(`${when} ${method} ${resource}`);
  });
}

watchRequests('create', 'sending');
watchRequests('headers', 'answered');

const environment = environmentFor(task);
const key = await readManagerKey(environment);
const trust = parseTrust(environment.config.trust);
const log = watched(await openLog(environment.config.bus));
const bus = openBus(log, STREAM, { trust, signer: key.signer });
const replica = await openReplica({ path: ':memory:', busId: trust.busId });
const secrets = secretsOf(environment);
const manager = await openManager({
  bus,
  key,
  replica,
  acceptStale: true,
  holder: createHolder(),
  hasEnded,
  solvers: createSolverFactory(environment, secrets),
  secrets,
  now,
});
// A process that is killed does not write at its end what it compiled.
flushCompileCache();

const { signal } = new AbortController();

/** Issues what the parent asks for; resolves with what came of it. */
async function issue(request: IssueRequest): Promise<Said> {
  try {
    const { outcome } = await manager.issue(request, { signal });
    return { outcome, passed };
  } catch (error) {
    return { outcome: error instanceof Error && 'code' in error ? String(error.code) : String(error), passed };
  } finally {
    awaits = undefined;
  }
}

await manager.refresh();
say({ isReady: true });
if (task.isDaemon) {
  const listener = { contact() {}, ran() {}, failed: (error: unknown) => say({ failed: String(error) }), queued() {} };
  void keepRenewing({ manager, bus, now, intervalMs: 600_000, signal, listener });
}
for await (const line of createInterface({ input: process.stdin })) {
  const order: WorkOrder = JSON.parse(line);
  passed = [];
  awaits = order.awaits;
  if (order.request) say(await issue(order.request));
}
process.exit();
