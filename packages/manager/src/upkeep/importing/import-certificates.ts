/** Brings certificates from elsewhere onto the bus, each checked and its private key sealed to the recipients. */
import { type ChallengeType, createId, seal } from '@certbus/events';
import { StoreError } from '@certbus/store';
import { authorityNamed } from '../../configuration/certificate-authorities.ts';
import type { Configuration } from '../../configuration/configuration.ts';
import { type Context, decide } from '../../context.ts';
import {
  type ImportedContent,
  type ImportVerdict,
  recordImported,
  type SealedToRecipients,
  verdictOf,
} from '../../decide/importing.ts';
import { dnsSettingsFor } from '../../issuance/solvers.ts';
import { parseSubject } from '../../issuance/subject.ts';
import { checkImportedPair, type FoundPair } from './pair.ts';
import { passOver } from './selection.ts';
import { authorityOf, type CaHint } from './source-authority.ts';

/** A certificate to import, and where it was found. */
export interface ImportCandidate extends FoundPair {
  readonly source: string;
  /** The CA that issued it, as far as it is known. */
  readonly ca: CaHint;
}

/** How certificates are imported. */
export interface ImportOptions {
  /**
   * Renew them from now on: at this authority of the configuration, by its name; else at the one that issued them, else at the default one.
   * Default: their end is watched, and they are not renewed.
   */
  readonly manage?: { readonly authority?: string | undefined; readonly challengeType: ChallengeType } | undefined;
  /** Check and decide, and write nothing. Default false. */
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
}

/** What became of one certificate. Never a key. */
export interface ImportOutcome {
  readonly source: string;
  /** As {@link ImportVerdict}; `refused`: something is wrong with it, and nothing of it was written. */
  readonly outcome: ImportVerdict['outcome'] | 'refused';
  /** `undefined` where there is none, and for one that a dry run would import. */
  readonly certificateId: string | undefined;
  readonly names: readonly string[];
  /** ISO 8601. */
  readonly notAfter: string | undefined;
  /** Directory of the CA that it is renewed at from now on; `undefined` where it is not renewed. */
  readonly renewedAt: string | undefined;
  /** Why it was skipped or refused, or what its owner should know. */
  readonly why: string | undefined;
}

/** How many keys are sealed, and wait for one commit, at a time. */
const AT_A_TIME = 20;

interface Checked {
  readonly source: string;
  readonly pair: ImportedContent & { readonly key: string; readonly note: string | undefined };
}

const IN_DNS: ReadonlySet<ChallengeType> = new Set(['dns-01', 'dns-account-01']);

/** Why names cannot be renewed as they are asked for: `never`, or not before the configuration has what is missing. */
function renewalProblem(
  names: readonly string[],
  { challengeType }: { readonly challengeType: ChallengeType },
  config: Configuration,
): { readonly isFinal: boolean; readonly why: string } | undefined {
  try {
    parseSubject(names, challengeType);
  } catch (error) {
    return { isFinal: true, why: `it is not renewed: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (!IN_DNS.has(challengeType)) return undefined;
  const uncovered = names.find((name) => dnsSettingsFor(config, name) === undefined);
  if (uncovered === undefined) return undefined;
  return {
    isFinal: false,
    why: `no DNS settings cover ${uncovered}: add its zone with "certbus conf update" before it is renewed`,
  };
}

function check(
  { source, ca, ...found }: ImportCandidate,
  { config, manage, now }: Pick<ImportOptions, 'manage'> & { readonly config: Configuration; readonly now: Date },
): Checked | ImportOutcome {
  const pair = checkImportedPair(found, now);
  const notAfter = found.leaf.validToDate.toISOString();
  if ('why' in pair) return { source, certificateId: undefined, names: [], notAfter, renewedAt: undefined, ...pair };
  const issuer = authorityOf(config, ca);
  const named = manage?.authority === undefined ? issuer : authorityNamed(config, manage.authority);
  const { directory } = named ?? authorityNamed(config);
  const problem = manage && renewalProblem(pair.names, manage, config);
  const renewal = manage && !problem?.isFinal ? { directory, challengeType: manage.challengeType } : undefined;
  const note = [pair.note, problem?.why].filter(Boolean).join('; ') || undefined;
  return { source, pair: { ...pair, note, issuedBy: issuer?.directory, renewal } };
}

function outcomeOf({ source, pair }: Checked, verdict: ImportVerdict): ImportOutcome {
  const { names, notAfter, renewal, note } = pair;
  const isTaken = verdict.outcome !== 'skipped' && verdict.outcome !== 'unchanged';
  return {
    source,
    outcome: verdict.outcome,
    certificateId: verdict.certificateId,
    names,
    notAfter: notAfter.toISOString(),
    renewedAt: isTaken ? renewal?.directory : undefined,
    why: verdict.outcome === 'skipped' ? verdict.why : note,
  };
}

/** What became of a certificate that is, with its issuers, larger than a commit of the bus. */
function tooLarge({ source, pair: { names, notAfter } }: Checked): ImportOutcome {
  const why = 'it is larger, with its issuers, than the bus can hold';
  const end = notAfter.toISOString();
  return { source, outcome: 'refused', certificateId: undefined, names, notAfter: end, renewedAt: undefined, why };
}

/** Seals the key of a certificate where the bus wants it, and records both. */
async function importOne(context: Context, checked: Checked, { signal }: ImportOptions): Promise<ImportOutcome> {
  const fresh = createId();
  let sealed: SealedToRecipients | undefined;
  for (;;) {
    signal.throwIfAborted();
    const record = { fresh, sealed };
    const recorded = await decide(context, (state) => recordImported(state, checked.pair, record), { signal }).catch(
      (error: unknown) => {
        if (error instanceof StoreError && error.code === 'CERTBUS_STORE_TOO_LARGE') return undefined;
        throw error;
      },
    );
    if (!recorded) return tooLarge(checked);
    if (recorded.isSealed) return outcomeOf(checked, recorded.verdict);
    // Recipients can change between two decisions.
    const { recipients, recipientsPosition } = context.view.state.bus;
    sealed = { sealedKey: await seal(checked.pair.key, recipients), recipientsPosition };
  }
}

/**
 * Imports certificates. One that is wrong keeps none of the others from it, and is an outcome; a second run changes nothing. Rejects
 * `CERTBUS_MANAGER_CONFIG_INVALID` for an authority that is not there, as `decide` does, and with the signal's reason; what was imported by
 * then stays.
 */
export async function importCertificates(
  context: Context,
  candidates: readonly ImportCandidate[],
  options: ImportOptions & { readonly config: Configuration },
): Promise<readonly ImportOutcome[]> {
  const { signal, isDryRun = false } = options;
  const looked = candidates.map((candidate) => check(candidate, { ...options, now: context.now() }));
  const good = looked.filter((each): each is Checked => 'pair' in each);
  const passed = passOver(good);
  const outcomes: ImportOutcome[] = [];
  const settle = async (each: Checked | ImportOutcome): Promise<ImportOutcome> => {
    if (!('pair' in each)) return each;
    const why = passed.get(each);
    if (why !== undefined)
      return { ...outcomeOf(each, { outcome: 'skipped', certificateId: '', why }), certificateId: undefined };
    return isDryRun ? outcomeOf(each, verdictOf(context.view.state, each.pair)) : importOne(context, each, options);
  };
  for (let from = 0; from < looked.length; from += AT_A_TIME) {
    signal.throwIfAborted();
    outcomes.push(...(await Promise.all(looked.slice(from, from + AT_A_TIME).map(settle))));
  }
  return outcomes;
}
