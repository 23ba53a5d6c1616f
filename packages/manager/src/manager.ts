import type { Logger } from '@certbus/acme';
import { type Checkpoint, type ManagedCertificate, type ManagerKey, open, seal } from '@certbus/events';
import type { Replica } from '@certbus/replica';
import { type Bus, catchUp } from '@certbus/store';
import { openAuthority } from './account.ts';
import { checkIn } from './adapters/check-in.ts';
import { type Configuration, mergeRedacted, parseConfiguration } from './configuration.ts';
import { type Context, decide } from './context.ts';
import { configure } from './decide/configuration.ts';
import { remove } from './decide/removal.ts';
import { certificateNotFound, ManagerError } from './errors.ts';
import { type IssueRequest, type IssueResult, issue, type RunOptions, renew } from './issue.ts';
import { type RenewalOutcome, renewDue } from './renewal.ts';
import type { SecretSource } from './secrets.ts';
import type { SolverFactory } from './solvers.ts';
import type { ManagerState } from './state.ts';
import { createView } from './view.ts';

/** Two minutes for clocks that differ, beside the five of a claim. */
const CLAIM_MS = 300_000;
const GRACE_MS = 120_000;

export interface ManagerOptions {
  /** Opened with this key's signer. Closed by whoever opened it. */
  readonly bus: Bus;
  readonly key: ManagerKey;
  /** Closed by whoever opened it. */
  readonly replica: Replica;
  /** Name of this process in claims; MUST be unlike any other's. */
  readonly holder: string;
  readonly solvers: SolverFactory;
  readonly secrets: SecretSource;
  /** Length of a claim, milliseconds; default 300,000. */
  readonly claimMs?: number;
  /** How long a lapsed claim is left alone, milliseconds; default 120,000. */
  readonly graceMs?: number;
  readonly now?: () => Date;
  readonly logger?: Logger;
}

/** One manager at work on one bus. Any number of them may be, at once. */
export interface Manager {
  /** The picture as of the last refresh or decision. */
  readonly state: ManagerState;
  readonly checkpoint: Checkpoint;
  /** Catches up with the head of the bus. */
  refresh(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Registers the account at the default CA, where there is none yet. */
  register(options: { readonly signal: AbortSignal }): Promise<{ accountUrl: string }>;
  /** A managed certificate. Throws `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`, also for a removed one. */
  certificate(certificateId: string): ManagedCertificate;
  /** DER of what a certificate is served with, leaf first; empty before it is issued. Throws as {@link Manager.certificate}. */
  chain(certificateId: string): readonly Uint8Array[];
  issue(request: IssueRequest, options: RunOptions): Promise<IssueResult>;
  renew(certificateId: string, options: RunOptions): Promise<IssueResult>;
  /** What a manager should act on by `at`; default now. */
  due(at?: Date): readonly ManagedCertificate[];
  /** Renews what is due and checks in, where the configuration says so and nothing failed. */
  renewDue(options: RunOptions & { readonly limit?: number; readonly at?: Date }): Promise<readonly RenewalOutcome[]>;
  remove(certificateId: string): Promise<{ names: readonly string[] }>;
  /** Replaces the configuration; `<redacted>` keeps the stored secret. */
  configure(json: unknown, options?: { readonly expectPosition?: number }): Promise<{ position: number }>;
  /** The stored JSON with its position; `undefined` before the first. */
  configuration(): Promise<{ readonly json: unknown; readonly position: number } | undefined>;
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} };

async function readConfiguration({ view, key }: Context) {
  const { config } = view.state.bus;
  if (!config) return undefined;
  const json: unknown = JSON.parse(await open(config.sealed, key.identity));
  return { json, position: config.position };
}

async function requireConfiguration(context: Context): Promise<Configuration> {
  const stored = await readConfiguration(context);
  if (stored) return parseConfiguration(stored.json);
  const what = 'The bus has no configuration yet. Put one on it with "certbus conf update < FILE".';
  throw new ManagerError('CERTBUS_MANAGER_CONFIG_MISSING', what);
}

async function writeConfiguration(context: Context, json: unknown, expectPosition: number | undefined) {
  const stored = await readConfiguration(context);
  const merged = mergeRedacted(json, stored?.json);
  parseConfiguration(merged);
  const readers = context.view.checkpoint.managers.map(({ name, recipient }) => ({ name, recipient }));
  const sealed = await seal(JSON.stringify(merged), readers);
  // What was merged in came from this position; a configuration that arrived since must not be lost.
  const expected = expectPosition ?? stored?.position ?? 0;
  await decide(context, (state) => configure(state, sealed, expected));
  return { position: context.view.state.bus.config?.position ?? 0 };
}

/** Starts a manager: takes the right to advance the replica where it is free, and catches up. */
export async function openManager(options: ManagerOptions): Promise<Manager> {
  const { bus, key, replica, holder, solvers, secrets, logger = silent, now = () => new Date() } = options;
  await replica.tryAdvance();
  const view = createView(replica, (error) => logger.warn('the replica is behind', { error: String(error) }));
  const { claimMs = CLAIM_MS, graceMs = GRACE_MS } = options;
  const context: Context = { bus, view, key, solvers, secrets, logger, now, holder, claimMs, graceMs };
  const refresh = ({ signal }: { signal?: AbortSignal } = {}) => catchUp(bus, view, signal);
  const certificate = (certificateId: string): ManagedCertificate => {
    const found = view.state.certificate(certificateId);
    if (!found || found.removed) throw certificateNotFound(certificateId);
    return found;
  };
  const configured = async <T extends { signal: AbortSignal }>(run: T) => {
    await refresh(run);
    return { ...run, config: await requireConfiguration(context) };
  };
  return {
    get state() {
      return view.state;
    },
    get checkpoint() {
      return view.checkpoint;
    },
    refresh,
    async register(run) {
      const { config, signal } = await configured(run);
      const authority = config.authorities[config.defaultAuthority];
      if (!authority) throw new TypeError('a parsed configuration has its default authority');
      const ca = await openAuthority(context, authority, signal);
      await ca.close();
      const account = view.state.bus.accounts.find(({ directory }) => directory === authority.directory);
      return { accountUrl: account?.accountUrl ?? '' };
    },
    certificate,
    chain(certificateId) {
      const { current } = certificate(certificateId);
      if (!current) return [];
      const issuers = current.issuers.map((hash) => view.state.issuer(hash)).filter((der) => der !== undefined);
      return [Buffer.from(current.leaf, 'base64'), ...issuers];
    },
    issue: async (request, run) => issue(context, request, await configured(run)),
    renew: async (certificateId, run) => renew(context, certificateId, await configured(run)),
    due: (at = now()) => view.state.due(at, Number.MAX_SAFE_INTEGER),
    async renewDue(run) {
      const settings = await configured(run);
      const outcomes = await renewDue(context, settings);
      const url = settings.config.checkIn?.url;
      if (url && outcomes.every(({ outcome }) => outcome !== 'failed')) await checkIn(url, run.signal);
      return outcomes;
    },
    remove: (certificateId) => decide(context, (state) => remove(state, certificateId)),
    async configure(json, { expectPosition } = {}) {
      await refresh();
      return writeConfiguration(context, json, expectPosition);
    },
    configuration: () => readConfiguration(context),
  };
}
