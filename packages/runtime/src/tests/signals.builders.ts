/** A bus, a strict CA and its DNS on one clock, and manager processes that signals meet, for tests. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { renameSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import type { BusEvent } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import type { IssueRequest } from '@certbus/manager';
import { temporaryFolder } from 'certbus-services';
import { type Bundled, bundledProgram } from 'certbus-services/vitest';
import { environmentFor, writeSite } from '../daemon/daemon.builders.ts';
import { openLocalBus } from '../open-bus.ts';

const PROGRAM = new URL('./signalled-process.builders.ts', import.meta.url);
/** A validation is open for that long, so that others do something meanwhile. */
const VALIDATION_MS = 40;

/** Where a signal meets a process: at a point by its name, or at the so-manyth. */
export interface Awaited {
  readonly point?: string;
  readonly count?: number;
  readonly signal: 'SIGKILL' | 'SIGSTOP';
}

/** What a process is told when it starts, as JSON. */
export interface SignalledTask {
  readonly file: string;
  readonly state: string;
  /** File that says how far the world's clock is ahead of the machine's, milliseconds. */
  readonly clock: string;
  readonly isDaemon: boolean;
}

/** What a process is asked for: a certificate, none of a daemon. Points are counted from here on. */
export interface WorkOrder {
  readonly request?: IssueRequest | undefined;
  readonly awaits?: Awaited | undefined;
}

/** A line of a process. */
export type Said =
  | { readonly isReady: true }
  | { readonly reached: string }
  | { readonly failed: string }
  /** The outcome, or the code of the error, and the points that were passed. */
  | Ended;

/** How the work of a manager ended. */
export interface Ended {
  readonly outcome: string;
  readonly passed: readonly string[];
}

/** The work of a process. */
export interface Work {
  /** Resolves with the point at which its signal met it, `undefined` where it ended without. */
  readonly reached: Promise<string | undefined>;
  /** Resolves with how it ended, `undefined` where the process ended first. */
  readonly ended: Promise<Ended | undefined>;
}

/** A process that signals meet. */
export interface Signalled {
  readonly child: ChildProcess;
  /** Resolves once it has read the bus. */
  readonly isReady: Promise<void>;
  work(order: WorkOrder): Work;
  goOn(): void;
}

/** What the CA, its DNS and the bus say of a set of names. */
export interface Tally {
  readonly names: string;
  /** Orders that the CA made. */
  readonly orders: number;
  /** Serial numbers of what it issued. */
  readonly issued: readonly string[];
  /** Serial numbers of what is on the bus. */
  readonly obtained: readonly string[];
}

/** The world that the processes are in. */
export interface SignalSite extends AsyncDisposable {
  readonly ca: AcmeServer;
  readonly dns: DnsServer;
  /** TXT values that were taken away while the CA looked for them, or that it did not find, and errors of daemons. */
  readonly faults: readonly string[];
  /** Moves the clock of CA and managers. */
  advance(ms: number): void;
  start(task?: { readonly isDaemon?: boolean }): Signalled;
  /** Resolves once the CA begins to validate a name, or with the signal. */
  whenValidating(name: string, signal: AbortSignal): Promise<void>;
  /** By set of names. */
  tallies(): Promise<ReadonlyMap<string, Tally>>;
  /** The events of the bus, oldest first. */
  events(): Promise<readonly BusEvent[]>;
}

const keyOf = (names: readonly string[]): string => names.toSorted().join(' ');
const plain = (serial: string): string => serial.toUpperCase().replace(/^0+/, '');

/** A server of lego's httpreq protocol that writes into the DNS server. */
async function startHttpReq(dns: DnsServer, onCleanUp: (name: string, value: string) => void) {
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
    const { fqdn, value } = JSON.parse(Buffer.concat(chunks).toString()) as { fqdn: string; value: string };
    if (request.url === '/present') dns.add(fqdn, 'TXT', value);
    else {
      onCleanUp(fqdn, value);
      dns.remove(fqdn, 'TXT', value);
    }
    response.end();
  }

  // A process that is killed breaks off what it sends.
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** The TXT values that the CA looks for now, and what went wrong with them. */
function watchValidations() {
  const open = new Map<string, number>();
  const faults: string[] = [];
  const count = (keyAuthorization: string, by: number) => {
    const value = createHash('sha256').update(keyAuthorization).digest('base64url');
    open.set(value, (open.get(value) ?? 0) + by);
  };
  return {
    faults,
    watch(ca: AcmeServer) {
      ca.on('validating', ({ keyAuthorization }) => count(keyAuthorization, 1));
      ca.on('validation', ({ name, keyAuthorization, problem }) => {
        count(keyAuthorization, -1);
        if (problem) faults.push(`${name} was not confirmed: ${problem}`);
      });
    },
    cleanUp(name: string, value: string) {
      if ((open.get(value) ?? 0) > 0) faults.push(`${name} lost ${value} under its validation`);
    },
  };
}

/** Starts a process, and hears its lines. */
function startSignalled({ path, env }: Bundled, task: SignalledTask, faults: string[]): Signalled {
  const child = spawn(process.execPath, [path, JSON.stringify(task)], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ready = Promise.withResolvers<void>();
  let reached = Promise.withResolvers<string | undefined>();
  let ended = Promise.withResolvers<Ended | undefined>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said: Said = JSON.parse(line);
    if ('isReady' in said) ready.resolve();
    else if ('reached' in said) reached.resolve(said.reached);
    else if ('outcome' in said) ended.resolve(said);
    else faults.push(said.failed);
  });
  const over = once(child, 'exit').then(() => undefined);
  void over.then(ready.resolve);
  return {
    child,
    isReady: ready.promise,
    work(order) {
      reached = Promise.withResolvers();
      ended = Promise.withResolvers();
      child.stdin.write(`${JSON.stringify(order)}\n`);
      return {
        reached: Promise.race([reached.promise, ended.promise.then(() => undefined), over]),
        ended: Promise.race([ended.promise, over]),
      };
    },
    goOn: () => void child.kill('SIGCONT'),
  };
}

/** Starts CA and DNS, and makes a bus with a configuration for them. */
export async function startSignalSite(): Promise<SignalSite> {
  const program = await bundledProgram(PROGRAM);
  const temporary = temporaryFolder();
  const folder = temporary.path;
  const clock = join(folder, 'clock');
  let aheadMs = 0;
  const advance = (ms: number) => {
    aheadMs += ms;
    writeFileSync(`${clock}.new`, String(aheadMs));
    renameSync(`${clock}.new`, clock);
  };
  advance(0);
  const now = () => new Date(Date.now() + aheadMs);
  const dns = await startDnsServer();
  const validations = watchValidations();
  const httpReq = await startHttpReq(dns, validations.cleanUp);
  // On a busy machine its DNS server can be late.
  const validation = { dnsServer: dns.address, delayMs: VALIDATION_MS, timeoutMs: 300_000 };
  // As Let's Encrypt does: one that asks again for what is open gets the same order.
  const ca = await startAcmeServer({ now, reuseOrders: true, validation });
  validations.watch(ca);
  const orders: { readonly names: string; readonly url: string }[] = [];
  const issued: { readonly names: string; readonly serial: string }[] = [];
  ca.on('order', ({ names, url }) => void orders.push({ names: keyOf(names), url }));
  ca.on('certificate', ({ names, serial }) => void issued.push({ names: keyOf(names), serial }));
  const file = await writeSite(folder, {
    version: 1,
    authorities: { ca: { directory: ca.directory, roots: ca.roots, termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'httpreq', url: httpReq.url, resolver: [dns.address], nameServers: false }],
  });
  const running = new Set<ChildProcess>();

  async function events(): Promise<readonly BusEvent[]> {
    const open = await openLocalBus(environmentFor({ file, state: join(folder, 'reader') }));
    try {
      const all: BusEvent[] = [];
      // A page has so many bytes at the most.
      for (let from = BEGINNING; ; ) {
        const page = await open.bus.read(from, { limit: 10_000, consistent: true, everySignature: true });
        if (page.refused) throw page.refused;
        all.push(...page.commits.flatMap(({ events: said }) => said.flatMap(({ event }) => event ?? [])));
        if (page.end) return all;
        from = page.checkpoint;
      }
    } finally {
      await open.close();
    }
  }

  return {
    ca,
    dns,
    faults: validations.faults,
    advance,
    events,
    start({ isDaemon = false } = {}) {
      const state = join(folder, `state-${running.size}`);
      const process = startSignalled(program, { file, state, clock, isDaemon }, validations.faults);
      running.add(process.child);
      return process;
    },
    async whenValidating(name, signal) {
      await new Promise<void>((resolve) => {
        const off = ca.on('validating', (subject) => subject.name === name && done());
        const done = () => {
          off();
          resolve();
        };
        signal.addEventListener('abort', done, { once: true });
      });
    },
    async tallies() {
      const obtained = (await events()).filter((event) => event.type === 'CertificateObtained');
      const keys = new Set([...orders.map(({ names }) => names), ...obtained.map(({ names }) => keyOf(names))]);
      const tally = (names: string): Tally => ({
        names,
        orders: new Set(orders.filter((order) => order.names === names).map(({ url }) => url)).size,
        issued: issued
          .filter((each) => each.names === names)
          .map(({ serial }) => plain(serial))
          .sort(),
        obtained: obtained
          .filter((each) => keyOf(each.names) === names)
          .map(({ serialNumber }) => plain(serialNumber))
          .sort(),
      });
      return new Map([...keys].map((names) => [names, tally(names)]));
    },
    async [Symbol.asyncDispose]() {
      for (const child of running) child.kill('SIGKILL');
      httpReq.close();
      await Promise.all([ca[Symbol.asyncDispose](), dns[Symbol.asyncDispose]()]);
      temporary.remove();
    },
  };
}
