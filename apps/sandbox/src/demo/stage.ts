/** Sets up what the chapters of the demo share. */
import { mkdirSync, readdirSync, renameSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { freePort } from 'certbus-services';
import type { CaKind } from '../ca/running.ts';
import { type LocalCa, startLocalCa } from '../local-ca.ts';
import type { Narrator } from './narrator.ts';
import { type Balancer, type BalancerKind, createPrograms, type Programs } from './programs.ts';
import { createVisitor, type Visitor } from './requests.ts';

/** One commit, as `certbus bus log --json` gives it. */
export interface LoggedCommit {
  readonly position: number;
  readonly at: string;
  readonly events: readonly {
    readonly type: string;
    readonly sealedKey?: string;
    readonly serialNumber?: string;
    readonly certificateId?: string;
  }[];
}

/** A line of the closing table. */
export interface Swap {
  readonly server: string;
  readonly before: string;
  readonly after: string;
  readonly servedAfterMs: number;
}

/** Everything that the chapters of the demo share. */
export interface Stage {
  readonly narrator: Narrator;
  readonly local: LocalCa;
  readonly programs: Programs;
  readonly visitor: Visitor;
  readonly folder: string;
  readonly hosts: Hosts;
  readonly ports: { readonly port: number; readonly httpPort: number };
  /** The load balancers, by their place. */
  readonly servers: Balancer[];
  readonly swaps: Swap[];
  busLog(): Promise<readonly LoggedCommit[]>;
  /** Moves the files of the bus out of everybody's sight, or back. */
  moveBus(to: 'away' | 'back'): void;
  close(): Promise<void>;
}

/** Addresses of the two servers; both are this machine. */
export interface Hosts {
  readonly one: string;
  readonly two: string;
}

function canListenAt(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(0, address, () => server.close(() => resolve(true)));
  });
}

/** macOS has no second loopback address but that of IPv6. */
async function findHosts(): Promise<Hosts> {
  return { one: '127.0.0.1', two: (await canListenAt('127.0.0.2')) ? '127.0.0.2' : '::1' };
}

/** Starts the CA and the DNS server and finds ports. */
export async function openStage(
  narrator: Narrator,
  { ca, balancer }: { readonly ca: CaKind; readonly balancer: BalancerKind },
): Promise<Stage> {
  const hosts = await findHosts();
  const { one, two } = hosts;
  const ports = { port: await freePort(one, two), httpPort: await freePort(one, two) };
  const local = await startLocalCa(ca, { httpPort: ports.httpPort, tlsPort: ports.port });
  const { folder } = local;
  const programs = createPrograms(folder, balancer);
  const visitor = createVisitor({ ca: local.ca.issuedRoots, port: ports.port });
  const away = join(folder, 'away');
  mkdirSync(away);
  return {
    narrator,
    local,
    programs,
    visitor,
    folder,
    hosts,
    ports,
    servers: [],
    swaps: [],
    async busLog() {
      const { result } = JSON.parse(await programs.certbus('bus', 'log', '--json')) as {
        result: { commits: LoggedCommit[] };
      };
      return result.commits;
    },
    moveBus(to) {
      const [from, into] = to === 'away' ? [folder, away] : [away, folder];
      // The journal goes with its database.
      for (const file of readdirSync(from).filter((name) => name.startsWith('bus.db')))
        renameSync(join(from, file), join(into, file));
    },
    async close() {
      await programs.stopAll();
      await local.stop();
    },
  };
}
