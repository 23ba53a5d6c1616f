import { type ChallengeType, type CsrWithKey, createId, type ManagedCertificate } from '@certbus/events';
import type { Decision } from '@certbus/store';
import { defaultDirectory } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { type ClaimResult, type ClaimTerms, claimNew, claimRenewal, type RenewalCondition } from '../decide/claim.ts';
import { certificateNotFound, ManagerError } from '../errors.ts';
import type { ManagerState } from '../state/state.ts';
import { createCsrWithKey } from './csr.ts';
import { drive, type Progress, replacedBy } from './drive.ts';
import { parseKeyType } from './key-type.ts';
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
  /** Make a second certificate for names that have one already. */
  readonly another?: boolean;
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
  return { certificateId, names, outcome: 'already-managed', serialNumber: current?.serialNumber, notAfter };
}

function sleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal.addEventListener('abort', stop, { once: true });
  });
}

/** Makes the key and the CSR that a claim needs, where the picture of a moment ago says that one is to be made: without asking the bus. */
async function createCsrAhead(
  { view, now }: Context,
  ask: (state: ManagerState, now: Date) => Decision<ClaimResult>,
): Promise<CsrWithKey | undefined> {
  const { result } = ask(view.state, now());
  return result.kind === 'csr-needed' ? createCsrWithKey(result, view.state.bus) : undefined;
}

/** Claims, drives, and waits for those who were first. `wait: false` gives a held claim up at once. */
async function run(
  context: Context,
  ask: AskForClaim,
  options: RunOptions & {
    readonly config: Configuration;
    readonly wait?: boolean;
    /** The context was caught up a moment ago. */
    readonly caughtUp?: boolean;
  },
): Promise<IssueResult> {
  const { config, signal, takeOver = false, onProgress = () => {}, wait = true } = options;
  const terms = { holder: context.holder, claimMs: context.claimMs, graceMs: context.graceMs, takeOver };
  let { caughtUp = false } = options;
  let csr: CsrWithKey | undefined = caughtUp
    ? await createCsrAhead(context, (state, now) => ask(state, now, terms, undefined))
    : undefined;
  for (;;) {
    signal.throwIfAborted();
    const claim = await decide(context, (state, now) => ask(state, now, terms, csr), { signal, caughtUp });
    caughtUp = false;
    if (claim.kind === 'managed') return managed(claim.certificate);
    if (claim.kind === 'csr-needed') {
      csr = await createCsrWithKey(claim, context.view.state.bus);
      continue;
    }
    const { certificateId } = claim;
    if (claim.kind === 'held') {
      const { holder, until } = claim;
      if (!wait) {
        const what = `Another manager (${holder}) is at work on certificate ${certificateId} until ${until.toISOString()}.`;
        throw new ManagerError('CERTBUS_MANAGER_CLAIMED_ELSEWHERE', what);
      }
      onProgress({
        step: 'waiting',
        certificateId,
        names: context.view.state.certificate(certificateId)?.names ?? [],
        holder,
        until,
      });
      await sleep(LOOK_AGAIN_MS, signal);
      continue;
    }
    const { issuance, resumed } = claim;
    onProgress({ step: resumed ? 'taken-over' : 'claimed', certificateId, names: issuance.names });
    const held = { certificateId, issuanceId: issuance.issuanceId, holder: context.holder };
    const { names, serialNumber, notAfter } = await drive(context, held, { config, signal, onProgress });
    return { certificateId, names, outcome: 'issued', serialNumber, notAfter };
  }
}

/**
 * Makes a managed certificate, or finds the one that these names have already, in a context that was caught up a moment ago. Rejects with `ManagerError`, `AcmeError`,
 * `StoreError`, or the signal's reason once the claim is released.
 */
export async function issue(
  context: Context,
  { names, challengeType = 'dns-01', profile, keyType, another = false }: IssueRequest,
  options: RunOptions & { readonly config: Configuration },
): Promise<IssueResult> {
  const subject = {
    names: parseSubject(names, challengeType),
    challengeType,
    profile,
    keyType: keyType === undefined ? undefined : parseKeyType(keyType),
    directory: defaultDirectory(options.config),
  };
  checkSolvable(options.config, subject.names, challengeType);
  const ids = { certificateId: createId(), issuanceId: createId() };
  const ask: AskForClaim = (state, now, terms, csr) =>
    claimNew(state, now, subject, { ...terms, ...ids, csr, another });
  return run(context, ask, { ...options, caughtUp: true });
}

/** Renews one certificate, due or not. Rejects as {@link issue}, and with `CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND`. */
export async function renew(
  context: Context,
  certificateId: string,
  options: RunOptions & {
    readonly config: Configuration;
    readonly wait?: boolean;
    /** Directories that failed as a whole in this run. */
    readonly unavailable?: ReadonlySet<string>;
    /** Default: renew in any case. Otherwise the outcome is `already-managed` where somebody else was first. */
    readonly only?: RenewalCondition;
  },
): Promise<IssueResult> {
  const certificate = context.view.state.certificate(certificateId);
  if (!certificate || certificate.removed) throw certificateNotFound(certificateId);
  const issuanceId = createId();
  const replaces = replacedBy(certificate);
  const choice = { authorities: options.config.authorities, unavailable: options.unavailable ?? new Set<string>() };
  const { only } = options;
  const otherwise = { challengeType: 'dns-01' as const, directory: defaultDirectory(options.config) };
  const ask: AskForClaim = (state, now, terms, csr) =>
    claimRenewal(state, now, certificateId, { ...terms, ...choice, issuanceId, csr, replaces, otherwise, only });
  return run(context, ask, options);
}
