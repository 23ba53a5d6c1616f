/** Problem documents (RFC 8555 §6.7). */
import type { Identifier } from './identifier.ts';

/** Problem types of RFC 8555 §6.7, RFC 9773 §7.4, the profiles draft and step-ca, with the status that goes with each. */
const STATUS = {
  accountDoesNotExist: 400,
  alreadyReplaced: 409,
  alreadyRevoked: 400,
  badCSR: 400,
  badNonce: 400,
  badPublicKey: 400,
  badRevocationReason: 400,
  badSignatureAlgorithm: 400,
  caa: 403,
  compound: 400,
  connection: 400,
  dns: 400,
  externalAccountRequired: 403,
  incorrectResponse: 403,
  invalidContact: 400,
  invalidProfile: 400,
  malformed: 400,
  notImplemented: 501,
  orderNotReady: 403,
  rateLimited: 429,
  rejectedIdentifier: 400,
  serverInternal: 500,
  tls: 400,
  unauthorized: 403,
  unsupportedContact: 400,
  unsupportedIdentifier: 400,
  userActionRequired: 403,
} as const;

/** Last part of a problem's URN. */
export type ProblemType = keyof typeof STATUS;

/** What a problem may say beside its type and detail. */
export interface ProblemOptions {
  /** Default: the one that goes with the type. */
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly subproblems?: readonly Subproblem[];
  /** Further members of the document, such as `algorithms`. */
  readonly members?: Readonly<Record<string, unknown>>;
}

/** A problem with one of several identifiers (RFC 8555 §6.7.1). */
export interface Subproblem {
  readonly type: ProblemType;
  readonly detail: string;
  readonly identifier: Identifier;
}

/** An answer that is a problem document (RFC 7807). Thrown by what serves a request, and kept by failed challenges. */
export class ProblemDocument extends Error {
  override readonly name = 'ProblemDocument';
  readonly type: ProblemType;
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[]>>;
  readonly #members: Readonly<Record<string, unknown>>;

  constructor(type: ProblemType, detail: string, { status, headers, subproblems, members }: ProblemOptions = {}) {
    super(detail);
    this.type = type;
    this.status = status ?? STATUS[type];
    this.headers = headers ?? {};
    this.#members = {
      ...members,
      ...(subproblems ? { subproblems: subproblems.map((each) => ({ ...each, type: urn(each.type) })) } : {}),
    };
  }

  toJSON(): object {
    return { type: urn(this.type), detail: this.message, status: this.status, ...this.#members };
  }
}

function urn(type: ProblemType): string {
  return `urn:ietf:params:acme:error:${type}`;
}

/** `malformed`, the problem of whatever breaks a rule that has no type of its own. */
export function malformed(detail: string, status?: number): ProblemDocument {
  return new ProblemDocument('malformed', detail, status === undefined ? {} : { status });
}

/** What is said of a resource that does not exist. */
export function notFound(what: string): ProblemDocument {
  return malformed(`${what} does not exist`, 404);
}
