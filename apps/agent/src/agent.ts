/** An agent: follows a bus, and feeds balancers with its certificates. */
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { type MaterialSource, openMaterial } from '@certbus/client/material';
import type { NamedTarget, ResolvedConfiguration } from './configuration/read-configuration.ts';
import { startHttp01 } from './http-01.ts';
import { openPauses } from './pauses.ts';
import { startWorker, type TargetStatus, type Worker } from './reconcile/worker.ts';
import { stateDirectoryFor } from './state-directory.ts';
import { type AgentStatus, counted, describeTarget, writeStatus } from './status.ts';
import { createTarget } from './targets/create-target.ts';

/** What an agent is told beside its configuration. */
export interface AgentOptions {
  readonly log: (line: string) => void;
  /** Goes by the replica that is there and does not wait for the bus. */
  readonly isOffline?: boolean;
  /** Begins no pass before it has caught up with the bus, or the bus does not answer in time: so the first pass is for the newest position. */
  readonly waitsForBus?: boolean;
  readonly now?: () => Date;
}

/** An agent that runs. */
export interface Agent {
  status(): AgentStatus;
  /** Resolves once each target had its first pass, whether it went well or not. */
  readonly started: Promise<void>;
  /** Where HTTP-01 challenges are answered; `undefined` where they are not. */
  readonly http01: string | undefined;
  stop(): Promise<void>;
}

const RECONCILE_EVERY_MS = 60_000;
const PASS_TIMEOUT_MS = 300_000;
const RELOAD_WINDOW_MS = 60_000;
const CATCH_UP_MS = 10_000;

/** What distinguishes this machine from its neighbours. */
function machineId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || hostname();
  } catch {
    return hostname();
  }
}

/** A command after each change is run once a window, not by all machines in the same second. */
const windowOf = (target: NamedTarget) => {
  const hasCommand = target.type === 'nginx-files' || ('after' in target && target.after !== undefined);
  const { windowMs = hasCommand ? RELOAD_WINDOW_MS : 0, spreadMs = windowMs } = target;
  return { windowMs, spreadMs: Math.min(spreadMs, windowMs) };
};

/** Opens the certificates of a configuration's bus. Rejects as `openMaterial` of `@certbus/client`. */
export function openCertificates(
  configuration: ResolvedConfiguration,
  { isOffline = false }: { readonly isOffline?: boolean } = {},
): Promise<MaterialSource> {
  const { bus, trust, identity, archive, intervalMs } = configuration;
  return openMaterial({
    bus,
    trust,
    identity,
    archive,
    stateDirectory: stateDirectoryFor(configuration),
    ...(intervalMs === undefined ? {} : { intervalMs }),
    // The replica is there, or it is not: no bus is waited for.
    ...(isOffline ? { startTimeoutMs: 1 } : {}),
  });
}

/** Logs what changed for a target, and what is new in what is wrong with it. */
function createStatusLog(log: (line: string) => void): (status: TargetStatus) => void {
  const known = new Map<string, string>();
  return ({ name, error, standings }) => {
    const problems = [...standings.values()].flatMap(({ problem }) => (problem ? [problem.message] : []));
    const all = [...(error ? [error.message] : []), ...problems];
    const text = all.join('\n');
    if (known.get(name) === text) return;
    known.set(name, text);
    for (const line of all.slice(0, 10)) log(`${name}: ${line}`);
    if (all.length > 10) log(`${name}: and ${all.length - 10} more; "certbus-agent status" lists them`);
    if (all.length === 0) log(`${name}: ${counted(standings.size, 'certificate')} in place`);
  };
}

/** Resolves once the source is at the head of the bus, or it takes too long. */
export function catchUp(source: Pick<MaterialSource, 'health' | 'on'>): Promise<void> {
  if (source.health().live) return Promise.resolve();
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, CATCH_UP_MS);
    source.on('live', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}

/** Starts an agent. Rejects as {@link openCertificates}, `createTarget` and `startHttp01`; then nothing of it runs any more. */
export async function startAgent(
  configuration: ResolvedConfiguration,
  { log, isOffline = false, waitsForBus = false, now = () => new Date() }: AgentOptions,
): Promise<Agent> {
  const stateDirectory = stateDirectoryFor(configuration);
  const targets = await Promise.all(
    configuration.targets.map(async (settings) => ({ settings, target: await createTarget(settings) })),
  );
  const source = await openCertificates(configuration, { isOffline });
  source.on('alarm', (error) => log(`alarm: ${error.message}`));
  if (waitsForBus) await catchUp(source);
  const pauses = openPauses(stateDirectory);
  const logStatus = createStatusLog(log);
  const waiting = new Set(targets.map(({ target }) => target.name));
  let markStarted = () => {};
  const started = new Promise<void>((resolve) => {
    markStarted = resolve;
  });
  const workers: Worker[] = [];

  function status(): AgentStatus {
    const { position, live } = source.health();
    const described = workers.map((worker) => describeTarget(worker.status));
    return { pid: process.pid, at: now().toISOString(), position, live, targets: described };
  }
  function take(reported: TargetStatus): void {
    logStatus(reported);
    writeStatus(stateDirectory, status());
    waiting.delete(reported.name);
    if (waiting.size === 0) markStarted();
  }
  for (const { settings, target } of targets) {
    const worker = startWorker({
      target,
      window: windowOf(settings),
      machine: machineId(),
      pass: { source, selection: settings.certificates ?? {}, defaultName: settings.default, now },
      position: () => source.health().position,
      isPaused: () => pauses.has(target.name),
      intervalMs: RECONCILE_EVERY_MS,
      timeoutMs: PASS_TIMEOUT_MS,
      onStatus: take,
    });
    workers.push(worker);
  }
  const wake = (certificateId?: string) => {
    for (const worker of workers) worker.wake(certificateId);
  };
  source.on('changed', ({ certificateId }) => wake(certificateId));
  source.on('rebuilt', () => wake());
  const stop = async () => {
    await Promise.all(workers.map((worker) => worker.stop()));
    await source.close();
  };
  const { http01 } = configuration;
  const answering = await (http01 && startHttp01(http01, source))?.catch(async (error) => {
    await stop();
    throw error;
  });
  return {
    status,
    started,
    http01: answering?.address,
    async stop() {
      await answering?.close();
      await stop();
    },
  };
}
