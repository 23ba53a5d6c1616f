/** The authorizations of an order: what a CA answers about each name, and why it did not confirm one. */
import { AcmeError } from '../errors.ts';
import type { Engine, Resource, Session } from '../wire/engine.ts';
import { isRecord } from '../wire/json.ts';
import { AcmeProblemError, type Problem } from '../wire/problem.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { canonicalName } from './identifier.ts';

const STATUSES = ['pending', 'valid', 'invalid', 'deactivated', 'expired', 'revoked'] as const;

/** States of an authorization (RFC 8555 §7.1.6). */
type AuthorizationStatus = (typeof STATUSES)[number];

/** An authorization (RFC 8555 §7.1.4). */
export interface Authorization {
  readonly url: string;
  readonly status: AuthorizationStatus;
  /** A DNS name without `*.`, or an IP address. */
  readonly name: string;
  readonly isWildcard: boolean;
  readonly challenges: readonly Challenge[];
  readonly retryAfter: Date | undefined;
}

/** Reads an authorization. Throws `CERTBUS_ACME_NOT_ACME`. */
export function parseAuthorization({ body, retryAfter }: Resource, url: string): Authorization {
  const fields = isRecord(body) ? body : {};
  const status = STATUSES.find((known) => known === fields.status);
  const { identifier } = fields;
  const name = isRecord(identifier) ? identifier.value : undefined;
  if (!status || typeof name !== 'string' || !/^[a-z0-9._:-]{1,253}$/i.test(name)) {
    const message = `The authorization ${url} cannot be read: it lacks a known status or a name.`;
    throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
  }
  const isWildcard = fields.wildcard === true;
  return {
    url,
    status,
    name: canonicalName(name),
    isWildcard,
    challenges: parseChallenges(fields.challenges),
    retryAfter,
  };
}

/** Reads one authorization's state. */
export async function readAuthorization(session: Session, url: string): Promise<Authorization> {
  return parseAuthorization(await session.read(url), url);
}

function withoutToken(problem: Problem, tokens: readonly string[]): Problem {
  const clean = (text: string) => tokens.reduce((rest, token) => rest.replaceAll(token, '…'), text);
  const subproblems = problem.subproblems.map((each) => ({ ...each, detail: clean(each.detail) }));
  return { ...problem, detail: clean(problem.detail), subproblems };
}

/** What an authorization is for, as it was ordered. */
export const subjectOf = ({ name, isWildcard }: Pick<Authorization, 'name' | 'isWildcard'>): string =>
  isWildcard ? `*.${name}` : name;

/** `CERTBUS_ACME_CHALLENGE_FAILED` with the CA's words about one challenge of an authorization; it MUST have an error. */
export function challengeError(
  { url, name, isWildcard, status, challenges, retryAfter }: Authorization,
  challenge: Pick<Challenge, 'type' | 'url'>,
  invalidNames: readonly string[] = [],
): AcmeProblemError {
  const error = challenges.find((each) => each.url === challenge.url)?.error;
  if (!error) throw new TypeError(`The challenge ${challenge.url} has no error`);
  const tokens = challenges.flatMap(({ token }) => token ?? []);
  return new AcmeProblemError(withoutToken(error, tokens), {
    attempt: `The CA could not confirm ${subjectOf({ name, isWildcard })} by ${challenge.type}`,
    url,
    code: 'CERTBUS_ACME_CHALLENGE_FAILED',
    isValidation: true,
    // Where it is still open, the CA says when it looks again.
    notBefore: status === 'pending' ? retryAfter : undefined,
    invalidNames,
  });
}

function failureOf(authorization: Authorization, invalidNames: readonly string[]): AcmeError {
  const { url, status, challenges } = authorization;
  // Of several, the one that decided it; where nothing did, any other that has an error.
  const failed = challenges.filter(({ error }) => error);
  const [challenge] = [...failed.filter((each) => each.status === 'invalid'), ...failed];
  if (challenge) return challengeError(authorization, challenge, invalidNames);
  const message = `The CA could not confirm ${subjectOf(authorization)}: the authorization ${url} is ${status}. Order again.`;
  return new AcmeError('CERTBUS_ACME_CHALLENGE_FAILED', message, { invalidNames });
}

/**
 * `CERTBUS_ACME_CHALLENGE_FAILED` for authorizations that did not become valid, in the CA's own words. Several at once become one
 * error whose sub-problems name each. `invalidNames`: one for each that the CA has found invalid just now.
 */
export function challengeFailed(
  engine: Engine,
  failed: readonly Authorization[],
  invalidNames: readonly string[] = [],
): AcmeError {
  const errors = failed.map((authorization) => ({ authorization, error: failureOf(authorization, invalidNames) }));
  for (const { authorization, error } of errors) {
    engine.logger.debug('the CA could not confirm a name', { name: authorization.name, why: error.message });
  }
  const [first] = errors;
  if (!first) throw new TypeError('No authorization failed');
  const { error } = first;
  if (errors.length === 1 || !(error instanceof AcmeProblemError)) return error;
  const subproblems = errors.flatMap(({ authorization: { name }, error: each }) =>
    each instanceof AcmeProblemError
      ? [{ type: each.problem.type, detail: each.problem.detail, identifier: name }]
      : [],
  );
  const attempt = `The CA could not confirm ${failed.length} names; the first is ${failed[0]?.name ?? ''}`;
  const problem = { ...error.problem, subproblems };
  return new AcmeProblemError(problem, { attempt, url: error.url, code: error.code, isValidation: true, invalidNames });
}
