import type { CaLimits, Logger, Observe, ProxyOptions } from '@certbus/acme';

import { type ManagedCertificate, type ManagerKey, open, seal } from '@certbus/events';
import type { Account, Checkpoint } from '@certbus/events/history';
import { type Replica, synchronize } from '@certbus/replica';
import { type ArchivePlace, type Bus, catchUp, type Log, type TakenSnapshot } from '@certbus/store';
import { accountAt, authorityNamed, openAuthority } from './accounts/account.ts';
import { closeAccount, rollOverAccounts } from './accounts/account-changes.ts';
import { createConnections } from './accounts/connections.ts';
import { type Configuration, parseConfiguration } from './configuration/configuration.ts';
import { mergeRedacted } from './configuration/redaction.ts';
import type { SecretSource } from './configuration/secrets.ts';
import { type Context, decide } from './context.ts';
import { configure } from './decide/configuration.ts';
import { dueBy } from './decide/due.ts';
import { remove } from './decide/removal.ts';
import { heartbeat } from './decide/upkeep.ts';
import { type DiagnosisOptions, diagnose } from './doctor/doctor.ts';
import type { Finding } from './doctor/finding.ts';
import { certificateNotFound, ManagerError } from './errors.ts';
import { type IssueRequest, type IssueResult, issue, type RunOptions, renew } from './issuance/issue.ts';
import type { SolverFactory } from './issuance/solvers.ts';
import { type RenewalOptions, type RenewalOutcome, renewDue } from './renewal/renewal.ts';
import { askRenewalInfo } from './renewal/renewal-info.ts';
import { openRenewalInfoNotes } from './renewal/renewal-info-notes.ts';
import type { RenewalInfoNotes } from './renewal/renewal-info-schedule.ts';
import { type RevocationRequest, type RevocationResult, revokeCertificate } from './renewal/revocation.ts';
import type { ManagerState } from './state/state.ts';
import { createView } from './state/view.ts';
import { archiveRanges, takeSnapshot, trim, type UpkeepOptions } from './upkeep/archive.ts';
import { checkIn } from './upkeep/check-in.ts';

/** Two minutes for clocks that differ, beside the five of a claim. */
const CLAIM_MS = 300_000;
const GRACE_MS = 120_000;

export interface ManagerOptions {
  /** Opened with this key's signer. Closed by whoever opened it. */
  readonly bus: Bus;
  readonly key: ManagerKey;
  /** Closed by whoever opened it. */
  readonly replica: Replica;
  /** Where archives and snapshots lie; default nowhere. Closed by whoever opened it. */
  readonly archive?: ArchivePlace | undefined;
  /** Name of this process in claims; MUST be unlike any other's. */
  readonly holder: string;
  readonly solvers: SolverFactory;
  readonly secrets: SecretSource;
  /** Length of a claim, milliseconds; default 300,000. */
  readonly claimMs?: number;
  /** How long a lapsed claim is left alone, milliseconds; default 120,000. */
  readonly graceMs?: number;
  readonly now?: () => Date;
  /** From 0 to 1; default `Math.random`. */
  readonly random?: () => number;
  /** When to ask the CAs about each certificate; default in memory, for one process. Closed by whoever opened it. */
  readonly notes?: RenewalInfoNotes;
  /** The proxy to the CAs; default none. */
  readonly proxy?: ProxyOptions | undefined;
  /** Hears what the ACME client does, for metrics; default nobody. */
  readonly observe?: Observe;
  /** What a CA lets one client do, by its directory; default what it publishes. This process takes half of the requests. */
  readonly limits?: (directory: string) => CaLimits;
  readonly logger?: Logger;
}

/** Which account. */
export interface AccountOptions {
  /** Name of the authority in the configuration; default its default. */
  readonly authority?: string | undefined;
  readonly signal: AbortSignal;
}

/** One manager at work on one bus. Any number of them may be, at once. */
export interface Manager {
  /** The picture as of the last refresh or decision. */
  readonly state: ManagerState;
  readonly checkpoint: Checkpoint;
  /** Catches up with the head of the bus. */
  refresh(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /**
   * Registers the bus's account at a CA of the configuration, by its name there (default: the default authority), where there is none
   * yet. Rejects as {@link Manager.issue} and `CERTBUS_MANAGER_CONFIG_INVALID` for a name that is not there.
   */
  register(options: AccountOptions): Promise<Account>;
  /** The CAs of the configuration. Rejects `CERTBUS_MANAGER_CONFIG_MISSING`. */
  authorities(): Promise<readonly { readonly name: string; readonly directory: string }[]>;
  /** Gives every account a fresh key; a run that was interrupted is completed by the next. Rejects `CERTBUS_MANAGER_ACCOUNT_MISSING`. */
  rollOverAccounts(options: { readonly signal: AbortSignal }): Promise<readonly Account[]>;
  /**
   * Deactivates the account at a CA, for ever. `forget`: without asking the CA, which is gone; then `authority` may be its directory, too.
   * Rejects as {@link Manager.register} and `CERTBUS_MANAGER_ACCOUNT_MISSING`.
   */
  closeAccount(options: AccountOptions & { readonly forget?: boolean }): Promise<Account>;
  /** A managed certificate. Throws `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`, also for a removed one. */
  certificate(certificateId: string): ManagedCertificate;
  /** DER of what a certificate is served with, leaf first; empty before it is issued. Throws as {@link Manager.certificate}. */
  chain(certificateId: string): readonly Uint8Array[];
  issue(request: IssueRequest, options: RunOptions): Promise<IssueResult>;
  renew(certificateId: string, options: RunOptions): Promise<IssueResult>;
  /** Replaces a certificate and revokes the old one. Rejects as {@link Manager.renew}. */
  revoke(request: RevocationRequest, options: RunOptions): Promise<RevocationResult>;
  /** What a manager should act on by `at`; default now. */
  due(at?: Date): readonly ManagedCertificate[];
  /** Archives every complete range of commits; returns how many commits those were. Rejects `CERTBUS_MANAGER_ARCHIVE_MISSING`. */
  archive(options?: Omit<UpkeepOptions, 'place'>): Promise<{ commits: number }>;
  /** Lets go of what lies in the archive, but for the newest `keep` commits (default 10,000). Rejects as {@link Manager.archive}. */
  trim(
    options: Omit<UpkeepOptions, 'place'> & { readonly log: Log; readonly keep?: number },
  ): Promise<{ first: number }>;
  /** Puts a snapshot of the state into the archive, for newcomers. Rejects as {@link Manager.archive}. */
  snapshot(options?: Omit<UpkeepOptions, 'place'>): Promise<TakenSnapshot>;
  /** Asks the CAs when to renew (RFC 9773), renews what is due, lets the bus hear that somebody is there, and checks in, where the configuration says so and nothing failed. */
  renewDue(options: RenewalOptions): Promise<readonly RenewalOutcome[]>;
  /** Looks at everything that an issuance depends on. Rejects `CERTBUS_MANAGER_CONFIG_MISSING`; what is wrong is a finding. */
  diagnose(options: DiagnosisOptions): Promise<readonly Finding[]>;
  remove(certificateId: string): Promise<{ names: readonly string[] }>;
  /** Replaces the configuration; `<redacted>` keeps the stored secret. */
  configure(json: unknown, options?: { readonly expectPosition?: number }): Promise<{ position: number }>;
  /** The stored JSON with its position; `undefined` before the first. */
  configuration(): Promise<{ readonly json: unknown; readonly position: number } | undefined>;
  /** Ends the connections to CAs; jobs still under way fail. What was handed in stays open. */
  close(): Promise<void>;
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

/**
 * Starts a manager: takes the right to advance the replica where it is free, and makes the replica ready. Rejects with the
 * `HistoryError` of a bus that was rolled back, and with a `StoreError`.
 */
export async function openManager(options: ManagerOptions): Promise<Manager> {
  const { bus, key, replica, archive, holder, solvers, secrets, logger = silent, now = () => new Date() } = options;
  const onError = (error: Error) => logger.warn('the snapshot could not be used', { error: String(error) });
  const onRestored = () =>
    logger.warn('the bus was restored; the replica is built again', { position: replica.checkpoint().position });
  await synchronize(replica, bus, { archive, onError, onRestored });
  const view = createView(replica, (error) => logger.warn('the replica is behind', { error: String(error) }));
  const {
    claimMs = CLAIM_MS,
    graceMs = GRACE_MS,
    random = Math.random,
    notes = openRenewalInfoNotes(':memory:'),
  } = options;
  const { proxy, observe, limits } = options;
  const connections = createConnections({
    ...(proxy ? { proxy } : {}),
    ...(observe ? { observe } : {}),
    ...(limits ? { limits } : {}),
  });
  const context: Context = {
    bus,
    view,
    key,
    connections,
    solvers,
    secrets,
    logger,
    now,
    random,
    holder,
    claimMs,
    graceMs,
  };
  const refresh = ({ signal }: { signal?: AbortSignal } = {}) => catchUp(bus, view, signal);
  const certificate = (certificateId: string): ManagedCertificate => {
    const found = view.state.certificate(certificateId);
    if (!found || found.removed) throw certificateNotFound(certificateId);
    return found;
  };
  const upkeep = async <T extends { readonly signal?: AbortSignal | undefined }>(given: T) => {
    if (!archive) {
      const what = 'No archive is configured. Say where it is: "archive" in certbus.json, or CERTBUS_ARCHIVE.';
      throw new ManagerError('CERTBUS_MANAGER_ARCHIVE_MISSING', what);
    }
    await catchUp(bus, view, given.signal);
    await view.written();
    return { ...given, place: archive };
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
      const { config, signal, authority: name } = await configured(run);
      const authority = authorityNamed(config, name);
      await openAuthority(context, authority, { signal, anew: true });
      return accountAt(view.state.bus, authority.directory) as Account;
    },
    async authorities() {
      const { authorities } = await requireConfiguration(context);
      return Object.entries(authorities).map(([name, { directory }]) => ({ name, directory }));
    },
    rollOverAccounts: async (run) => rollOverAccounts(context, await configured(run)),
    async closeAccount(run) {
      const settings = await configured(run);
      const { config, authority: name, forget = false } = settings;
      const isDirectory = forget && name !== undefined && accountAt(view.state.bus, name) !== undefined;
      const directory = isDirectory ? name : authorityNamed(config, name).directory;
      return closeAccount(context, { ...settings, directory, forget });
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
    revoke: async (request, run) => revokeCertificate(context, request, await configured(run)),
    due: (at = now()) => [...dueBy(view.state, { at, now: now() })],
    archive: async (given = {}) => archiveRanges(context, replica, await upkeep(given)),
    trim: async (given) => trim(context, replica, { ...given, ...(await upkeep(given)) }),
    snapshot: async (given = {}) => takeSnapshot(context, replica, await upkeep(given)),
    async renewDue(run) {
      const settings = await configured(run);
      await askRenewalInfo(context, { ...settings, notes });
      const outcomes = await renewDue(context, settings);
      await decide(context, heartbeat, run);
      const url = settings.config.checkIn?.url;
      if (url && outcomes.every(({ outcome }) => outcome !== 'failed' && outcome !== 'postponed'))
        await checkIn(url, run.signal);
      return outcomes;
    },
    async diagnose(options) {
      const { config } = await configured(options);
      return diagnose(context, config, options);
    },
    remove: (certificateId) => decide(context, (state) => remove(state, certificateId)),
    async configure(json, { expectPosition } = {}) {
      await refresh();
      return writeConfiguration(context, json, expectPosition);
    },
    configuration: () => readConfiguration(context),
    close: () => connections.close(),
  };
}
