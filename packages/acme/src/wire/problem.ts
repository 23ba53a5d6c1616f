/** Problem documents: what a CA refuses, in which words, and what that means for the caller. */
import { AcmeError, type AcmeErrorCode } from '../errors.ts';
import { isRecord, textOf } from './json.ts';

/** Prefix of the error types of RFC 8555 §6.7 and the documents that extend it. */
const PREFIX = 'urn:ietf:params:acme:error:';

/** One of several problems in one answer (RFC 8555 §6.7.1), such as one bad name of a hundred. */
export interface Subproblem {
  readonly type: string;
  readonly detail: string;
  /** The name that it is about, where the CA says so. */
  readonly identifier?: string;
}

/** A problem document (RFC 9457) as a CA sends it; text is cleaned of control characters and of challenge secrets. */
export interface Problem {
  /** A URN of RFC 8555 §6.7, or `about:blank` where the CA gave none. */
  readonly type: string;
  readonly detail: string;
  /** HTTP status. */
  readonly status: number;
  readonly instance?: string;
  readonly subproblems: readonly Subproblem[];
}

/**
 * What a problem means for the caller. `temporary`: try again soon; `rate-limited`: after `notBefore`; `account`: all orders of
 * the account fail; `authority`: the CA itself failed; `permanent-name`: this name will not pass until a person acts;
 * `permanent-request`: the same request will never pass; `operator-action`: a person has to do something at the CA.
 */
export type ProblemClass =
  | 'temporary'
  | 'rate-limited'
  | 'account'
  | 'authority'
  | 'permanent-name'
  | 'permanent-request'
  | 'operator-action';

const CLASS_OF: Readonly<Record<string, ProblemClass>> = {
  accountDoesNotExist: 'account',
  alreadyReplaced: 'permanent-request',
  alreadyRevoked: 'permanent-request',
  autoRenewalCanceled: 'permanent-request',
  autoRenewalCancellationInvalid: 'permanent-request',
  autoRenewalExpired: 'permanent-request',
  autoRenewalRevocationNotSupported: 'permanent-request',
  badCSR: 'permanent-request',
  badNonce: 'temporary',
  badPublicKey: 'account',
  badRevocationReason: 'permanent-request',
  badSignatureAlgorithm: 'account',
  caa: 'permanent-name',
  conflict: 'permanent-request',
  connection: 'temporary',
  dns: 'temporary',
  externalAccountRequired: 'operator-action',
  incorrectResponse: 'temporary',
  invalidContact: 'operator-action',
  invalidProfile: 'permanent-request',
  malformed: 'permanent-request',
  onionCAARequired: 'permanent-name',
  orderNotReady: 'temporary',
  rateLimited: 'rate-limited',
  rejectedIdentifier: 'permanent-name',
  serverInternal: 'authority',
  tls: 'temporary',
  unknownDelegation: 'permanent-request',
  unsupportedContact: 'operator-action',
  unsupportedIdentifier: 'permanent-name',
  userActionRequired: 'operator-action',
};

/** The part of an RFC 8555 type after the prefix; any other type as it is. */
export function shortType(type: string): string {
  return type.startsWith(PREFIX) ? type.slice(PREFIX.length) : type;
}

function classOfStatus(status: number): ProblemClass {
  if (status === 429) return 'rate-limited';
  return status >= 500 ? 'authority' : 'permanent-request';
}

/** Whether names were paused: a 429 without a time to come back and with a link, where waiting changes nothing (Let's Encrypt). */
export function isPaused({ type, detail }: Problem, retryAfter: Date | undefined): boolean {
  return shortType(type) === 'rateLimited' && !retryAfter && /paus/i.test(detail);
}

/** Types that blame the answer to a challenge where a validation ends with them. step-ca calls a wrong answer a rejected identifier. */
const OF_THE_ANSWER = new Set(['unauthorized', 'rejectedIdentifier']);

/**
 * Sorts a problem. `isValidation`: it came out of a challenge or of its order, where some types blame the answer and not the account or the
 * name, and one that is not known says no more than that the validation failed.
 */
export function classify(
  problem: Problem,
  { isValidation = false, notBefore }: { readonly isValidation?: boolean; readonly notBefore?: Date | undefined } = {},
): ProblemClass {
  const { type, detail, status, subproblems } = problem;
  const short = shortType(type);
  if (isPaused(problem, notBefore)) return 'operator-action';
  if (isValidation && OF_THE_ANSWER.has(short)) return 'temporary';
  if (short === 'unauthorized') return 'account';
  // The name itself is gone, unlike a TXT record that was not seen yet.
  if (short === 'dns' && /NXDOMAIN looking up (?:A|AAAA|CAA)\b/.test(detail)) return 'permanent-name';
  const [first] = subproblems;
  if (short === 'compound' && first)
    return classify({ ...first, status, subproblems: [] }, { isValidation, notBefore });
  const known = Object.hasOwn(CLASS_OF, short) ? CLASS_OF[short] : undefined;
  return known ?? (isValidation && status < 500 && status !== 429 ? 'temporary' : classOfStatus(status));
}

function parseSubproblem(value: unknown): Subproblem | undefined {
  if (!isRecord(value)) return undefined;
  const { type, detail, identifier } = value;
  const name = isRecord(identifier) ? textOf(identifier.value, 255) : undefined;
  return {
    type: textOf(type, 200) ?? 'about:blank',
    detail: textOf(detail, 1000) ?? '',
    ...(name ? { identifier: name } : {}),
  };
}

/** Reads a problem document; `undefined` where the value is not one. `status` counts where the document has none of its own. */
export function parseProblem(value: unknown, status: number): Problem | undefined {
  if (!isRecord(value) || (typeof value.type !== 'string' && typeof value.detail !== 'string')) return undefined;
  const { type, detail, instance, subproblems } = value;
  const values = Array.isArray(subproblems) ? subproblems.slice(0, 100) : [];
  const where = textOf(instance, 500);
  return {
    type: textOf(type, 200) ?? 'about:blank',
    detail: textOf(detail, 2000) ?? '',
    status: typeof value.status === 'number' ? value.status : status,
    ...(where ? { instance: where } : {}),
    subproblems: values.map(parseSubproblem).filter((each) => each !== undefined),
  };
}

/** Where an operator has to go: the page that a CA names for it (RFC 8555 §7.3.3), if it is one of the Web. */
function pageOf({ type, detail, instance }: Problem, terms: string | undefined): string | undefined {
  const short = shortType(type);
  const linkedTo = short === 'rateLimited' ? /https:\/\/[^\s"'<>]{1,2000}/.exec(detail)?.[0] : undefined;
  const candidates = short === 'userActionRequired' ? [instance, terms] : [linkedTo];
  const found = candidates.find((text) => URL.parse(text ?? '')?.protocol === 'https:');
  return found && textOf(found, 2000);
}

function describe({ type, detail, status, subproblems }: Problem, page: string | undefined): string {
  const kind = shortType(type);
  const head = detail ? `${detail} (${kind}, HTTP ${status})` : `${kind}, HTTP ${status}`;
  const others = subproblems.slice(0, 10).map(({ identifier = 'also', detail: why }) => `; ${identifier}: ${why}`);
  return head + others.join('') + (page && !detail.includes(page) ? `. See ${page}` : '');
}

/** What an {@link AcmeProblemError} is made of. */
export interface AcmeProblemOptions extends ErrorOptions {
  /** What was tried, as the beginning of the message. */
  readonly attempt: string;
  readonly url: string;
  /** Default `CERTBUS_ACME_PROBLEM`. */
  readonly code?: AcmeErrorCode;
  readonly notBefore?: Date | undefined;
  readonly isValidation?: boolean;
  /** Whether it is known to be a pause (`isPaused`), whatever `notBefore` says. Default: judged by `notBefore`. */
  readonly isPause?: boolean;
  /** The CA's terms, where it linked to them. */
  readonly terms?: string;
  /** Another resource that the CA pointed to. */
  readonly location?: string;
  /** As in `AcmeErrorOptions`. */
  readonly invalidNames?: readonly string[];
}

/**
 * A refusal in the CA's own words. `code` is `CERTBUS_ACME_PROBLEM`, or `CERTBUS_ACME_CHALLENGE_FAILED` and
 * `CERTBUS_ACME_ORDER_INVALID` where the problem was in an authorization or an order.
 */
export class AcmeProblemError extends AcmeError {
  override readonly name = 'AcmeProblemError';
  readonly problem: Problem;
  readonly class: ProblemClass;
  /** The resource that answered. */
  readonly url: string;
  /** The `Location` that came with it, such as the account that has a key already. Not checked to be at the CA. */
  readonly location: string | undefined;
  /** The https page where an operator can put it right, where the CA named one. */
  readonly page: string | undefined;

  constructor(problem: Problem, { attempt, url, terms, location, ...options }: AcmeProblemOptions) {
    const {
      code = 'CERTBUS_ACME_PROBLEM',
      notBefore,
      isValidation = false,
      isPause = false,
      cause,
      invalidNames = [],
    } = options;
    const page = pageOf(problem, terms);
    super(code, `${attempt}: ${describe(problem, page)}`, { cause, notBefore, invalidNames });
    this.problem = problem;
    this.class = isPause ? 'operator-action' : classify(problem, { notBefore, isValidation });
    this.url = url;
    this.location = location;
    this.page = page;
  }
}
