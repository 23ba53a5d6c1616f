/** Revokes many certificates that were replaced, once what replaced them has been served for a while. */
import { REVOCATION_REASONS, type RevocationReason, revoke } from '@certbus/acme';
import { type CampaignPredicate, createOpener, type ManagedCertificate } from '@certbus/events';
import { MAX_RETIRED } from '@certbus/events/history';
import { openAccount } from '../accounts/open-account.ts';
import { authorityAt } from '../configuration/certificate-authorities.ts';
import type { Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import {
  asAgreed,
  asOnBus,
  type Found,
  keptBy,
  type RevocableCertificate,
  recordRevocation,
  revocableIn,
} from '../decide/revocation.ts';
import { rootHistoryOf } from '../state/root-history.ts';
import { issuedFilter, type Predicate, resolvePredicate } from './campaign/predicate.ts';
import { cameFromElsewhere } from './revocation.ts';
import { inTurns } from './turns.ts';

/** Which certificates are to be revoked. */
export interface MassRevocationRequest {
  readonly predicate: Predicate;
  /** How long what replaced one has been served at least, milliseconds; default an hour. */
  readonly servedForMs?: number | undefined;
}

/** Why, and who signs. */
export interface MassRevocationTerms {
  readonly reason: RevocationReason;
  /**
   * An age identity that opens the private keys: each certificate's own key signs then in the place of the account (RFC 8555 section 7.6). Default the
   * account.
   */
  readonly identity?: string | undefined;
  /**
   * Only these of what is ready are revoked, as {@link findRevocable} named them: what people agreed to. Others are `waiting`. Default all.
   */
  readonly leafHashes?: readonly string[] | undefined;
}

/** What became of one certificate. */
export interface RevocationOutcome extends Omit<RevocableCertificate, 'state' | 'leafHash'> {
  /** `revoked` and `failed` of what was `ready`. */
  readonly outcome: 'revoked' | 'failed' | Exclude<RevocableCertificate['state'], 'ready'>;
  /** With `failed`. */
  readonly error?: unknown;
}

const SERVED_FOR_MS = 3_600_000;
/** A CA takes ten revocations a second of an address; the limiter of its requests keeps to half of that. */
const PARALLEL = 4;

async function find(
  context: Context,
  config: Configuration,
  { predicate, servedForMs = SERVED_FOR_MS }: MassRevocationRequest,
): Promise<readonly Found[]> {
  const history = rootHistoryOf(context.view);
  const resolved: CampaignPredicate = resolvePredicate(predicate, config, history);
  const fits = issuedFilter(resolved, history);
  const found: Found[] = [];
  const kept: Found[] = [];
  const { state } = context.view;
  const now = context.now();
  const timing = { now, servedForMs };
  function take(certificate: ManagedCertificate): void {
    found.push(...revocableIn(certificate, { fits, ...timing }));
    const { certificateId, retired = [] } = certificate;
    if (retired.filter(({ distrusted }) => !distrusted).length < MAX_RETIRED) return;
    const what = `this certificate has ${MAX_RETIRED} or more older leaves: conditions can miss some that are still valid. Find them with "certbus bus log --type CertificateObtained --type CertificateImported", and revoke each with "certbus cert revoke ${certificateId} --serial SERIAL"; see the guide "Replace and revoke many certificates"`;
    context.logger.warn(what, { certificateId, older: retired.length });
  }
  for await (const certificate of inTurns(state.all())) take(certificate);
  for await (const certificate of inTurns(state.retired(now))) {
    take(certificate);
    kept.push(...keptBy(certificate, timing));
  }
  const options = { ...timing, kept: Map.groupBy(kept, ({ leafHash }) => leafHash) };
  const onBus: Found[] = [];
  for await (const each of inTurns(found))
    onBus.push(each.state === 'not-replaced' ? each : asOnBus(state, each, options));
  return onBus;
}

/** What a predicate fits and has not ended, and which of it can be revoked now. Rejects as `resolvePredicate` throws. */
export async function findRevocable(
  context: Context,
  config: Configuration,
  request: MassRevocationRequest,
): Promise<readonly RevocableCertificate[]> {
  return (await find(context, config, request)).map(({ issued: _, ...each }) => each);
}

/** Revokes one at the CA that issued it, and records it. */
async function revokeOne(
  context: Context,
  { certificateId, issued }: Found,
  {
    config,
    reason,
    identity,
    signal,
  }: MassRevocationTerms & { readonly config: Configuration; readonly signal: AbortSignal },
): Promise<void> {
  const { directory, leafHash } = issued;
  // What came from elsewhere is never `ready`.
  if (directory === undefined) throw cameFromElsewhere(issued);
  const leaf = Buffer.from(issued.leaf, 'base64');
  const authority = authorityAt(config, directory);
  const certificateKey = identity === undefined ? undefined : await createOpener(identity).openKeyOf(issued);
  const ca = await openAccount(context, authority, { config, signal });
  await revoke(ca, leaf, { reason, signal, ...(certificateKey === undefined ? {} : { certificateKey }) });
  await decide(context, (state) =>
    recordRevocation(state, { certificateId, leafHash, reason: REVOCATION_REASONS[reason] }),
  );
}

/**
 * Revokes what a predicate fits and was replaced long enough ago; one that fails holds no other up. What was revoked already counts as
 * revoked, so it can be run until nothing is `waiting` or `not-replaced`. Rejects as `resolvePredicate` throws, and with the signal's reason.
 */
export async function revokeReplaced(
  context: Context,
  config: Configuration,
  {
    request,
    signal,
    leafHashes,
    onOutcome = () => {},
    ...terms
  }: MassRevocationTerms & {
    readonly request: MassRevocationRequest;
    readonly signal: AbortSignal;
    /** Hears of each as it is done. */
    readonly onOutcome?: (outcome: RevocationOutcome) => void;
  },
): Promise<readonly RevocationOutcome[]> {
  const found = asAgreed(await find(context, config, request), { leafHashes, now: context.now() });
  const outcomes: RevocationOutcome[] = [];
  const note = (outcome: RevocationOutcome) => {
    outcomes.push(outcome);
    onOutcome(outcome);
  };
  const left = found.filter(({ state }) => state === 'ready').reverse();
  async function work(): Promise<void> {
    for (let next = left.pop(); next; next = left.pop()) {
      signal.throwIfAborted();
      const { issued: _, state: __, leafHash: ___, ...subject } = next;
      try {
        await revokeOne(context, next, { ...terms, config, signal });
        note({ ...subject, outcome: 'revoked' });
      } catch (error) {
        signal.throwIfAborted();
        note({ ...subject, outcome: 'failed', error });
      }
    }
  }
  for (const { issued: _, leafHash: __, state, ...subject } of found)
    if (state !== 'ready') note({ ...subject, outcome: state });
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return outcomes;
}
