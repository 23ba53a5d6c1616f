import { AcmeError, AcmeProblemError } from '@certbus/acme';
import { expect, test } from 'vitest';
import { createTroubles } from './troubles.ts';
import type { Lane } from './work-queue.ts';

const CA = 'https://ca.test/dir';

function problem(type: string, status: number, detail = ''): AcmeProblemError {
  const stated = { type: `urn:ietf:params:acme:error:${type}`, detail, status, subproblems: [] };
  const notBefore = new Date('2026-11-24T03:00:00Z');
  return new AcmeProblemError(stated, { attempt: 'The CA refused newOrder', url: `${CA}/order`, notBefore });
}

const full = new AcmeError('CERTBUS_ACME_DEADLINE', 'no room', { notBefore: new Date('2026-11-24T03:00:00Z') });

test.each<[string, unknown, Lane, Lane[]]>([
  ['a gateway without its CA', problem('serverInternal', 502), 'renewal', ['new', 'renewal', 'retry']],
  ['a CA that is busy', problem('rateLimited', 503), 'renewal', ['new', 'renewal', 'retry']],
  ['an account that is gone', problem('accountDoesNotExist', 400), 'retry', ['new', 'renewal', 'retry']],
  ['an open breaker', new AcmeError('CERTBUS_ACME_BREAKER_OPEN', 'down'), 'new', ['new', 'renewal', 'retry']],
  ['a limit on new orders', problem('rateLimited', 429), 'new', ['new']],
  ['no room for a new order', full, 'new', ['new']],
  ['a limit on the names of a renewal', problem('rateLimited', 429), 'renewal', []],
  ['a name that does not pass', problem('dns', 400), 'new', []],
  ['a deadline that was missed', new AcmeError('CERTBUS_ACME_DEADLINE', 'slow'), 'renewal', []],
])('%s holds up those that will fare alike, and no others', (_, error, lane, expected) => {
  const troubles = createTroubles();
  expect(troubles.add(CA, { lane, error })).toBe(expected.length > 0);
  const held = (['new', 'renewal', 'retry'] as const).filter((each) => troubles.directories(each).has(CA));
  expect(held).toEqual(expected);
  for (const each of held) expect(troubles.at(CA, each)).toBe(error);
});

test.each([
  ['serverInternal', 500],
  ['unauthorized', 403],
])(
  "what may be one order's own (%s) is the CA's after three in a row, and one that passes breaks the row",
  (type, status) => {
    const troubles = createTroubles();
    const add = () => troubles.add(CA, { lane: 'renewal', error: problem(type, status) });
    expect([add(), add()]).toEqual([false, false]);
    troubles.passed(CA);
    expect([add(), add()]).toEqual([false, false]);
    expect(troubles.directories('renewal').size).toBe(0);
    expect(add()).toBe(true);
    expect(troubles.directories('new').has(CA)).toBe(true);
  },
);
