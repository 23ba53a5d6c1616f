/** Makes a bus and starts managers on it, for tests. */
import type { CaLimits, Logger } from '@certbus/acme';
import { parseManagerKey, type Trust } from '@certbus/events';
import { openReplica, type Replica } from '@certbus/replica';
import { createSolver, type Surroundings } from '@certbus/solvers';
import { createHttp01ClientsSolver } from '@certbus/solvers/http-01-clients';
import { type ArchivePlace, type Bus, type Log, openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { type Manager, openManager, type SecretSource, type SolverFactory } from '../index.ts';
import type { RenewalInfoNotes } from '../renewal/renewal-info-schedule.ts';
import { beginTestBus } from '../upkeep/begin-test-bus.ts';

/** All that a manager process needs to know; plain JSON. */
export interface Site {
  readonly address: string;
  readonly trust: Trust;
  /** Text of the root key file. */
  readonly rootKey: string;
  /** Text of a manager key file. */
  readonly managerKey: string;
  /** Texts of the age identities of the load balancers and the backup. */
  readonly identities: readonly string[];
  readonly config: unknown;
}

export interface ProcessOptions {
  readonly holder: string;
  readonly claimMs?: number;
  readonly graceMs?: number;
  /** Default: of no process it is known. */
  readonly hasEnded?: (holder: string) => boolean;
  readonly now?: () => Date;
  /** How far its clock is ahead of the machine's; default 0. To it, claims of others have ended. */
  readonly aheadMs?: number;
  readonly notes?: RenewalInfoNotes;
  /** What stands between the manager and the bus. */
  readonly throughBus?: (bus: Bus) => Bus;
  /** What stands between the bus and its store. */
  readonly throughLog?: (log: Log) => Log;
  /** What stands between the manager and its replica. */
  readonly throughReplica?: (replica: Replica) => Replica;
  /** Default: what answers with the sandbox's servers. */
  readonly solvers?: SolverFactory;
  readonly limits?: (directory: string) => CaLimits;
  readonly logger?: Logger;
  readonly archive?: ArchivePlace;
  /** Default: the environment has none. */
  readonly secrets?: SecretSource;
}

const STREAM = 'test';

const SURROUNDINGS: Surroundings = {
  resolveSecret: () => '',
  outgoing: undefined,
  findProgram: () => Promise.reject(new TypeError('these tests have no programs')),
};

const sandboxSolvers: SolverFactory = async (settings) => {
  if (settings.challenge === 'http-01')
    return createHttp01ClientsSolver({ ...settings.http01, publish: settings.publish });
  if (settings.challenge === 'tls-alpn-01') throw new TypeError('these tests have no load balancers');
  if (settings.challenge === 'dns-persist-01') throw new TypeError('these tests have no standing records');
  if (settings.dns.provider !== 'challtestsrv') throw new TypeError('these tests have one DNS server');
  return createSolver(settings.dns, SURROUNDINGS);
};

/** The configuration for a CA and a DNS server of the sandbox. */
export function configFor(
  ca: { directory: string; roots: string },
  dns: { url: string; dns: string },
  httpPort = 5002,
): unknown {
  return {
    version: 1,
    authorities: { pebble: { directory: ca.directory, termsOfServiceAgreed: true, roots: ca.roots } },
    defaultAuthority: 'pebble',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: dns.url }],
    http01: { answer: 'clients', port: httpPort, resolver: [dns.dns] },
  };
}

/** Makes keys, a store and a bus with a configuration on it, as `certbus init` does. */
export async function createSite(path: string, config: unknown): Promise<Site> {
  const address = `sqlite:${path}#${STREAM}`;
  const log = await openLog(address, { create: true });
  const { trust: begun, ...keys } = await beginTestBus(log, STREAM, { recipients: ['edge', 'backup'] });
  // The root key alone, as where `bus.pub` has one line.
  const { floor: _, ...trust } = begun;
  await log.close();
  const site = { address, trust, ...keys, config };
  await withManager(site, { holder: 'init' }, (manager) => manager.configure(config));
  return site;
}

/** Runs with a manager of its own on a site, as a process of its own would. */
export async function withManager<T>(
  { address, trust, managerKey }: Site,
  options: ProcessOptions,
  run: (manager: Manager) => Promise<T>,
): Promise<T> {
  const { throughLog = (log) => log, throughReplica = (replica) => replica, ...rest } = options;
  const { throughBus = (bus) => bus, solvers = sandboxSolvers, aheadMs = 0, ...settings } = rest;
  const log = throughLog(await openLog(address));
  const replica = throughReplica(await openReplica({ path: ':memory:', busId: trust.busId }));
  try {
    const key = parseManagerKey(managerKey);
    const bus = throughBus(openBus(log, STREAM, { trust, signer: key.signer }));
    const secrets = () => undefined;
    const now = () => new Date(Date.now() + aheadMs);
    // Each run begins with an empty replica, and some are on a clock that is far ahead.
    const acceptStale = true;
    const manager = await openManager({ bus, key, replica, solvers, secrets, acceptStale, now, ...settings });
    try {
      return await run(manager);
    } finally {
      await manager.close();
    }
  } finally {
    await replica.close();
    await log.close();
  }
}
