/** Looks at the CAA records of a name as a CA will. */
import { type CaaQuestion, type CaaRecord, objectionOf } from './caa.ts';

/**
 * Port: the CAA records of one name, aliases followed; empty where it has none or does not exist. Rejects where DNS gives no answer,
 * or with the signal's reason.
 */
export type CaaResolver = (name: string, options: { readonly signal: AbortSignal }) => Promise<readonly CaaRecord[]>;

/** How a CA will judge a name's CAA records. */
export type CaaVerdict =
  | { readonly verdict: 'allowed'; readonly at: string | undefined; readonly records: readonly CaaRecord[] }
  | {
      readonly verdict: 'forbidden';
      /** The name that has the records. */
      readonly at: string;
      readonly records: readonly CaaRecord[];
      /** In words for the operator. */
      readonly why: string;
    }
  /** DNS gave no answer at this name: a CA refuses as well, until it does. */
  | { readonly verdict: 'unknown'; readonly at: string; readonly why: string };

/** What to check. */
export interface CaaCheck extends Omit<CaaQuestion, 'isWildcard'> {
  /** Default: whether the name begins with `*.`. */
  readonly isWildcard?: boolean;
  readonly resolver: CaaResolver;
  readonly signal: AbortSignal;
}

/** A DNS name has no more labels. */
const MAX_LABELS = 127;

/**
 * Looks at CAA as a CA will, so that its refusal costs no failed authorization (RFC 8659, RFC 8657): the records nearest to the name
 * count, from the name itself upwards; aliases are followed at each, and their targets' parents are not looked at. Rejects with the
 * signal's reason only.
 */
export async function checkCaa(name: string, { resolver, signal, ...check }: CaaCheck): Promise<CaaVerdict> {
  const isWildcard = check.isWildcard ?? name.startsWith('*.');
  const labels = name.toLowerCase().replace(/^\*\./, '').replace(/\.$/, '').split('.').slice(0, MAX_LABELS);
  for (let from = 0; from < labels.length; from += 1) {
    const at = labels.slice(from).join('.');
    try {
      const records = await resolver(at, { signal });
      if (records.length === 0) continue;
      const objection = objectionOf(records, { ...check, isWildcard });
      if (objection === undefined) return { verdict: 'allowed', at, records };
      return { verdict: 'forbidden', at, records, why: `CAA of ${at} ${objection}` };
    } catch (error) {
      signal.throwIfAborted();
      const why = `CAA of ${at} cannot be looked up: ${error instanceof Error ? error.message : String(error)}`;
      return { verdict: 'unknown', at, why };
    }
  }
  return { verdict: 'allowed', at: undefined, records: [] };
}
