/** Issues and renews one certificate: asks for the claim, waits for it, completes the issuance. */
import { type ChallengeType, type CsrWithKey, createId, type ManagedCertificate } from '@certbus/events';
import type { Decision } from '@certbus/store';
import { authorityNamed, defaultDirectory, limitsOfAuthority } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import {
  type ClaimResult,
  type ClaimTerms,
  claimNew,
  claimRenewal,
  type IssuanceSubject,
  type RenewalCondition,
} from '../decide/claim.ts';
import { type IssuedContent, recordUnstarted } from '../decide/issuance.ts';
import { certificateNotFound, isBusError, LimitReachedError, ManagerError } from '../errors.ts';
import type { ManagerState } from '../state/state.ts';
import { completeIssuance } from './completion.ts';
import { checkControl } from './control.ts';
import { createCsrWithKey } from './csr.ts';
import { recordedReason } from './failure.ts';
import { parseKeyType } from './key-type.ts';
import { replacedBy } from './leaf.ts';
import { oneAtATime } from './one-at-a-time.ts';
import { outagesFor, targetOf } from './outages.ts';
import type { Progress } from './progress.ts';
import { sleep } from './sleep.ts';
import { checkSolvable } from './solvers.ts';
import { parseSubject } from './subject.ts';

/** What is asked for. */
export interface IssueRequest {
  /** As typed; brought into their one form here. */
  readonly names: readonly string[];
  /** Default `dns-01`. */
  readonly challengeType?: ChallengeType;
  readonly profile?: string;
  /** `P-256` (the default), `P-384`, `RSA-2048`, `RSA-3072` or `RSA-4096`; kept by renewals. */
  readonly keyType?: string;
  /** Make a second certificate for names that have one with a key of this type already. */
  readonly another?: boolean;
  /** Name of the CA in the configuration. Default its default one. */
  readonly authority?: string;
  /** Order also where DNS shows that the CA cannot issue for these names. Default false: then a new order is begun only after a look. */
  readonly ignoreDns?: boolean;
}

/** How a run behaves. */
export interface RunOptions {
  readonly signal: AbortSignal;
  /** Take a claim that another process holds instead of waiting for it. Default false. */
  readonly takeOver?: boolean;
  readonly onProgress?: (progress: Progress) => void;
}

/** What came of it. */
export interface IssueResult {
  readonly certificateId: string;
  readonly names: readonly string[];
  readonly outcome: 'issued' | 'already-managed';
  readonly serialNumber: string | undefined;
  readonly notAfter: Date | undefined;
  /** What is not as it should be, in words for the operator. */
  readonly warnings: readonly string[];
}

type AskForClaim = (
  state: ManagerState,
  now: Date,
  terms: ClaimTerms,
  csr: CsrWithKey | undefined,
) => Decision<ClaimResult>;

const LOOK_AGAIN_MS = 1_000;

function managed({ certificateId, names, current }: ManagedCertificate): IssueResult {
  const notAfter = current && new Date(current.notAfter);
  const { serialNumber } = current ?? {};
  return { certificateId, names, outcome: 'already-managed', serialNumber, notAfter, warnings: [] };
}

/** How a claim is asked for and its issuance completed. */
interface ClaimedRun extends RunOptions {
  readonly config: Configuration;
  /** Whether to wait for the end of a claim that another process holds. Default true. */
  readonly wait?: boolean;
  /** Whether the context was caught up a moment ago. Default false. */
  readonly caughtUp?: boolean;
  /** Looks before a new order is begun, and rejects where it must not be. Default: it can be. */
  readonly look?: () => Promise<void>;
}

type Claim<Kind extends ClaimResult['kind']> = Extract<ClaimResult, { kind: Kind }>;

/** Reports who holds a claim, and waits before it is asked for again. Rejects `CERTBUS_MANAGER_CLAIMED_ELSEWHERE` without `wait`. */
async function waitForHolder(
  { view, holder: self }: Context,
  { certificateId, holder, until, takeOverAt }: Claim<'held'>,
  { signal, onProgress = () => {}, wait = true }: ClaimedRun,
): Promise<void> {
  // What this process does itself for the same names is over soon.
  if (!wait && holder !== self) {
    const what = `Another manager (${holder}) claims certificate ${certificateId} until ${until.toISOString()}; unless it extends that, others go on from ${takeOverAt.toISOString()}.`;
    throw new ManagerError('CERTBUS_MANAGER_CLAIMED_ELSEWHERE', what);
  }
  const names = view.state.certificate(certificateId)?.names ?? [];
  onProgress({ step: 'waiting', certificateId, names, holder, until, takeOverAt });
  await sleep(LOOK_AGAIN_MS, signal);
}

/** Why a leaf is not served yet: the CA's clock is ahead, or this machine's is behind. */
function aheadOfClock({ names, notBefore }: IssuedContent, now: Date): string | undefined {
  const aheadMs = notBefore.getTime() - now.getTime();
  if (aheadMs <= 0) return undefined;
  const seconds = Math.ceil(aheadMs / 1000);
  return `The certificate for ${names.join(', ')} begins ${notBefore.toISOString()}, ${seconds} s ahead of this machine's clock, and is not served before that. Compare the clocks with "certbus doctor".`;
}

async function complete(
  context: Context,
  { certificateId, issuance: { issuanceId, names }, resumed }: Claim<'claimed'>,
  { config, signal, onProgress = () => {} }: ClaimedRun,
): Promise<IssueResult> {
  const warnings: string[] = [];
  const watch = (progress: Progress) => {
    if (progress.step === 'warning' && progress.message) warnings.push(progress.message);
    onProgress(progress);
  };
  watch({ step: resumed ? 'taken-over' : 'claimed', certificateId, names });
  const held = { certificateId, issuanceId, holder: context.holder };
  const content = await completeIssuance(context, held, { config, signal, onProgress: watch });
  const message = aheadOfClock(content, context.now());
  if (message) {
    context.logger.warn('a certificate begins ahead of this clock', { certificateId, notBefore: content.notBefore });
    watch({ step: 'warning', certificateId, names, message });
  }
  const { serialNumber, notAfter } = content;
  return { certificateId, names, outcome: 'issued', serialNumber, notAfter, warnings };
}

/** A CSR as the CA that it is for wants it, once the look before a new order has shown nothing against it. */
async function csrFor(
  { view }: Context,
  needed: Claim<'csr-needed'>,
  { config, look }: Pick<ClaimedRun, 'config' | 'look'>,
): Promise<CsrWithKey> {
  // An authority that is gone is reported, and recorded, when its order is made.
  const authority = Object.values(config.authorities).find(({ directory }) => directory === needed.directory);
  const [csr] = await Promise.all([createCsrWithKey(needed, view.state.bus, authority), look?.()]);
  return csr;
}

/** The CSR that a claim will need, as far as this process knows: made without asking the bus, which the claim itself does. */
async function createCsrAhead(
  context: Context,
  options: ClaimedRun,
  ask: (state: ManagerState, now: Date) => Decision<ClaimResult>,
): Promise<CsrWithKey | undefined> {
  const { result } = ask(context.view.state, context.now());
  return result.kind === 'csr-needed' ? csrFor(context, result, options) : undefined;
}

/** Claims an issuance, and waits while another process holds the claim. Rejects `CERTBUS_MANAGER_LIMIT_REACHED`. */
async function claim(
  context: Context,
  ask: AskForClaim,
  options: ClaimedRun,
): Promise<Claim<'managed'> | Claim<'claimed'>> {
  const { holder, claimMs, graceMs } = context;
  const { config, signal, takeOver = false } = options;
  const limits = (directory: string) => limitsOfAuthority(config, context.publishedLimits, directory);
  const ended = new Set<string>();
  const terms = { holder, claimMs, graceMs, takeOver, ended, limits };
  let { caughtUp = false } = options;
  let csr = await createCsrAhead(context, options, (state, now) => ask(state, now, terms, undefined));
  for (;;) {
    signal.throwIfAborted();
    const result = await decide(context, (state, now) => ask(state, now, terms, csr), { signal, caughtUp });
    caughtUp = false;
    if (result.kind === 'managed' || result.kind === 'claimed') return result;
    if (result.kind === 'limited') throw new LimitReachedError(result.names, result.binding);
    if (result.kind === 'csr-needed') csr = await csrFor(context, result, options);
    else if (context.hasEnded(result.holder)) ended.add(result.holder);
    else await waitForHolder(context, result, options);
  }
}

/** Completes the order of a sibling. One that fails is closed, and no longer in the way; else rejects with what went wrong. */
async function completeSibling(context: Context, sibling: Claim<'claimed'>, options: ClaimedRun): Promise<void> {
  const { certificateId } = sibling;
  try {
    await complete(context, sibling, options);
  } catch (error) {
    if (options.signal.aborted || context.view.state.certificate(certificateId)?.issuance) throw error;
    context.logger.warn('an open order for the same names failed', { certificateId, why: String(error) });
  }
}

/** Completes what is claimed, after what is open for the same names; what is managed already needs nothing. */
async function finish(
  context: Context,
  ask: (isFirst: boolean) => Promise<Claim<'managed'> | Claim<'claimed'>>,
  options: ClaimedRun,
): Promise<IssueResult> {
  for (let isFirst = true; ; isFirst = false) {
    const result = await ask(isFirst);
    if (result.kind === 'managed') return managed(result.certificate);
    if (!result.isSibling) return complete(context, result, options);
    await completeSibling(context, result, options);
  }
}

/** Whether a renewal failed before its claim by a fault that back-off, doctor and alerts must know: not an answer or the bus's error. */
const isUnrecorded = (error: unknown, signal: AbortSignal): boolean =>
  !signal.aborted && !isBusError(error) && !(error instanceof ManagerError);

/** Claims a renewal, and records it as failed where it cannot even be claimed. */
async function claimOrRecord(
  context: Context,
  ask: AskForClaim,
  renewal: { readonly certificateId: string; readonly issuanceId: string },
  options: ClaimedRun,
): Promise<Claim<'managed'> | Claim<'claimed'>> {
  try {
    return await claim(context, ask, options);
  } catch (error) {
    if (isUnrecorded(error, options.signal)) await recordUnsent(context, renewal, error, options);
    throw error;
  }
}

/** Records why no order for a renewal could be sent. Without `issuanceId` it has one of its own. */
export async function recordUnsent(
  context: Context,
  renewal: { readonly certificateId: string; readonly issuanceId?: string },
  error: unknown,
  { config, signal }: Pick<ClaimedRun, 'config' | 'signal'>,
): Promise<void> {
  const { directory } = context.view.state.certificate(renewal.certificateId) ?? {};
  const unstarted = { issuanceId: createId(), ...renewal, otherwise: defaultDirectory(config) };
  const why = recordedReason(error, config, directory);
  await decide(context, (state, now) => recordUnstarted(state, now, unstarted, why), { signal });
}

/**
 * Makes a managed certificate, or finds the one that these names have already with a key of this type, in a context that was caught up a moment ago. Before a
 * new order it looks at DNS. Rejects with `ManagerError`, such as `CERTBUS_MANAGER_NAMES_LOST`, `AcmeError`, `StoreError`, or the signal's reason once the claim is released.
 */
export async function issue(
  context: Context,
  { names, challengeType = 'dns-01', profile, keyType, another = false, authority, ignoreDns = false }: IssueRequest,
  options: RunOptions & { readonly config: Configuration },
): Promise<IssueResult> {
  const subject = {
    names: parseSubject(names, challengeType),
    challengeType,
    profile,
    keyType: keyType === undefined ? undefined : parseKeyType(keyType),
    directory: authorityNamed(options.config, authority).directory,
  };
  checkSolvable(options.config, subject.names, challengeType);
  const { signal } = options;
  const request = JSON.stringify({ ...subject, another, ignoreDns });
  return oneAtATime(context, { names: subject.names, signal, request }, (hasWaited) =>
    issueSubject(context, subject, { ...options, another, ignoreDns, hasWaited }),
  );
}

/** What is asked for once its form is known, and how. */
type SubjectOptions = RunOptions & { readonly config: Configuration } & Required<
    Pick<IssueRequest, 'another' | 'ignoreDns'>
  > & {
    /** Whether this process did something for these names meanwhile, so that the bus has to be read. */
    readonly hasWaited: boolean;
  };

/** Issues for these names, which nobody else in this process works on. */
async function issueSubject(
  context: Context,
  subject: IssuanceSubject,
  { another, ignoreDns, hasWaited, ...options }: SubjectOptions,
): Promise<IssueResult> {
  // Nothing is claimed for an order that could not be sent.
  const outage = outagesFor(context, options.config, undefined).get(subject.directory);
  if (outage) throw outage.error;
  const ids = { certificateId: createId(), issuanceId: createId() };
  const ask: AskForClaim = (state, now, terms, csr) =>
    claimNew(state, now, subject, { ...terms, ...ids, csr, another });
  let looked: Promise<void> | undefined;
  // Once, however often the claim is asked for.
  const look = async () => {
    looked ??= checkControl(context, subject, options);
    await looked;
  };
  const run = ignoreDns ? options : { ...options, look };
  return finish(context, (isFirst) => claim(context, ask, { ...run, caughtUp: isFirst && !hasWaited }), options);
}

/**
 * Throws as {@link parseSubject} and {@link checkSolvable} for an imported certificate whose names cannot be issued: with its claim it would become one
 * that is renewed, and fails, from then on.
 */
function checkImported(
  { directory, issuance, names }: ManagedCertificate,
  { challengeType, config }: { readonly challengeType: ChallengeType; readonly config: Configuration },
): void {
  if (directory !== undefined || issuance) return;
  parseSubject(names, challengeType);
  checkSolvable(config, names, challengeType);
}

/** How one certificate is renewed. */
interface RenewOptions extends RunOptions {
  readonly config: Configuration;
  readonly wait?: boolean;
  /** Directories that failed as a whole in this run. */
  readonly unavailable?: ReadonlySet<string>;
  /** Name of the CA in the configuration that it moves to, and is renewed at from now on. Default: its own. */
  readonly authority?: string | undefined;
  /** Default: renew in any case. Otherwise the outcome is `already-managed` where somebody else was first. */
  readonly only?: RenewalCondition;
}

/** A certificate that was not removed. Throws `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`. */
function managedOf({ view }: Context, certificateId: string): ManagedCertificate {
  const certificate = view.state.certificate(certificateId);
  if (!certificate || certificate.removed) throw certificateNotFound(certificateId);
  return certificate;
}

/** Renews one certificate, due or not. Rejects as {@link issue}, and with `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`. */
export async function renew(context: Context, certificateId: string, options: RenewOptions): Promise<IssueResult> {
  const { names } = managedOf(context, certificateId);
  const { signal } = options;
  return oneAtATime(context, { names, signal }, () => renewNames(context, certificateId, options));
}

/** Renews a certificate for whose names nobody else in this process works on an order. */
async function renewNames(context: Context, certificateId: string, options: RenewOptions): Promise<IssueResult> {
  const certificate = managedOf(context, certificateId);
  const issuanceId = createId();
  const replaces = replacedBy(certificate);
  const outages = outagesFor(context, options.config, certificate);
  const unavailable = new Set([...(options.unavailable ?? []), ...outages.keys()]);
  const choice = { authorities: options.config.authorities, unavailable };
  const { only, authority } = options;
  const movedTo = authority === undefined ? undefined : authorityNamed(options.config, authority).directory;
  const ownDirectory = movedTo ?? certificate.directory ?? defaultDirectory(options.config);
  const { directory, isLeft } = targetOf(certificate, { ...choice, ownDirectory, now: context.now() });
  const outage = outages.get(directory);
  if (outage && !isLeft) throw outage.error;
  const otherwise = { challengeType: 'dns-01' as const, directory: defaultDirectory(options.config) };
  checkImported(certificate, { ...otherwise, config: options.config });
  const ask: AskForClaim = (state, now, terms, csr) =>
    claimRenewal(state, now, certificateId, {
      ...terms,
      ...choice,
      issuanceId,
      csr,
      replaces,
      otherwise,
      only,
      movedTo,
    });
  const renewal = { certificateId, issuanceId };
  return finish(context, () => claimOrRecord(context, ask, renewal, options), options);
}
