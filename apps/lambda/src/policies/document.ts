/** IAM policy documents. */

/** Conditions by operator and key. */
export type Conditions = Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;

/** What a policy allows. */
export interface Statement {
  readonly Sid: string;
  readonly Effect: 'Allow';
  /** Who is allowed, in a policy of a resource. */
  readonly Principal?: { readonly AWS: readonly string[] };
  readonly Action: readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: Conditions;
}

/** An IAM policy document, as IAM's console and CLI take it. */
export interface PolicyDocument {
  readonly Version: '2012-10-17';
  readonly Statement: readonly Statement[];
}

/** A policy of some statements. */
export const document = (Statement: readonly Statement[]): PolicyDocument => ({ Version: '2012-10-17', Statement });

/**
 * The condition that a request carries these keys, and no other values in them. `ForAllValues` alone is true for a request that does not
 * carry a key at all (IAM user guide, "Multivalued context keys"), which `Null` refuses.
 */
export function onlyValues(
  operator: 'StringEquals' | 'StringLike',
  values: Readonly<Record<string, readonly string[]>>,
): Conditions {
  const keys = Object.keys(values);
  return { [`ForAllValues:${operator}`]: values, Null: Object.fromEntries(keys.map((key) => [key, 'false'])) };
}

/** The conditions of both, which all have to hold. */
export function both(one: Conditions, other: Conditions): Conditions {
  const operators = new Set([...Object.keys(one), ...Object.keys(other)]);
  return Object.fromEntries([...operators].map((name) => [name, { ...one[name], ...other[name] }]));
}
