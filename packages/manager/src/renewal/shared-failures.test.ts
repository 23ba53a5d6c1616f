/** Tests of which failures hold up which other certificates. */
import { AcmeError, AcmeProblemError, DeadlineError } from '@certbus/acme';
import { expect, test } from 'vitest';
import { reasonOf } from '../issuance/failure.ts';
import { createSharedFailures } from './shared-failures.ts';
import type { WorkKind } from './work-queue.ts';

const CA = 'https://ca.test/dir';

function problem(type: string, status: number, detail = ''): AcmeProblemError {
  const stated = { type: `urn:ietf:params:acme:error:${type}`, detail, status, subproblems: [] };
  const notBefore = new Date('2026-11-24T03:00:00Z');
  return new AcmeProblemError(stated, { attempt: 'The CA refused newOrder', url: `${CA}/order`, notBefore });
}

const notBefore = new Date('2026-11-24T03:00:00Z');
const full = new DeadlineError('no room', { notBefore, isLimit: true });

test.each<[string, unknown, WorkKind, WorkKind[]]>([
  ['a gateway without its CA', problem('serverInternal', 502), 'renewal', ['new', 'renewal', 'retry']],
  ['a CA that is busy', problem('rateLimited', 503), 'renewal', ['new', 'renewal', 'retry']],
  ['an account that is gone', problem('accountDoesNotExist', 400), 'retry', ['new', 'renewal', 'retry']],
  ['new terms to agree to', problem('userActionRequired', 403), 'renewal', ['new', 'renewal', 'retry']],
  ['an account that is to be bound', problem('externalAccountRequired', 403), 'new', ['new', 'renewal', 'retry']],
  ['an open breaker', new AcmeError('CERTBUS_ACME_BREAKER_OPEN', 'down'), 'new', ['new', 'renewal', 'retry']],
  ['a limit that the CA itself names', problem('rateLimited', 429), 'new', []],
  ['no room for a new order', full, 'new', ['new']],
  ['a limit on the names of a renewal', problem('rateLimited', 429), 'renewal', []],
  ['a name that does not pass', problem('dns', 400), 'new', []],
  ['a deadline that was missed', new DeadlineError('slow'), 'new', []],
  ['a CA that asks to come back for one order', new DeadlineError('slow', { notBefore }), 'new', []],
])('%s holds up those that will fare alike, and no others', (_, error, kind, expected) => {
  const sharedFailures = createSharedFailures();
  expect(sharedFailures.add(CA, { kind, error })).toBe(expected.length > 0);
  const held = (['new', 'renewal', 'retry'] as const).filter((each) => sharedFailures.directories(each).has(CA));
  expect(held).toEqual(expected);
  for (const each of held) expect(sharedFailures.at(CA, each)).toBe(error);
});

test.each([
  ['serverInternal', 500],
  ['unauthorized', 403],
])(
  "what may be one order's own (%s) is the CA's after three in a row, and one that passes breaks the row",
  (type, status) => {
    const sharedFailures = createSharedFailures();
    const add = () => sharedFailures.add(CA, { kind: 'renewal', error: problem(type, status) });
    expect([add(), add()]).toEqual([false, false]);
    sharedFailures.passed(CA);
    expect([add(), add()]).toEqual([false, false]);
    expect(sharedFailures.directories('renewal').size).toBe(0);
    expect(add()).toBe(true);
    expect(sharedFailures.directories('new').has(CA)).toBe(true);
  },
);

test('what is recorded of new terms says where a person agrees to them', () => {
  const stated = {
    type: 'urn:ietf:params:acme:error:userActionRequired',
    detail: 'New terms',
    status: 403,
    instance: 'https://ca.test/agree',
    subproblems: [],
  };
  const error = new AcmeProblemError(stated, { attempt: 'The CA refused newOrder', url: `${CA}/order` });
  expect(reasonOf(error)).toMatchObject({ class: 'account', detail: 'New terms. See https://ca.test/agree' });
});
