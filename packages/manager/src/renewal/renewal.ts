/** Renews everything that is due, most urgent first. */
import { isOutage, type Outage } from '@certbus/acme';
import { type ManagedCertificate, nextActionAt } from '@certbus/events';
import type { Commit } from '@certbus/events/history';
import { defaultDirectory, limitsOfAuthority } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import type { BindingLimit } from '../decide/binding-limit.ts';
import { dueBy } from '../decide/due.ts';
import { isUnderWay } from '../decide/issuance.ts';
import { bindingLimit, orderKindOf } from '../decide/limits.ts';
import { type FoundLoss, isQuarantined, isTriedAnyway, recordLook } from '../decide/quarantine.ts';
import { isBusError, LimitReachedError, ManagerError } from '../errors.ts';
import { type ControlLook, createControlLook } from '../issuance/control.ts';
import { type RunOptions, recordUnsent, renew } from '../issuance/issue.ts';
import { outagesFor, targetOf } from '../issuance/outages.ts';
import type { Progress } from '../issuance/progress.ts';
import { type CampaignWork, campaignWork } from './campaign/members.ts';
import { type Answering, createAnswering, type DueEarly, dueEarly } from './due-early.ts';
import type { RenewalOutcome } from './outcome.ts';
import { createSharedFailures, type SharedFailures } from './shared-failures.ts';
import { inTurns } from './turns.ts';
import { withUnrenewed } from './unrenewed.ts';
import { createWorkQueue, type QueueSizes, type Work, type WorkKind, type WorkQueue } from './work-queue.ts';

/** How a run of renewals behaves. */
export interface RenewalOptions extends RunOptions {
  /** How many are tried at most. Default 10,000. */
  readonly limit?: number;
  /** What is due by then. Default now, and what comes while the run lasts is taken up as well. */
  readonly at?: Date;
  /** Hears how much waits and is under way, whenever that changes. */
  readonly onQueue?: (sizes: QueueSizes) => void;
}

/** What a run of renewals did. */
export interface Renewals {
  /** How many certificates were due. */
  readonly due: number;
  readonly outcomes: readonly RenewalOutcome[];
  /** Why what was to be done beside the renewals could not be; `undefined` where it was. */
  readonly asideError: unknown;
  /** Whether something only waits for the end of an outage of its CA, which no index of instants knows. */
  readonly awaitsOutage: boolean;
}

const LIMIT = 10_000;
/**
 * An order at Let's Encrypt takes some seconds and six requests, of which it takes 250 a second: twenty orders at a time keep far
 * below that, and renew ten thousand certificates within an hour.
 */
const PARALLEL = 20;

const isClaimedElsewhere = (error: unknown): boolean =>
  error instanceof ManagerError &&
  (error.code === 'CERTBUS_MANAGER_CLAIMED_ELSEWHERE' || error.code === 'CERTBUS_MANAGER_CLAIM_LOST');

type Options = RenewalOptions & {
  readonly config: Configuration;
  /** Does, beside the renewals, what can make certificates due; called once it is known which CAs answer. */
  readonly beside: () => Promise<void>;
};

/** A run of renewals and how far it is. */
interface Run {
  readonly context: Context;
  readonly options: Options;
  readonly sharedFailures: SharedFailures;
  readonly answering: Answering;
  readonly control: ControlLook;
  readonly dueBy: () => Date;
  /** How many orders can be under way now, which grows with each one that shows that the CA is there. */
  allowed: number;
  /** Begins what can be begun now that a CA is known to be there. */
  begin: () => void;
}

const parallelOf = ({ config: { parallelOrders = PARALLEL } }: Options): number => parallelOrders;

function speedUp(run: Run): void {
  run.allowed = Math.min(run.allowed + 1, parallelOf(run.options));
  run.begin();
}

/** Passes progress on, and learns from it that the CA takes orders: one that waits for its DNS records holds no other up. */
const watchOrders =
  (run: Run) =>
  (progress: Progress): void => {
    run.options.onProgress?.(progress);
    if (progress.step === 'order') speedUp(run);
  };

/** Who claims a certificate, and until when. */
function claimOn({ context: { view } }: Run, certificateId: string): Pick<RenewalOutcome, 'holder' | 'until'> {
  const issuance = view.state.certificate(certificateId)?.issuance;
  return issuance?.holder === undefined ? {} : { holder: issuance.holder, until: new Date(issuance.until) };
}

/** Puts on the bus why a CA cannot be asked, once: with the first that cannot be renewed for it. */
async function recordOutage(
  { context, options, answering }: Run,
  {
    certificateId,
    directory,
    outage,
  }: { readonly certificateId: string; readonly directory: string; readonly outage: Outage | undefined },
): Promise<void> {
  // Without a cause an order was refused that has recorded it.
  if (!outage || outage.error.cause === undefined || answering.isRecorded(directory)) return;
  // An order that is still open needs no failure on the bus; the next certificate records the outage.
  const certificate = context.view.state.certificate(certificateId);
  if (certificate && isUnderWay(certificate, context.now())) return;
  answering.record(directory);
  await recordUnsent(context, { certificateId }, outage.error, options);
}

/** Where the next order of a certificate goes in this run. */
interface Place {
  readonly directory: string;
  readonly unavailable: ReadonlySet<string>;
  /** Whether it is not tried, since the CA there is down or failed for another certificate. */
  readonly isClosed: boolean;
  readonly outage: Outage | undefined;
  /** A limit of the CA there that leaves no room for the order now. */
  readonly binding: BindingLimit | undefined;
}

/**
 * Whether the owner of a name lets the certificate's own CA issue, but not the second one that would be asked in its place: that leaves the
 * names ours.
 */
async function isBarredAtSecond(
  { control }: Run,
  certificate: ManagedCertificate,
  { directory, ownDirectory }: { readonly directory: string; readonly ownDirectory: string },
): Promise<boolean> {
  if (directory === ownDirectory || certificate.issuance) return false;
  const look = await control.at(certificate, directory);
  return look.state === 'lost' && look.found.loss === 'barred';
}

async function placeOf(run: Run, certificate: ManagedCertificate, kind: WorkKind): Promise<Place> {
  const { context, options, sharedFailures, answering } = run;
  const { config } = options;
  const { issuance, directory: ownDirectory = defaultDirectory(config) } = certificate;
  // What was released, as in an outage, is not claimed again to find the CA still away.
  if (issuance && issuance.holder === undefined) await answering.at(issuance.directory);
  const outages = outagesFor(context, config, certificate);
  const closed = new Set([...sharedFailures.directories(kind), ...outages.keys()]);
  const full = Object.values(config.authorities).flatMap((authority) =>
    refusedUntil(run, certificate, authority.directory) ? [authority.directory] : [],
  );
  const unavailable = new Set([...closed, ...full]);
  const choice = { ownDirectory, authorities: config.authorities, unavailable, now: context.now() };
  const first = targetOf(certificate, choice);
  const isBarred = await isBarredAtSecond(run, certificate, { ownDirectory, ...first });
  if (isBarred) unavailable.add(first.directory);
  const { directory, isLeft } = isBarred ? targetOf(certificate, choice) : first;
  const isClosed = closed.has(directory) && !isLeft;
  const binding = isClosed ? undefined : limitFor(run, certificate, directory);
  return { directory, unavailable, isClosed, outage: outages.get(directory), binding };
}

/** What became of an order for which a limit of the CA leaves no room. */
const postponedBy = ({ until, ...limit }: BindingLimit) => ({ outcome: 'postponed', until, limit }) as const;

/** Whether a CA did not issue for these names last. */
const isNewAt = (certificate: ManagedCertificate, directory: string, now: Date): boolean =>
  orderKindOf(certificate, { directory, now }) === 'new';

/** Until when a CA takes no order for a certificate, by what it has refused; `undefined` where it may take one. */
function refusedUntil({ context }: Run, certificate: ManagedCertificate, directory: string): Date | undefined {
  const now = context.now();
  return context.refusedOrders.readyAt({ directory, isNew: isNewAt(certificate, directory, now) }, now);
}

/** The limit that leaves no room for an order, as far as this process knows: the bus need not be asked for thousands that wait. */
function limitFor(run: Run, certificate: ManagedCertificate, directory: string): BindingLimit | undefined {
  if (certificate.issuance) return undefined;
  const { context, options } = run;
  const now = context.now();
  const limits = limitsOfAuthority(options.config, context.publishedLimits, directory);
  const order = { names: certificate.names, directory, kind: orderKindOf(certificate, { directory, now }) };
  const counted = bindingLimit(context.view.state, now, order, limits);
  const until = refusedUntil(run, certificate, directory);
  if (!until || (counted && counted.until >= until)) return counted;
  return { limit: 'orders', subject: directory, directory, until };
}

/** What became of a certificate whose names were found lost, once or for good; `undefined` where they were not. */
function outcomeOf(certificate: Pick<ManagedCertificate, 'lost'>) {
  if (!certificate.lost) return undefined;
  const { names, loss, detail, notBefore } = certificate.lost;
  const outcome = isQuarantined(certificate) ? ('quarantined' as const) : ('postponed' as const);
  return { outcome, until: new Date(notBefore), lost: { names, loss, detail } };
}

/** Whether what a look shows is not to be acted on: so many lose their names at once that DNS is doubted. What was set aside before stays. */
function isDoubted({ lossGuard, logger, now }: Context, certificate: ManagedCertificate, found: FoundLoss | undefined) {
  const { certificateId, names } = certificate;
  if (isQuarantined(certificate)) return false;
  const at = now();
  lossGuard.note(certificateId, found?.detail, at);
  if (!found || !lossGuard.isDoubted(at)) return false;
  logger.warn('DNS is doubted, and the order is tried', { names, detail: found.detail });
  return true;
}

/**
 * Looks whether the names are still ours, where nothing is open; what it finds is on the bus, so that the next manager knows. Nothing where DNS is
 * doubted.
 */
async function lossOf(
  { context, options: { signal }, control }: Run,
  certificate: ManagedCertificate,
  directory: string,
): Promise<Pick<RenewalOutcome, 'outcome' | 'until' | 'lost'> | undefined> {
  const { certificateId, issuance, lost: before } = certificate;
  if (issuance || isTriedAnyway(certificate, context.now())) return undefined;
  const look = await control.at(certificate, directory);
  if (look.state === 'unknown') return isQuarantined(certificate) ? outcomeOf(certificate) : undefined;
  const found = look.state === 'lost' ? look.found : undefined;
  if (isDoubted(context, certificate, found) || (!found && !before)) return undefined;
  const next = await decide(context, (state, now) => recordLook(state, now, certificateId, found), { signal });
  return next && outcomeOf(next);
}

async function renewAt(
  run: Run,
  { certificateId, kind, leafHash, campaignId }: Work,
  {
    certificate,
    directory,
    unavailable,
    isClosed,
    outage,
    binding,
  }: Place & { readonly certificate: ManagedCertificate },
): Promise<Pick<RenewalOutcome, 'outcome' | 'serialNumber' | 'error' | 'until' | 'limit' | 'lost'>> {
  const { context, options, sharedFailures } = run;
  if (isClosed) {
    await recordOutage(run, { certificateId, directory, outage });
    return { outcome: 'postponed', error: sharedFailures.at(directory, kind) ?? outage?.error };
  }
  if (binding) return postponedBy(binding);
  const loss = await lossOf(run, certificate, directory);
  if (loss) return loss;
  const only = { leafHash, dueBy: run.dueBy(), campaignId };
  const onProgress = watchOrders(run);
  const result = await renew(context, certificateId, { ...options, onProgress, wait: false, unavailable, only });
  if (result.outcome === 'already-managed') return { outcome: 'no-longer-due' };
  speedUp(run);
  sharedFailures.passed(directory);
  context.refusedOrders.passed(directory);
  return { outcome: 'renewed', serialNumber: result.serialNumber };
}

async function renewOne(run: Run, work: Work): Promise<RenewalOutcome> {
  const { certificateId, kind } = work;
  let names: readonly string[] = [];
  let directory: string | undefined;
  try {
    const certificate = run.context.view.state.certificate(certificateId);
    if (!certificate || certificate.removed) return { certificateId, names, outcome: 'no-longer-due' };
    ({ names } = certificate);
    const place = await placeOf(run, certificate, kind);
    ({ directory } = place);
    return { certificateId, names, ...(await renewAt(run, work, { ...place, certificate })) };
  } catch (error) {
    // Whatever broke off then was released, and recorded as no failure.
    if (run.options.signal.aborted) return { certificateId, names, outcome: 'postponed' };
    if (isClaimedElsewhere(error))
      return { certificateId, names, outcome: 'claimed-elsewhere', ...claimOn(run, certificateId) };
    if (error instanceof LimitReachedError) return { certificateId, names, ...postponedBy(error.binding) };
    const certificate = run.context.view.state.certificate(certificateId);
    const { issuance } = certificate ?? {};
    // Of an order that goes on, only an outage says something of others.
    if (issuance?.orderUrl === undefined || isOutage(error))
      heed(run, { directory, kind, certificate, error, isRecorded: issuance === undefined });
    else speedUp(run);
    return { certificateId, names, outcome: 'failed', error };
  }
}

/** Learns from a failure what it means for the other certificates. */
function heed(
  run: Run,
  {
    directory,
    kind,
    certificate,
    error,
    isRecorded,
  }: {
    readonly directory: string | undefined;
    readonly kind: WorkKind;
    readonly certificate: ManagedCertificate | undefined;
    readonly error: unknown;
    /** Whether it is on the bus, and not of an order that goes on. */
    readonly isRecorded: boolean;
  },
): void {
  // An error of the bus does not show that the CA is there.
  if (directory === undefined || isBusError(error)) return;
  if (isOutage(error) && isRecorded) run.answering.record(directory);
  const now = run.context.now();
  const isNew = certificate === undefined || isNewAt(certificate, directory, now);
  const isRefused = run.context.refusedOrders.refused({ directory, isNew }, error, now);
  if (!run.sharedFailures.add(directory, { kind, error }) && !isRefused) speedUp(run);
}

/** What changed with these commits and is due now. */
function* dueOf({ context }: Run, commits: readonly Commit[]): Iterable<ManagedCertificate> {
  const now = context.now();
  for (const { event } of commits.flatMap(({ events }) => events)) {
    if (!event || !('certificateId' in event)) continue;
    const certificate = context.view.state.certificate(event.certificateId);
    const next = certificate && nextActionAt(certificate, now);
    if (certificate && next && next <= now) yield certificate;
  }
}

/** Takes work from the queue, as much at a time as the run allows, until none is left and none can come, or the signal aborts. */
async function renewQueued(run: Run, queue: WorkQueue): Promise<Pick<Renewals, 'outcomes' | 'asideError'>> {
  const { at, signal, beside, onQueue = () => {} } = run.options;
  const outcomes: RenewalOutcome[] = [];
  const ended = Promise.withResolvers<void>();
  let asideError: unknown;
  const { view } = run.context;
  const configuredAt = view.state.bus.config?.position;
  // What waits is the next run's, with the new configuration.
  const isOutdated = () => view.state.bus.config?.position !== configuredAt;
  let running = 0;
  let isComplete = false;
  let aside: Promise<void> | undefined;
  // Once the first order, where there is one, has shown whether its CA is there.
  const startAside = (): void => {
    aside ??= beside()
      .catch((error: unknown) => {
        asideError = error;
      })
      .then(() => {
        isComplete = true;
        begin();
      });
  };
  let isEnded = false;
  const begin = (): void => {
    // A turn that was asked for before, and comes once the replica may be closed.
    if (isEnded) return;
    while (running < run.allowed && !signal.aborted && !isOutdated()) {
      const work = queue.take();
      if (!work) break;
      running += 1;
      void renewOne(run, work).then((outcome) => {
        outcomes.push(outcome);
        queue.done(work);
        running -= 1;
        startAside();
        // Where nothing was asked of a CA, thousands can end in one turn of the event loop.
        setImmediate(begin);
      }, ended.reject);
    }
    onQueue(queue.sizes());
    isEnded = running === 0 && (isComplete || signal.aborted || isOutdated());
    if (isEnded) ended.resolve();
  };
  using _listening = view.listen((commits) => {
    // With an instant of the caller's own, what was renewed a moment ago may be due again.
    if (at) return;
    queue.add(dueOf(run, commits), run.context.now());
    // Not within the commit that it is told of.
    setImmediate(begin);
  });
  run.begin = () => {
    startAside();
    begin();
  };
  begin();
  if (running === 0) startAside();
  await ended.promise;
  await aside;
  return { outcomes, asideError };
}

/** What would be due but for a look at DNS that found its names lost, where no names are looked at any more. */
function* notLookedAt(
  { view, now }: Context,
  { quarantine }: Configuration,
  { at }: { readonly at: Date },
): Iterable<ManagedCertificate> {
  if (quarantine !== false) return;
  const isDue = (certificate: ManagedCertificate) => (nextActionAt(certificate, now()) ?? at) <= at;
  for (const certificate of view.state.lostSince(new Date(0)))
    if (!isDue(certificate) && isDue({ ...certificate, lost: undefined })) yield certificate;
}

/** What is due, what only waits for what is over or for a look at DNS that is not made any more, and what campaigns want replaced. */
async function* everythingDue(
  context: Context,
  {
    config,
    early,
    members,
    at,
    now,
  }: {
    readonly config: Configuration;
    readonly early: DueEarly;
    readonly at: Date;
    readonly now: Date;
  } & Pick<CampaignWork, 'members'>,
): AsyncGenerator<ManagedCertificate, void> {
  yield* inTurns(dueBy(context.view.state, { at, now }));
  yield* inTurns(notLookedAt(context, config, { at }));
  yield* early;
  yield* inTurns(members);
}

/** What is left because the run was told to stop. */
function postponed({ view }: Context, { certificateId }: Work): RenewalOutcome {
  return { certificateId, names: view.state.certificate(certificateId)?.names ?? [], outcome: 'postponed' };
}

/**
 * Renews what is due and what campaigns want replaced, most urgent first, first one alone and then ever more at a time, up to the configuration's `parallelOrders`; what
 * becomes due by an event meanwhile is taken up as well. One that fails holds no other up: its error is in its outcome. Where the CA or the
 * account there fails as a whole, the rest that comes from it is left for the next run. What has ended or is urgent has an outcome also
 * where it was not tried. After an abort every claim was released, and what was not renewed is postponed.
 */
export async function renewDue(context: Context, options: Options): Promise<Renewals> {
  const { limit = LIMIT, at, signal } = options;
  const now = context.now();
  const answering = createAnswering(context, options.config, signal);
  const early = dueEarly(context, { answering, at: at ?? now, signal });
  const { members, campaignOf } = campaignWork(context, { limit });
  const due = everythingDue(context, { config: options.config, early, members, at: at ?? now, now });
  const queue = await createWorkQueue(due, { now, limit, parallel: parallelOf(options), campaignOf });
  // One order shows whether the CA is there before many are tried, and a CA gets no burst from everyone who starts on the hour.
  const run: Run = {
    context,
    options,
    sharedFailures: createSharedFailures(),
    answering,
    control: createControlLook(context, options.config, signal),
    dueBy: () => at ?? context.now(),
    allowed: 1,
    begin() {},
  };
  const { outcomes: tried, asideError } = await renewQueued(run, queue);
  const left = signal.aborted ? queue.drain().map((work) => postponed(context, work)) : [];
  const outcomes = await withUnrenewed(context, [...tried, ...left]);
  return { due: queue.given, outcomes, asideError, awaitsOutage: answering.isAwaited() };
}
