/** An agent: follows a bus, and feeds balancers with its certificates. */
import { join } from 'node:path';
import type { CheckIn, MaterialSource } from '@certbus/client/material';
import { catchUp, openCertificates } from './certificates.ts';
import { startHttp01 } from './challenges/http-01.ts';
import { startTlsAlpn01 } from './challenges/tls-alpn-01.ts';
import type { ResolvedConfiguration } from './configuration/read-configuration.ts';
import { openPauses } from './pauses.ts';
import { type Claim, claimOf } from './reconcile/claim.ts';
import { machineName } from './reconcile/machine.ts';
import { PASS_TIMEOUT_MS, RECONCILE_EVERY_MS, windowOf } from './reconcile/schedule.ts';
import { type Turn, turnsAt, turnsOf } from './reconcile/turns.ts';
import { openUnseen } from './reconcile/unseen.ts';
import { startWorker, type TargetStatus, type Worker } from './reconcile/worker.ts';
import { type Alarms, createAlarms } from './reporting/alarms.ts';
import { type AgentHealth, agentHealth, createWantedCount, isCheckInDue, targetHealth } from './reporting/health.ts';
import { processMark } from './reporting/process-mark.ts';
import { type AgentStatus, describeTarget, writeStatus } from './reporting/status.ts';
import { createStatusLog } from './reporting/status-log.ts';
import { stateDirectoryFor } from './state-directory.ts';
import { createLateTarget } from './targets/late-target.ts';

/** What an agent is told beside its configuration. */
export interface AgentOptions {
  readonly log: (line: string) => void;
  /** Goes by the replica that is there and does not wait for the bus. */
  readonly isOffline?: boolean;
  /** Begins no pass before it has caught up with the bus, or the bus does not answer in time: so the first pass is for the newest position. */
  readonly waitsForBus?: boolean;
  /** Ends a start that waits for the bus: it rejects with the reason where there is no replica. */
  readonly signal?: AbortSignal;
  readonly now?: () => Date;
  /** Time between two comparisons of all that a target holds, milliseconds; default 60000. */
  readonly reconcileEveryMs?: number;
}

/** Where an agent listens; `undefined` for what it does not serve. */
export interface Served {
  /** HTTP-01 challenges. */
  readonly http01: string | undefined;
  /** TLS-ALPN-01 challenges. */
  readonly tlsAlpn01: string | undefined;
  /** `/healthz` and `/metrics`. */
  readonly endpoints: string | undefined;
}

/** An agent that runs. */
export interface Agent extends Served {
  status(): AgentStatus;
  health(): AgentHealth;
  /** Resolves once each target had its first pass, whether it went well or not. */
  readonly started: Promise<void>;
  stop(): Promise<void>;
}

/** How long a target may fail before a person is needed. */
const BEHIND_AFTER_MS = 600_000;

/** The check-ins of a configuration, which also vouch for the targets. */
function checkInOf({ checkIn }: ResolvedConfiguration, isInOrder: () => boolean): CheckIn | undefined {
  if (checkIn === undefined) return undefined;
  const { url, everyMs } = typeof checkIn === 'string' ? { url: checkIn } : checkIn;
  return { url, isInOrder, ...(everyMs === undefined ? {} : { everyMs }) };
}

/** What answers and shows something of an agent on a port or socket. */
interface Listening {
  readonly address: string;
  close(): Promise<void>;
}

/** Starts everything that an agent listens on. Rejects where one cannot; then none is left. */
async function startListening(
  { http01, tlsAlpn01, endpoints }: ResolvedConfiguration,
  {
    source,
    now,
    ...shown
  }: Pick<Agent, 'health'> & {
    readonly source: MaterialSource;
    readonly alarms: Alarms;
    readonly now: () => Date;
    standings(): Iterable<readonly [string, TargetStatus['standings']]>;
  },
): Promise<Served & { close(): Promise<void> }> {
  const all: Listening[] = [];
  const close = async () => void (await Promise.all(all.map((each) => each.close())));
  const keep = (started: Listening): string => {
    all.push(started);
    return started.address;
  };
  try {
    return {
      http01: http01 && keep(await startHttp01(http01, source)),
      tlsAlpn01: tlsAlpn01 && keep(await startTlsAlpn01(tlsAlpn01, { source, now })),
      // Loaded where it is used: prom-client is in no other agent's memory.
      endpoints:
        endpoints &&
        keep(await (await import('./reporting/endpoints.ts')).startEndpoints(endpoints, { source, ...shown })),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Turns of an agent that claims the folder of the target in each of them. */
const withClaim =
  (takeTurn: (signal: AbortSignal) => Promise<Turn>, claim: Claim | undefined) =>
  async (signal: AbortSignal): Promise<Turn> => {
    const turn = await takeTurn(signal);
    if (!claim) return turn;
    try {
      const isHeld = claim.take();
      return {
        isNext: turn.isNext && isHeld,
        end() {
          claim.takeBegun();
          turn.end();
        },
      };
    } catch (error) {
      turn.end();
      throw error;
    }
  };

/**
 * Starts an agent. Rejects as {@link openCertificates} and what it listens on; then nothing of it runs any more.
 */
export async function startAgent(
  configuration: ResolvedConfiguration,
  {
    log,
    isOffline = false,
    waitsForBus = false,
    signal,
    now = () => new Date(),
    reconcileEveryMs = RECONCILE_EVERY_MS,
  }: AgentOptions,
): Promise<Agent> {
  const stateDirectory = stateDirectoryFor(configuration);
  const { behindAfterMs = BEHIND_AFTER_MS } = configuration;
  const targets = configuration.targets.map((settings) => ({ settings, target: createLateTarget(settings) }));
  // Nothing is vouched for before there are targets.
  let isInOrder = () => false;
  const source = await openCertificates(configuration, {
    isOffline,
    signal,
    now,
    onAlarm: (message) => log(`alarm: ${message}`),
    checkIn: checkInOf(configuration, () => isInOrder()),
  });
  if (waitsForBus) await catchUp(source, signal);
  const pauses = openPauses(stateDirectory);
  const alarms = createAlarms();
  const raise = configuration.endpoints === undefined ? () => {} : alarms.raise;
  const logStatus = createStatusLog(log, raise);
  const waiting = new Set(targets.map(({ target }) => target.name));
  let markStarted = () => {};
  const started = new Promise<void>((resolve) => {
    markStarted = resolve;
  });
  const workers: Worker[] = [];

  const mark = processMark(process.pid) ?? null;
  function summary(): Omit<AgentStatus, 'targets'> {
    const { position, live } = source.health();
    return { pid: process.pid, processMark: mark, at: now().toISOString(), position, live };
  }
  const statuses = () => workers.map((worker) => worker.status);
  const wantedCounts = targets.map(({ settings }) => createWantedCount(source, settings.certificates ?? {}));
  function health(): AgentHealth {
    const at = now();
    const described = workers.map((worker, n) => {
      const [wanted, reloads] = [wantedCounts[n]?.() ?? 0, targets[n]?.target.reloads?.()];
      return targetHealth(worker.status, { wanted, reloads, now: at, behindAfterMs });
    });
    return agentHealth(source.health(), described);
  }
  const noteStatus = () => writeStatus(stateDirectory, { ...summary(), targets: statuses() });
  function take(reported: TargetStatus): void {
    logStatus(reported);
    noteStatus();
    waiting.delete(reported.name);
    if (waiting.size === 0) markStarted();
  }
  const claims: Claim[] = [];
  for (const { settings, target } of targets) {
    const claim = claimOf(settings, stateDirectory);
    if (claim) claims.push(claim);
    const worker = startWorker({
      target,
      window: windowOf(settings),
      machine: machineName(),
      pass: { source, selection: settings.certificates ?? {}, defaultName: settings.default, now },
      position: () => source.health().position,
      isPaused: () => pauses.has(target.name),
      intervalMs: reconcileEveryMs,
      timeoutMs: PASS_TIMEOUT_MS,
      onStatus: take,
      takeTurn: withClaim(turnsAt(stateDirectory, settings, configuration.targets), claim),
      unseen: openUnseen(join(turnsOf(stateDirectory, target.name), 'unseen')),
    });
    workers.push(worker);
  }
  // The first pass can take minutes: until it has ended, what is there would be of a process that is gone.
  noteStatus();
  const wake = (certificateId?: string) => {
    for (const worker of workers) worker.wake(certificateId);
  };
  source.on('changed', ({ certificateId }) => wake(certificateId));
  source.on('rebuilt', () => wake());
  const stop = async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    for (const claim of claims) claim.release();
    await source.close();
  };
  isInOrder = () => isCheckInDue(health());
  const standings = () => statuses().map((each) => [each.name, each.standings] as const);
  const listening = await startListening(configuration, { source, alarms, now, health, standings }).catch(
    async (error) => {
      await stop();
      throw error;
    },
  );
  const { close, ...served } = listening;
  return {
    ...served,
    status: () => ({ ...summary(), targets: statuses().map(describeTarget) }),
    health,
    started,
    async stop() {
      await close();
      await stop();
    },
  };
}
