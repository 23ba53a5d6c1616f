import { existsSync } from 'node:fs';
import { homedir, hostname } from 'node:os';
import { join } from 'node:path';
import { proxyOf } from '@certbus/acme';
import { type Checkpoint, createId, type ManagerKey, parseManagerKey, parseTrust, type Trust } from '@certbus/events';
import { type Manager, openManager, type SecretSource, type SolverFactory } from '@certbus/manager';
import { openRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import { openReplica, replicaPath, resolveStateDirectory } from '@certbus/replica';
import { type ArchivePlace, type Bus, type Log, openBus, parseAddress } from '@certbus/store';
import { openArchivePlace, openLog } from '@certbus/store/open';
import { createDns01Solver } from './dns-01-solver.ts';
import { nothingThere } from './errors.ts';
import { createHttp01Solver } from './http-01-solver.ts';
import type { LocalConfig, LocalPrograms } from './local-config.ts';
import { createLogger } from './log.ts';

/** A bus that is open, and how to let go of it. */
export interface OpenBus {
  readonly bus: Bus;
  readonly log: Log;
  readonly stream: string;
  readonly archive: ArchivePlace | undefined;
  readonly trust: Trust;
  close(): Promise<void>;
}

const secrets: SecretSource = (name) => process.env[name];

/** Solvers are imported when one is needed: the AWS SDK takes a quarter of a second. */
const solversWith =
  (programs: LocalPrograms): SolverFactory =>
  async (settings) => {
    if (settings.challenge === 'http-01') return createHttp01Solver(settings.http01, secrets);
    if (settings.challenge === 'tls-alpn-01') {
      const { createTlsAlpn01ClientsSolver } = await import('@certbus/solvers/tls-alpn-01-clients');
      return createTlsAlpn01ClientsSolver({ ...settings.tlsAlpn01, publish: settings.publish });
    }
    if (settings.challenge === 'dns-persist-01') {
      const { createDnsPersist01Solver } = await import('@certbus/solvers/dns-persist-01');
      return createDnsPersist01Solver({ ...settings.dnsPersist01, warn: settings.warn });
    }
    return createDns01Solver(settings.dns, {
      secrets,
      proxy: proxyOf(process.env),
      programs,
      outputs: join(stateDirectory(), 'program-outputs'),
    });
  };

/** Where this machine keeps replicas. */
export function stateDirectory(): string {
  return resolveStateDirectory({ env: process.env, platform: process.platform, home: homedir() });
}

/** Opens the bus that the local configuration names. */
export async function openLocalBus(
  { bus, trust: line, archive: archiveAddress }: Pick<LocalConfig, 'bus' | 'trust' | 'archive'>,
  key?: ManagerKey,
): Promise<OpenBus> {
  const trust = parseTrust(line);
  const { stream } = parseAddress(bus);
  const archive = archiveAddress === undefined ? undefined : await openArchivePlace(archiveAddress);
  const log = await openLog(bus);
  return {
    bus: openBus(log, stream, { trust, archive, signer: key?.signer }),
    log,
    stream,
    archive,
    trust,
    async close() {
      await log.close();
      await archive?.close();
    },
  };
}

/** Runs with a manager of this machine, and closes what was opened for it. */
export async function withManager<T>(
  config: Pick<LocalConfig, 'bus' | 'trust' | 'archive' | 'managerKey' | 'programs'>,
  run: (manager: Manager, open: OpenBus) => Promise<T>,
): Promise<T> {
  const key = parseManagerKey(config.managerKey());
  const open = await openLocalBus(config, key);
  const { bus, trust, archive, close } = open;
  try {
    const path = replicaPath({ stateDirectory: stateDirectory(), role: 'manager', address: config.bus });
    const replica = await openReplica({ path, busId: trust.busId });
    try {
      using notes = openRenewalInfoNotes(path.replace(/\.db$/, '-renewal-info.db'));
      const solvers = solversWith(config.programs);
      const holder = `${hostname()} process ${process.pid} (${createId()})`;
      const proxy = proxyOf(process.env);
      const logger = createLogger(process.env['CERTBUS_LOG'], (line) => process.stderr.write(`${line}\n`));
      const manager = await openManager({
        bus,
        key,
        replica,
        archive,
        holder,
        solvers,
        secrets,
        notes,
        proxy,
        logger,
      });
      try {
        // The replica may be empty only because another process is about to fill it.
        if (manager.checkpoint.position === 0) await manager.refresh();
        if (manager.checkpoint.position === 0) throw nothingThere(config.bus);
        return await run(manager, open);
      } finally {
        await manager.close();
      }
    } finally {
      await replica.close();
    }
  } finally {
    await close();
  }
}

/** How far this machine's manager has read of its bus; `undefined` where it has no replica. */
export async function knownCheckpoint({
  bus,
  trust,
}: Pick<LocalConfig, 'bus' | 'trust'>): Promise<Checkpoint | undefined> {
  const path = replicaPath({ stateDirectory: stateDirectory(), role: 'manager', address: bus });
  if (!existsSync(path)) return undefined;
  const replica = await openReplica({ path, busId: parseTrust(trust).busId });
  try {
    return replica.checkpoint();
  } finally {
    await replica.close();
  }
}
