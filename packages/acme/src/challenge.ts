import { createHash } from 'node:crypto';
import { AcmeError } from './errors.ts';
import { isRecord, textOf } from './json.ts';
import { type Problem, parseProblem } from './problem.ts';
import type { PresentedChallenge, SolvableChallenge } from './solver.ts';

/** A challenge as a CA offers it (RFC 8555 §7.1.5). Of types not known here, only `type` is sure. */
export interface Challenge {
  readonly type: string;
  readonly url: string;
  readonly status: string;
  /** Absent for challenges that need none, such as dns-persist-01. */
  readonly token?: string;
  readonly error?: Problem;
}

/** Whether a challenge is of a type. */
export const isOfType =
  <T extends string>(wanted: T) =>
  (challenge: Challenge): challenge is Challenge & { readonly type: T } =>
    challenge.type === wanted;

const MAX_CHALLENGES = 100;

/** Reads what is offered; what does not look like a challenge is left out. */
export function parseChallenges(value: unknown): Challenge[] {
  const offered = Array.isArray(value) ? value.slice(0, MAX_CHALLENGES).filter(isRecord) : [];
  return offered
    .filter(({ type, url }) => typeof type === 'string' && typeof url === 'string')
    .map(({ type, url, status, token, error }) => {
      const problem = parseProblem(error, 400);
      return {
        type: textOf(type, 100) ?? '',
        url: String(url),
        status: textOf(status, 100) ?? 'pending',
        ...(typeof token === 'string' ? { token } : {}),
        ...(problem ? { error: problem } : {}),
      };
    });
}

/** A token becomes a path and a file name, so only the alphabet of RFC 8555 §8.1 passes. Throws `CERTBUS_ACME_NOT_ACME`. */
function checkToken(name: string, token: string | undefined): string {
  if (token && /^[A-Za-z0-9_-]{1,256}$/.test(token)) return token;
  const message = `The CA's challenge for ${name} has no usable token (base64url without padding, RFC 8555 §8.1).`;
  throw new AcmeError('CERTBUS_ACME_NOT_ACME', message);
}

/** What a solver is given for one challenge (RFC 8555 §8.1, §8.3, §8.4). Throws `CERTBUS_ACME_NOT_ACME`. */
export function presentedChallenge(
  name: string,
  challenge: Challenge & { readonly type: SolvableChallenge },
  thumbprint: string,
): PresentedChallenge {
  const { type } = challenge;
  const token = checkToken(name, challenge.token);
  const keyAuthorization = `${token}.${thumbprint}`;
  const dnsValue = createHash('sha256').update(keyAuthorization).digest('base64url');
  return { type, name, token, keyAuthorization, dnsName: `_acme-challenge.${name}`, dnsValue };
}
