/** A bus on this machine with a strict CA and its DNS, and daemons on it, for tests. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { type BusEvent, formatTrust } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import type { Manager } from '@certbus/manager';
import { beginTestBus } from '@certbus/manager/testing';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { type Environment, readEnvironment } from '../environment.ts';
import { openLocalBus } from '../open-bus.ts';
import { withManager } from '../with-manager.ts';
import { type DaemonOptions, runDaemon } from './daemon.ts';

const never = new AbortController().signal;
export const STREAM = 'test';

/** What a daemon that is a process of its own is told, as JSON. */
export interface DaemonTask {
  readonly file: string;
  readonly state: string;
  readonly aheadMs: number;
  readonly claimMs: number;
  readonly graceMs: number;
  /** More variables of its environment. */
  readonly variables?: Readonly<Record<string, string>>;
}

/** The environment of a machine: its configuration and a state directory of its own. */
export const environmentFor = ({
  file,
  state,
  variables = {},
}: Pick<DaemonTask, 'file' | 'state' | 'variables'>): Environment =>
  readEnvironment({
    file,
    variables: { CERTBUS_STATE_DIR: state, ...variables },
    acceptStale: true,
    writeLine: () => {},
  });

/** A bus with a CA and DNS, whose clocks are ahead of the machine's by as much as a test says. */
export interface DaemonSite extends AsyncDisposable {
  readonly ca: AcmeServer;
  readonly dns: DnsServer;
  readonly file: string;
  readonly folder: string;
  /** Moves the clock of CA, managers and daemons of this process. */
  advance(ms: number): void;
  readonly aheadMs: number;
  now(): Date;
  /** Runs with a manager of a machine of its own. */
  manage<T>(machine: string, work: (manager: Manager) => Promise<T>): Promise<T>;
  /** Issues certificates of 160 hours, each with its own name. */
  issue(names: readonly string[]): Promise<void>;
  /** Runs a daemon in this process, until the function ends. */
  run<T>(machine: string, options: Partial<DaemonOptions>, work: (lines: readonly string[]) => Promise<T>): Promise<T>;
  /** The events of the bus, oldest first. */
  events(): Promise<readonly BusEvent[]>;
  /** Resolves once so many events of a type are on the bus. */
  until(type: BusEvent['type'], count: number): Promise<void>;
}

/** Writes what a machine needs, makes the bus, by default in a file, and configures it; returns the file of the local configuration. */
export async function writeSite(
  folder: string,
  config: object,
  bus: string = `sqlite:${join(folder, 'bus.db')}#${STREAM}`,
): Promise<string> {
  const log = await openLog(bus, { create: true });
  const { managerKey, trust } = await beginTestBus(log, STREAM);
  await log.close();
  const write = (name: string, text: string) => writeFileSync(join(folder, name), text, { mode: 0o600 });
  write('manager.key', managerKey);
  write('bus.pub', `${formatTrust(trust)}\n`);
  write('certbus.json', JSON.stringify({ bus, trust: './bus.pub', managerKey: './manager.key' }));
  const file = join(folder, 'certbus.json');
  await withManager(environmentFor({ file, state: join(folder, 'seed') }), (manager) => manager.configure(config));
  return file;
}

/** Starts CA and DNS, and makes a bus with a configuration for them. */
export async function startDaemonSite({
  delayMs = 0,
  blockedNames = [],
  bus,
}: {
  /** How long each validation takes, milliseconds. */
  readonly delayMs?: number;
  readonly blockedNames?: readonly string[];
  /** Address of the bus that is made, whose stream is {@link STREAM}; default in a file. */
  readonly bus?: string;
} = {}): Promise<DaemonSite> {
  const temporary = temporaryFolder();
  const folder = temporary.path;
  let aheadMs = 0;
  const now = () => new Date(Date.now() + aheadMs);
  const dns = await startDnsServer();
  const ca = await startAcmeServer({ now, blockedNames, validation: { dnsServer: dns.address, delayMs } });
  const config = {
    version: 1,
    authorities: { ca: { directory: ca.directory, roots: ca.roots, termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: dns.url }],
  };
  const file = await writeSite(folder, config, bus);
  const environment = (machine: string) => environmentFor({ file, state: join(folder, machine) });
  const manage: DaemonSite['manage'] = (machine, work) =>
    withManager(environment(machine), (manager) => work(manager), { now });

  async function events(): Promise<readonly BusEvent[]> {
    const open = await openLocalBus(environment('reader'));
    try {
      const { commits } = await open.bus.read(BEGINNING, { limit: 10_000, consistent: true });
      return commits.flatMap(({ events: said }) => said.flatMap(({ event }) => event ?? []));
    } finally {
      await open.close();
    }
  }

  return {
    ca,
    dns,
    file,
    folder,
    now,
    advance(ms) {
      aheadMs += ms;
    },
    get aheadMs() {
      return aheadMs;
    },
    manage,
    events,
    async issue(names) {
      await manage('seed', async (manager) => {
        for (const name of names) await manager.issue({ names: [name], profile: 'shortlived' }, { signal: never });
      });
    },
    async run(machine, options, work) {
      const lines: string[] = [];
      const stop = new AbortController();
      const log = (line: string) => void lines.push(line);
      const running = runDaemon(environment(machine), {
        now,
        intervalMs: 600_000,
        log,
        ...options,
        signal: stop.signal,
      });
      try {
        return await Promise.race([work(lines), running.then(() => Promise.reject(new Error('the daemon ended')))]);
      } finally {
        stop.abort(new Error('stopped'));
        await running;
      }
    },
    async until(type, count) {
      while ((await events()).filter((event) => event.type === type).length < count) await sleep(50);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([ca[Symbol.asyncDispose](), dns[Symbol.asyncDispose]()]);
      temporary.remove();
    },
  };
}
