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

function failureOf({ url, name, isWildcard, status, challenges }: Authorization): AcmeError {
  const subject = isWildcard ? `*.${name}` : name;
  const attempt = `The CA could not confirm ${subject}`;
  const failed = challenges.find(({ error }) => error);
  if (failed?.error) {
    const problem = withoutToken(
      failed.error,
      challenges.flatMap(({ token }) => token ?? []),
    );
    const how = `${attempt} by ${failed.type}`;
    return new AcmeProblemError(problem, {
      attempt: how,
      url,
      code: 'CERTBUS_ACME_CHALLENGE_FAILED',
      isValidation: true,
    });
  }
  const message = `${attempt}: the authorization ${url} is ${status}. Order again.`;
  return new AcmeError('CERTBUS_ACME_CHALLENGE_FAILED', message);
}

/**
 * `CERTBUS_ACME_CHALLENGE_FAILED` for authorizations that did not become valid, in the CA's own words. Several at once become one
 * error whose sub-problems name each.
 */
export function challengeFailed(engine: Engine, failed: readonly Authorization[]): AcmeError {
  const errors = failed.map((authorization) => ({ authorization, error: failureOf(authorization) }));
  for (const { authorization, error } of errors) {
    engine.logger.warn('the CA could not confirm a name', { name: authorization.name, why: error.message });
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
  return new AcmeProblemError(problem, { attempt, url: error.url, code: error.code, isValidation: true });
}
