/** Opens a manager of a bus: what it is given, what it can do, and how it starts. */
import { type CaLimits, type Logger, limitsOf } from '@certbus/acme';
import type { ManagerKey } from '@certbus/events';
import type { Checkpoint } from '@certbus/events/history';
import type { Replica } from '@certbus/replica';
import { createDnsView } from '@certbus/solvers/dns-view';
import type { ArchivePlace, Bus } from '@certbus/store';
import type { Outgoing } from '@certbus/store/outgoing';
import { type AccountOperations, accountOperations } from './accounts/account-operations.ts';
import { createConnections, type ObserveAuthority } from './accounts/connections.ts';
import { checkPlaces } from './configuration/alert-sinks.ts';
import { type ConfigurationOperations, configurationOperations } from './configuration/configuration-operations.ts';
import type { SecretSource } from './configuration/secrets.ts';
import { requireConfiguration } from './configuration/stored-configuration.ts';
import { type Context, refresh } from './context.ts';
import { createLossGuard } from './decide/loss-guard.ts';
import type { Quota } from './decide/quota.ts';
import { type DiagnosisOptions, diagnose } from './doctor/doctor.ts';
import type { Finding } from './doctor/finding.ts';
import type { SolverFactory } from './issuance/solvers.ts';
import { type CampaignOperations, campaignOperations } from './renewal/campaign/campaign-operations.ts';
import { type CertificateOperations, certificateOperations } from './renewal/certificate-operations.ts';
import { type Plan, type PlanRequest, plan } from './renewal/plan/plan.ts';
import { createRefusedOrders } from './renewal/refused-orders.ts';
import { openRenewalInfoNotes } from './renewal/renewal-info-notes.ts';
import type { RenewalInfoNotes } from './renewal/renewal-info-schedule.ts';
import { type ManagerCounts, readCounts } from './state/counts.ts';
import { createFreshness, warnIfStale } from './state/freshness.ts';
import { openView } from './state/picture.ts';
import type { ManagerState } from './state/state.ts';
import { type AlertTest, createAnnouncer } from './upkeep/alerts/announcer.ts';
import { createDoubtTeller } from './upkeep/alerts/dns-doubt.ts';
import { orderQuotas } from './upkeep/alerts/picture.ts';
import { checkInThrough } from './upkeep/check-in.ts';
import { type UpkeepOperations, upkeepOperations } from './upkeep/upkeep-operations.ts';

const CLAIM_MS = 300_000;
/** Bound of one try of a question to DNS, before an order. */
const LOOK_MS = 1_000;
/** For clocks that differ. */
const GRACE_MS = 120_000;

export interface ManagerOptions {
  /** Opened with this key's signer. The caller closes it. */
  readonly bus: Bus;
  readonly key: ManagerKey;
  /** The caller closes it. */
  readonly replica: Replica;
  /** Where archives and snapshots are; default nowhere. The caller closes it. */
  readonly archive?: ArchivePlace | undefined;
  /** Name of this process in claims; MUST differ from every other process's. */
  readonly holder: string;
  /** Whether the process of a claim's holder is known to have ended, so that its claim is taken over at once. Default: of none. */
  readonly hasEnded?: (holder: string) => boolean;
  readonly solvers: SolverFactory;
  readonly secrets: SecretSource;
  /**
   * Begin on a bus whose newest commit is older than 48 hours, where the replica is new; default false. Give it once, where no manager ran
   * for that long: what came since could have been cut off.
   */
  readonly acceptStale?: boolean | undefined;
  /**
   * Why the bus cannot be read: the manager begins with what its replica has, however little, for {@link Manager.diagnose} alone. Default: it
   * can be read.
   */
  readonly away?: unknown;
  /** Ends the reading of the bus with which the manager begins: opening it then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Length of a claim, milliseconds, or a twentieth of a certificate's lifetime where that is shorter; default 300,000. */
  readonly claimMs?: number;
  /** How long a lapsed claim is left alone, milliseconds, or a twentieth of the lifetime as well; default 120,000. */
  readonly graceMs?: number;
  readonly now?: () => Date;
  /** From 0 to 1; default `Math.random`. */
  readonly random?: () => number;
  /** When to ask the CAs about each certificate; default in memory, for one process. The caller closes it. */
  readonly notes?: RenewalInfoNotes;
  /** The way to CAs and to the check-in through a proxy, from `createOutgoing`; default the direct one. */
  readonly outgoing?: Outgoing | undefined;
  /** Takes what the ACME client does and at which CA, for metrics; default nothing does. */
  readonly observe?: ObserveAuthority;
  /** What a CA lets one client do, by its directory, where the configuration says nothing else; default what it publishes. This process takes half of the requests. */
  readonly limits?: (directory: string) => CaLimits;
  readonly logger?: Logger;
}

/** One manager at work on one bus. Any number of them can be, at once. */
export interface Manager
  extends AccountOperations,
    CampaignOperations,
    CertificateOperations,
    ConfigurationOperations,
    UpkeepOperations {
  /** The picture as of the last refresh or decision. */
  readonly state: ManagerState;
  readonly checkpoint: Checkpoint;
  /**
   * When the newest commit was signed, where this manager began without a checkpoint of its own on a bus that was silent for more than 48 hours:
   * then everything that signs rejects `CERTBUS_MANAGER_BUS_STALE`. `undefined` where it can sign.
   */
  readonly staleSince: Date | undefined;
  /** Catches up with the head of the bus. A run that is under way takes up what became due by that. */
  refresh(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** The first instant at which anything is due, in the past where something is, by the index of all certificates; `undefined` for none. */
  nextDue(): Date | undefined;
  /** What a monitor asks every few seconds, read from indexes of the replica, which may be some commits behind. */
  counts(): ManagerCounts;
  /**
   * What is left of the new orders that the account at each CA of the configuration can make, by the bus as of the last refresh. Rejects as
   * {@link Manager.plan}.
   */
  quotas(): Promise<readonly Quota[]>;
  /**
   * Sends a test to all places that alerts are sent to, or to those that are named, as the configuration of the last refresh has them. What is wrong
   * with one is in its result. Rejects `CERTBUS_MANAGER_CONFIG_MISSING`, and `CERTBUS_MANAGER_CONFIG_INVALID` for a name that is not there.
   */
  testAlerts(options: {
    readonly names?: readonly string[] | undefined;
    readonly signal: AbortSignal;
  }): Promise<readonly AlertTest[]>;
  /**
   * Plans on the bus's own state, as of the last refresh: when renewals come, which limit binds, when new names are done, and what a mass
   * revocation would cost. Nothing is changed. Rejects `CERTBUS_MANAGER_CONFIG_MISSING`, and `CERTBUS_MANAGER_CONFIG_INVALID` for an authority that is not there.
   */
  plan(request: PlanRequest): Promise<Plan>;
  /** Looks at everything that an issuance depends on. What is wrong is a finding, also a bus that cannot be read. Rejects for an abort only. */
  diagnose(options: DiagnosisOptions): Promise<readonly Finding[]>;
  /** Closes the connections to CAs; orders that are under way fail. What was handed in stays open. */
  close(): Promise<void>;
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

const connectionsFor = ({ outgoing, observe }: ManagerOptions) =>
  createConnections({ outgoing, ...(observe ? { observe } : {}) });

/** Takes the right to advance the replica where it is free, and makes the replica ready. */
async function createContext(options: ManagerOptions): Promise<Context> {
  const { bus, key, replica, archive, holder, hasEnded = () => false, solvers, secrets } = options;
  const { logger = silent, now = () => new Date(), random = Math.random } = options;
  const { claimMs = CLAIM_MS, graceMs = GRACE_MS } = options;
  const warn = (message: string, fields: Readonly<Record<string, unknown>>) => logger.warn(message, fields);
  const view = await openView({
    bus,
    replica,
    archive,
    warn,
    signal: options.signal,
    isAway: options.away !== undefined,
  });
  const onReplicaFailed = (error: unknown) => warn('the replica is behind', { error: String(error) });
  const { acceptStale = false } = options;
  const freshness = createFreshness({ view, trust: bus.trust, acceptStale, now, onReplicaFailed });
  const given = { bus, key, archive, holder, hasEnded, solvers, secrets };
  const openDnsView = (resolvers: readonly string[]) => createDnsView({ resolvers, timeoutMs: LOOK_MS });
  const ca = { connections: connectionsFor(options), publishedLimits: options.limits ?? limitsOf, openDnsView };
  const lossGuard = createLossGuard((after) => view.state.lostSince(after));
  const refusedOrders = createRefusedOrders();
  return { ...given, ...ca, view, freshness, lossGuard, refusedOrders, logger, now, random, claimMs, graceMs };
}

/**
 * Starts a manager: takes the right to advance the replica where it is free, and makes the replica ready. Where the disk of a replica
 * that has been read is full or read-only, it goes on from there in memory. Rejects with the `HistoryError` of a bus that was rolled back,
 * with a `StoreError`, with `CERTBUS_REPLICA_FAILED` where an empty replica cannot be written, and with the signal's reason.
 */
export async function openManager(options: ManagerOptions): Promise<Manager> {
  const context = await createContext(options);
  const { view, freshness, connections, logger } = context;
  warnIfStale({ view, freshness, warn: (message, fields) => logger.warn(message, fields) });
  const { notes = openRenewalInfoNotes(':memory:'), outgoing } = options;
  const announcer = createAnnouncer(context, { outgoing });
  const tellDoubt = createDoubtTeller(context, announcer);
  const dependencies = { notes, checkIn: checkInThrough(outgoing), announcer, tellDoubt };
  return {
    ...accountOperations(context),
    ...campaignOperations(context),
    ...certificateOperations(context, dependencies),
    ...configurationOperations(context),
    ...upkeepOperations(context, announcer),
    get state() {
      return view.state;
    },
    get checkpoint() {
      return view.checkpoint;
    },
    get staleSince() {
      return freshness.staleSince();
    },
    refresh: (run) => refresh(context, run),
    nextDue: () => view.state.nextDue(),
    counts: () => readCounts(view.replica, context.now()),
    quotas: async () => orderQuotas(context, await requireConfiguration(context)),
    async testAlerts({ names, signal }) {
      const config = await requireConfiguration(context);
      checkPlaces(config, names);
      return announcer.test({ config, names, signal });
    },
    async plan(request) {
      await view.written();
      return plan(context, await requireConfiguration(context), request);
    },
    async diagnose(run) {
      const asError = (error: unknown) => {
        run.signal.throwIfAborted();
        return error instanceof Error ? error : new Error(String(error));
      };
      const away = options.away ?? (await refresh(context, run).catch(asError));
      return diagnose(context, { away, config: await requireConfiguration(context).catch(asError) }, run);
    },
    close: () => connections.close(),
  };
}
