import { expect, test } from 'vitest';
import { type Breaker, createBreaker, type Outcome } from './breaker.ts';

const start = Date.parse('2026-05-08T18:37:00Z');

function create(options = {}) {
  let clock = start;
  const breaker = createBreaker('https://ca.test/directory', () => new Date(clock), { random: () => 0.5, ...options });
  const advance = (ms: number) => {
    clock += ms;
  };
  return { breaker, advance };
}

function run(breaker: Breaker, outcomes: readonly Outcome[], options?: { isVital: boolean }) {
  for (const outcome of outcomes) breaker.admit(options).end(outcome);
}

const failures = (count: number): Outcome[] => Array.from({ length: count }, () => 'failed');

test('five failures in a row open it, one answer between them does not', () => {
  const { breaker } = create();
  run(breaker, [...failures(4), 'answered', ...failures(4)]);
  expect(breaker.state()).toBe('closed');
  run(breaker, failures(1));
  expect(breaker.state()).toBe('open');
});

test('a directory that fails is an outage by itself', () => {
  const { breaker } = create();
  run(breaker, failures(1), { isVital: true });
  expect(breaker.state()).toBe('open');
});

test('while it is open nothing is asked, and the error says until when', () => {
  const { breaker } = create();
  run(breaker, failures(5));
  const notBefore = new Date(start + 30_000);
  expect(breaker.openUntil()).toEqual(notBefore);
  expect(() => breaker.admit()).toThrow(expect.objectContaining({ code: 'CERTBUS_ACME_BREAKER_OPEN', notBefore }));
});

test('after the pause one request looks whether the CA is back, and others wait for what it finds', () => {
  const { breaker, advance } = create();
  run(breaker, failures(5));
  advance(30_000);
  expect(breaker.state()).toBe('half-open');
  const probe = breaker.admit();
  expect(() => breaker.admit()).toThrow(expect.objectContaining({ notBefore: new Date(start + 35_000) }));
  probe.end('answered');
  expect(breaker.state()).toBe('closed');
  run(breaker, failures(4));
  expect(breaker.state()).toBe('closed');
});

test('each failed look doubles the pause, up to a quarter of an hour', () => {
  const { breaker, advance } = create();
  run(breaker, failures(5));
  const pauses: number[] = [];
  let opened = start;
  for (let i = 0; i < 8; i += 1) {
    const until = breaker.openUntil()?.getTime() ?? 0;
    pauses.push((until - opened) / 1000);
    advance(until - opened);
    opened = until;
    breaker.admit().end('failed');
  }
  expect(pauses).toEqual([30, 60, 120, 240, 480, 900, 900, 900]);
});

test('a look that was aborted leaves room for the next one', () => {
  const { breaker, advance } = create();
  run(breaker, failures(5));
  advance(30_000);
  breaker.admit().end('unknown');
  expect(breaker.state()).toBe('half-open');
  breaker.admit().end('answered');
  expect(breaker.state()).toBe('closed');
});

test.each([
  ['is kept where it is longer', 3_600_000, 3_600_000],
  ['is not kept beyond a day', 7 * 86_400_000, 86_400_000],
  ['does not shorten the pause', 1000, 30_000],
])("the CA's Retry-After %s", (_, askedMs, expectedMs) => {
  const { breaker } = create();
  breaker.admit({ isVital: true }).end('failed', new Date(start + askedMs));
  expect(breaker.openUntil()).toEqual(new Date(start + expectedMs));
});

test('an answer to what was asked before it opened does not close it', () => {
  const { breaker } = create();
  const slow = breaker.admit();
  run(breaker, failures(5));
  slow.end('answered');
  expect(breaker.state()).toBe('open');
});

test('a clock that goes back keeps nothing open for long', () => {
  const { breaker, advance } = create();
  run(breaker, failures(5));
  advance(-86_400_000);
  expect(breaker.state()).toBe('half-open');
  breaker.admit().end('answered');
  expect(breaker.state()).toBe('closed');
});

test('an outage has its beginning, and the reason that was heard last', () => {
  const { breaker, advance } = create();
  expect(breaker.outage()).toBeUndefined();
  breaker.admit({ isVital: true }).end('failed', undefined, new Error('nothing listens there'));
  advance(30_000);
  expect(breaker.outage()).toBeUndefined();
  const cause = new Error('busy');
  const retryAt = new Date(start + 3_630_000);
  breaker.admit().end('failed', retryAt, cause);
  const error = expect.objectContaining({ code: 'CERTBUS_ACME_BREAKER_OPEN', notBefore: retryAt, cause });
  const since = new Date(start + 30_000);
  expect(breaker.outage()).toEqual({ began: new Date(start), since, until: retryAt, isAsked: true, error });
  expect(() => breaker.admit()).toThrow(/\(busy\)/);
});

test('told to look again, it lets one request through before the end of the pause', () => {
  const { breaker } = create();
  breaker.admit({ isVital: true }).end('failed', new Date(start + 3_600_000));
  breaker.lookAgain();
  expect(breaker.outage()).toBeUndefined();
  const probe = breaker.admit();
  expect(breaker.outage()).toMatchObject({ until: new Date(start + 5000) });
  probe.end('answered');
  expect(breaker.state()).toBe('closed');
});
