/** Runs the order of a claimed issuance at its CA, new or resumed. */
import { type Acme, AcmeError, obtain, type PresentedChallenge, type Solver, type Waiting } from '@certbus/acme';
import type { AnnouncedChallengeType, CsrWithKey, Issuance } from '@certbus/events';
import { openAccount } from '../accounts/open-account.ts';
import { authorityAt } from '../configuration/certificate-authorities.ts';
import type { CertificateAuthority, Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { needsRehearsal } from '../decide/destination.ts';
import { type HeldClaim, issuanceOf, presentChallenges, recordOrder, replaceCsr } from '../decide/issuance.ts';
import { createCsrWithKey, publicKeyOf } from './csr.ts';
import type { Progress } from './progress.ts';
import { rehearse } from './rehearsal.ts';
import { solverFor } from './solvers.ts';

/** What an order needs besides its claim. */
export interface OrderOptions {
  readonly config: Configuration;
  readonly signal: AbortSignal;
  /** Aborted once the claim is lost: then the order is left as it is, for the claim's new holder. */
  readonly lost: AbortSignal;
  /** Aborted soon after `signal`: ends what was being written then. */
  readonly last: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
  /** Takes whether the CA has issued, before the certificate is fetched, and that it is not to be had. */
  readonly noteIssued: (isIssued: boolean) => void;
  /** Does what needs the bus, again and again while the bus fails and the claim lasts. */
  readonly persist: <T>(work: () => Promise<T>) => Promise<T>;
}

/** An order that is being run. */
interface Run extends OrderOptions {
  readonly claim: HeldClaim;
  readonly issuance: Issuance;
  readonly authority: CertificateAuthority;
  /** Either of the signals. */
  readonly stop: AbortSignal;
}

/** A chain in DER, leaf first. */
export interface ObtainedChain {
  readonly leaf: Uint8Array;
  readonly issuers: readonly Uint8Array[];
}

/** The CSR of an issuance that asks for this public key (SPKI in DER). */
export function csrFor(context: Context, claim: HeldClaim, spki: Uint8Array): CsrWithKey | undefined {
  const { csrs } = issuanceOf(context.view.state, claim);
  return csrs.find((csr) => Buffer.compare(publicKeyOf(csr), spki) === 0);
}

/** The CSR to finalize with: another one where the recipients changed since the last key was sealed. */
async function currentCsr(context: Context, { claim, issuance, authority, stop, persist }: Run): Promise<CsrWithKey> {
  const { bus } = context.view.state;
  const last = issuance.csrs.at(-1);
  if (last?.recipientsPosition === bus.recipientsPosition) return last;
  const csr = await createCsrWithKey(issuance, bus, authority);
  await persist(() => decide(context, (state) => replaceCsr(state, claim, csr), { signal: stop }));
  return csr;
}

/** Logs a warning and shows it to those who watch. */
const warner =
  ({ logger }: Context, { claim, issuance: { names }, onProgress }: Run) =>
  (message: string): void => {
    logger.warn(message, { names });
    onProgress({ step: 'warning', certificateId: claim.certificateId, names, message });
  };

type AnnouncedChallenge = PresentedChallenge & { readonly type: AnnouncedChallengeType };

/** Whether clients answer challenges of this type. */
const isAnnounced = (challenge: PresentedChallenge): challenge is AnnouncedChallenge =>
  challenge.type === 'http-01' || challenge.type === 'tls-alpn-01';

/** Shows what is waited for to those who watch. */
const waiter =
  ({ claim, issuance: { names }, onProgress }: Run) =>
  ({ why, until }: Waiting): void =>
    onProgress({ step: 'pending', certificateId: claim.certificateId, names, message: why, until });

/** The solver for an issuance, which reports when it waits for its answers to be visible. */
async function watchedSolver(context: Context, run: Run): Promise<Solver> {
  const { config, claim, issuance, stop, onProgress, persist } = run;
  const { names, challengeType } = issuance;
  const publish = async (challenges: readonly PresentedChallenge[]) => {
    const announced = challenges.filter(isAnnounced).map(({ type, name, token, keyAuthorization }) => {
      return { challengeType: type, name, token, thumbprint: keyAuthorization.slice(token.length + 1) };
    });
    await persist(() =>
      decide(context, (state, now) => presentChallenges(state, now, claim, announced), { signal: stop }),
    );
  };
  const warn = warner(context, run);
  const solver = await solverFor(config, { names, challengeType, publish, warn }, context.solvers);
  return {
    challenges: solver.challenges,
    present: (challenges, options) => solver.present(challenges, options),
    ready(challenges, options) {
      onProgress({ step: 'answered', certificateId: claim.certificateId, names, challengeType });
      return solver.ready(challenges, { ...options, onWaiting: waiter(run), onWarning: warn });
    },
    cleanUp: (challenges, options) => solver.cleanUp(challenges, options),
  };
}

async function rehearseWhereNeeded(context: Context, run: Run, solver: Solver): Promise<void> {
  const { config, claim, issuance, authority, stop } = run;
  const certificate = context.view.state.certificate(claim.certificateId);
  if (issuance.orderUrl !== undefined || authority.staging === undefined) return;
  if (!certificate || !needsRehearsal(certificate)) return;
  await rehearse(context, { config, authority, issuance, solver, signal: stop });
}

/** What an authority's settings ask of each order there. */
function settingsOf({ preferredChain, ifProfileMissing }: CertificateAuthority) {
  return { ...(preferredChain ? { preferredChain } : {}), ...(ifProfileMissing ? { ifProfileMissing } : {}) };
}

/** How the order is made where there is none to resume. */
async function obtainChain(
  context: Context,
  run: Run,
  { ca, csr, solver, resume }: { ca: Acme; csr: CsrWithKey; solver: Solver; resume: string | undefined },
): Promise<ObtainedChain> {
  const { claim, issuance, authority, signal, lost, last, onProgress, noteIssued, persist } = run;
  // An order that is not on the bus is lost: the next run would make another one.
  const writing = AbortSignal.any([last, lost]);
  const { names, challengeType, profile, replaces } = issuance;
  const { warnings, ...chain } = await obtain(ca, {
    names,
    csr: Buffer.from(csr.csr, 'base64'),
    acceptKey: (spki) => csrFor(context, claim, spki) !== undefined,
    challenge: challengeType,
    solver,
    ...(profile ? { profile } : {}),
    ...settingsOf(authority),
    ...(replaces ? { replaces } : {}),
    ...(resume ? { resume } : {}),
    // The client has logged it.
    onWarning: (message) => onProgress({ step: 'warning', certificateId: claim.certificateId, names, message }),
    onWaiting: waiter(run),
    onIssued: () => noteIssued(true),
    async onOrder(url) {
      await persist(() => decide(context, (state) => recordOrder(state, claim, url), { signal: writing }));
      onProgress({ step: 'order', certificateId: claim.certificateId, names, orderUrl: url });
    },
    signal,
    abandon: lost,
  });
  warnings.forEach(warner(context, run));
  return chain;
}

const isGone = (error: unknown): boolean => error instanceof AcmeError && error.code === 'CERTBUS_ACME_ORDER_GONE';

/**
 * Runs the order of a claimed issuance to its certificate: the one that is recorded, or a new one, and once more a new one where that leads
 * nowhere. Rejects as `obtain` and
 * `openAccount` do, with a `ManagerError`, or with a `StoreError`.
 */
export async function runOrder(context: Context, claim: HeldClaim, options: OrderOptions): Promise<ObtainedChain> {
  const issuance = issuanceOf(context.view.state, claim);
  const authority = authorityAt(options.config, issuance.directory);
  const stop = AbortSignal.any([options.signal, options.lost]);
  const run: Run = { ...options, claim, issuance, authority, stop };
  const csr = await currentCsr(context, run);
  const solver = await watchedSolver(context, run);
  await rehearseWhereNeeded(context, run, solver);
  const ca = await run.persist(() => openAccount(context, authority, { config: options.config, signal: stop }));
  const resume = issuance.orderUrl;
  try {
    return await obtainChain(context, run, { ca, csr, solver, resume });
  } catch (error) {
    if (!isGone(error)) throw error;
    options.noteIssued(false);
    // What was left behind, or took too long, is not worth finishing; the claim and its key serve a new order.
    context.logger.info('ordering again', { names: issuance.names, why: String(error) });
    return await obtainChain(context, run, { ca, csr, solver, resume: undefined });
  }
}
