/** Takes the account key of another ACME client into use, so that the account, its orders and its limits stay. */
import type { KeyObject } from 'node:crypto';
import { type Acme, AcmeError, accountThumbprint, findAccountKey } from '@certbus/acme';
import type { CertificateAuthority, Configuration } from '../configuration/configuration.ts';
import { type Context, decide } from '../context.ts';
import { abandonRollOver, proposeFirstKey, startRollOvers } from '../decide/accounts.ts';
import { accountAt, nextKeyAt } from '../state/accounts.ts';
import { authorityOf, type CaHint, describeHint } from '../upkeep/importing/source-authority.ts';
import { openAccountKey, sealAccountKey } from './account-key.ts';
import { connectWithKey } from './connect.ts';
import { inTurn } from './in-turn.ts';
import { registerWithKey } from './registration.ts';
import { retireReplaced } from './replacement.ts';

/** An account key that another client left, and where it was found. */
export interface AccountCandidate {
  readonly source: string;
  readonly ca: CaHint;
  readonly key: KeyObject;
}

/** How account keys are taken into use. */
export interface AdoptionOptions {
  /** Put the account in the place of the one that the bus has at that CA, and deactivate that one. Default false: it is skipped. */
  readonly replace?: boolean;
  /** Decide, and neither write anything nor ask a CA. Default false. */
  readonly isDryRun?: boolean;
  readonly signal: AbortSignal;
}

/** What became of one account key. Never the key. */
export interface AdoptionOutcome {
  readonly source: string;
  readonly outcome: 'imported' | 'replaced' | 'unchanged' | 'skipped' | 'refused';
  /** Of the CA; `undefined` where the configuration has none that fits. */
  readonly directory: string | undefined;
  readonly thumbprint: string | undefined;
  readonly accountUrl: string | undefined;
  readonly why: string | undefined;
}

type Verdict = Pick<AdoptionOutcome, 'outcome'> & { readonly why?: string; readonly accountUrl?: string | undefined };

/** What would become of a key at a CA, by what the bus has there. */
function verdictAt(
  { view }: Context,
  directory: string,
  { thumbprint, replace }: { readonly thumbprint: string; readonly replace: boolean },
): Verdict {
  const { bus } = view.state;
  const account = accountAt(bus, directory);
  const next = nextKeyAt(bus, directory);
  if (account?.thumbprint === thumbprint) return { outcome: 'unchanged', accountUrl: account.accountUrl };
  if (account && next && next.thumbprint !== thumbprint)
    return {
      outcome: 'skipped',
      why: 'a roll-over of that account to another key was interrupted; "certbus account rollover" completes it',
    };
  if (!account) return { outcome: 'imported' };
  if (replace) return { outcome: 'replaced' };
  const why = `the bus has the account ${account.accountUrl} there; --replace-account puts this one in its place and deactivates that one`;
  return { outcome: 'skipped', accountUrl: account.accountUrl, why };
}

interface Adoption {
  readonly authority: CertificateAuthority;
  readonly accountKey: string;
  readonly thumbprint: string;
}

/** Gives up the first key of an account that was begun and never registered; false where the CA has an account with it. */
async function clearTheWay(
  context: Context,
  { directory }: CertificateAuthority,
  { ca, thumbprint, signal }: { readonly ca: Acme; readonly thumbprint: string; readonly signal: AbortSignal },
): Promise<boolean> {
  const { bus } = context.view.state;
  const begun = nextKeyAt(bus, directory);
  if (!begun || begun.thumbprint === thumbprint || accountAt(bus, directory)) return true;
  const accountKeys = [await openAccountKey(context, begun)];
  if (await findAccountKey(ca, { accountKeys, signal })) return false;
  await decide(context, (state) => abandonRollOver(state, directory, begun.thumbprint), { signal });
  return true;
}

/** Records the key, and then its account: a run that ends in between is completed by the next order at that CA. */
async function adoptAt(
  context: Context,
  { authority, accountKey, thumbprint }: Adoption,
  { config, signal, replace = false }: AdoptionOptions & { readonly config: Configuration },
): Promise<Verdict> {
  const { directory } = authority;
  const verdict = verdictAt(context, directory, { thumbprint, replace });
  if (verdict.outcome !== 'imported' && verdict.outcome !== 'replaced') return verdict;
  const ca = connectWithKey(context, authority, { accountKey });
  const found = await findAccountKey(ca, { accountKeys: [accountKey], signal });
  if (!found) return { outcome: 'skipped', why: 'the CA knows no account with this key' };
  if (!(await clearTheWay(context, authority, { ca, thumbprint, signal })))
    return {
      outcome: 'skipped',
      why: 'the CA has an account of the bus already; "certbus account register" records it',
    };
  const key = await sealAccountKey(context, accountKey);
  const former = accountAt(context.view.state.bus, directory);
  const options = { authority, config, signal };
  if (!former) {
    await decide(context, (state) => proposeFirstKey(state, directory, key), { signal });
    await registerWithKey(context, options, { key });
  } else {
    const start = { fresh: new Map([[directory, key]]), keysBefore: Number.MAX_SAFE_INTEGER };
    await decide(context, (state) => startRollOvers(state, start), { signal });
    await registerWithKey(context, options, { key, replaces: former.accountUrl });
    await retireReplaced(context, authority, signal);
  }
  const now = accountAt(context.view.state.bus, directory);
  if (now?.thumbprint === thumbprint) return { ...verdict, accountUrl: now.accountUrl };
  return { outcome: 'skipped', why: 'another manager registered an account there meanwhile' };
}

/** The key as the ACME client takes it, and its thumbprint; in words why it takes it not. */
function readKey(key: KeyObject): { readonly accountKey: string; readonly thumbprint: string } | string {
  try {
    const accountKey = key.export({ type: 'pkcs8', format: 'pem' }).toString();
    return { accountKey, thumbprint: accountThumbprint(accountKey) };
  } catch (error) {
    return error instanceof AcmeError ? error.message : 'it is not an account key';
  }
}

async function adopt(
  context: Context,
  { source, ca, key }: AccountCandidate,
  options: AdoptionOptions & { readonly config: Configuration },
): Promise<AdoptionOutcome> {
  const authority = authorityOf(options.config, ca);
  const directory = authority?.directory;
  const nothing = { source, directory, thumbprint: undefined, accountUrl: undefined };
  const read = readKey(key);
  if (typeof read === 'string') return { ...nothing, outcome: 'refused', why: read };
  const { thumbprint } = read;
  if (!authority) {
    const why = `the configuration has no authority at ${describeHint(ca)}; add it with "certbus conf update" and import again`;
    return { ...nothing, thumbprint, outcome: 'skipped', why };
  }
  const { replace = false, isDryRun = false } = options;
  let verdict = verdictAt(context, authority.directory, { thumbprint, replace });
  if (!isDryRun)
    await inTurn(context.connections, authority.directory, async () => {
      verdict = await adoptAt(context, { authority, ...read }, options).catch((error: unknown): Verdict => {
        if (!(error instanceof AcmeError)) throw error;
        // A CA that is down keeps no certificate from being imported.
        return { outcome: 'refused', why: error.message };
      });
    });
  return { ...nothing, thumbprint, why: undefined, ...verdict };
}

const TAKEN: ReadonlySet<AdoptionOutcome['outcome']> = new Set(['imported', 'replaced', 'unchanged']);

/**
 * Takes account keys into use, one after the other; of two for one CA the first that it knows counts. Nothing is registered at a CA that does not know
 * the key; what a CA refuses is an outcome. Others may have such a key: it is to be rolled over once the program that left it is stopped. Rejects as `decide` does; it can be repeated.
 */
export async function adoptAccounts(
  context: Context,
  candidates: readonly AccountCandidate[],
  options: AdoptionOptions & { readonly config: Configuration },
): Promise<readonly AdoptionOutcome[]> {
  const outcomes: AdoptionOutcome[] = [];
  const taken = new Map<string, string>();
  for (const candidate of candidates) {
    const directory = authorityOf(options.config, candidate.ca)?.directory;
    const first = directory === undefined ? undefined : taken.get(directory);
    if (first !== undefined) {
      const why = `${first} is another account of this CA; a bus has one at each`;
      outcomes.push({
        source: candidate.source,
        directory,
        thumbprint: undefined,
        accountUrl: undefined,
        outcome: 'skipped',
        why,
      });
      continue;
    }
    const outcome = await adopt(context, candidate, options);
    outcomes.push(outcome);
    if (directory !== undefined && TAKEN.has(outcome.outcome)) taken.set(directory, candidate.source);
  }
  return outcomes;
}
