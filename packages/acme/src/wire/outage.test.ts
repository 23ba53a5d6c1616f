import { expect, test } from 'vitest';
import { AcmeError, type AcmeErrorCode } from '../errors.ts';
import { isOutage } from './outage.ts';
import { AcmeProblemError } from './problem.ts';

const answered = (status: number, type = 'serverInternal') =>
  new AcmeProblemError(
    { type: `urn:ietf:params:acme:error:${type}`, detail: '', status, subproblems: [] },
    { attempt: 'Asking', url: 'https://ca.test/order' },
  );

test.each([502, 503, 504])('a CA that answers %i is down', (status) => {
  expect(isOutage(answered(status))).toBe(true);
});

test.each<AcmeErrorCode>(['CERTBUS_ACME_UNREACHABLE', 'CERTBUS_ACME_BREAKER_OPEN'])(
  '%s means that it is down',
  (code) => {
    expect(isOutage(new AcmeError(code, 'no answer'))).toBe(true);
  },
);

test.each<[string, unknown]>([
  ['a 500, which can be about one request', answered(500)],
  ['a limit', answered(429, 'rateLimited')],
  ['a refusal', answered(403, 'unauthorized')],
  ['an answer that is not ACME', new AcmeError('CERTBUS_ACME_NOT_ACME', 'a web page')],
  ['a deadline', new AcmeError('CERTBUS_ACME_DEADLINE', 'too late')],
  ['an error of something else', new Error('ECONNREFUSED')],
])('%s is not an outage', (_, error) => {
  expect(isOutage(error)).toBe(false);
});
