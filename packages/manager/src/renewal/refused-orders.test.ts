/** Tests of how long orders wait for a CA that has refused one for a limit. */
import { AcmeProblemError, DeadlineError } from '@certbus/acme';
import { expect, test } from 'vitest';
import { createRefusedOrders } from './refused-orders.ts';

const CA = 'https://ca.test/dir';
const START = Date.parse('2026-11-30T08:00:00Z');
const MINUTE_MS = 60_000;
const after = (minutes: number) => new Date(START + minutes * MINUTE_MS);
const renewal = { directory: CA, isNew: false };
const fresh = { directory: CA, isNew: true };

function refusal(detail: string, notBefore?: Date, { type = 'rateLimited', status = 429 } = {}): AcmeProblemError {
  const problem = { type: `urn:ietf:params:acme:error:${type}`, detail, status, subproblems: [] };
  return new AcmeProblemError(problem, { attempt: 'The CA refused newOrder', url: `${CA}/order`, notBefore });
}

const OF_ACCOUNT = 'too many new orders (20) from this account in the last 3h0m0s';
const OF_NAMES = 'too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s';
const UNKNOWN = 'slow down';

test('a limit of the account that refuses a renewal holds up every order there until the CA takes more', () => {
  const orders = createRefusedOrders();
  expect(orders.refused(renewal, refusal(OF_ACCOUNT, after(9)), after(0))).toBe(true);
  expect([orders.readyAt(renewal, after(8)), orders.readyAt(fresh, after(8))]).toEqual([after(9), after(9)]);
  expect(orders.readyAt({ ...renewal, directory: 'https://other.test/dir' }, after(8))).toBeUndefined();
  expect(orders.readyAt(renewal, after(9))).toBeUndefined();
});

test('one that refuses new names says nothing of renewals', () => {
  const orders = createRefusedOrders();
  expect(orders.refused(fresh, refusal(UNKNOWN, after(9)), after(0))).toBe(true);
  expect([orders.readyAt(renewal, after(1)), orders.readyAt(fresh, after(1))]).toEqual([undefined, after(9)]);
});

test.each([
  ['is named in seconds', after(0.1), 1],
  ['is not named', undefined, 10],
  ['is a day ahead', after(1_440), 60],
])('the end of a pause that %s is asked for in between', (_, notBefore, minutes) => {
  const orders = createRefusedOrders();
  orders.refused(renewal, refusal(OF_ACCOUNT, notBefore), after(0));
  expect(orders.readyAt(renewal, after(0))).toEqual(after(minutes));
});

test('words that nobody knows are about the account where three renewals in a row meet them', () => {
  const orders = createRefusedOrders();
  const refused = () => orders.refused(renewal, refusal(UNKNOWN, after(9)), after(0));
  expect([refused(), refused()]).toEqual([false, false]);
  orders.passed(CA);
  expect([refused(), refused(), orders.readyAt(renewal, after(1))]).toEqual([false, false, undefined]);
  expect([refused(), orders.readyAt(renewal, after(1))]).toEqual([true, after(9)]);
});

test.each([
  ['a limit of single names', refusal(OF_NAMES, after(9))],
  ['a CA that is busy', refusal(UNKNOWN, after(9), { status: 503 })],
  ['a name that does not pass', refusal('no such name', undefined, { type: 'dns', status: 400 })],
  ['a missed deadline', new DeadlineError('slow')],
])('%s holds up no other order', (_, error) => {
  const orders = createRefusedOrders();
  for (let n = 0; n < 4; n += 1) expect(orders.refused(fresh, error, after(0))).toBe(false);
  expect(orders.readyAt(fresh, after(0))).toBeUndefined();
});

test('a pause from before the clock was put back is over', () => {
  const orders = createRefusedOrders();
  orders.refused(renewal, refusal(OF_ACCOUNT, after(30)), after(0));
  expect(orders.readyAt(renewal, after(-1_440))).toBeUndefined();
});
