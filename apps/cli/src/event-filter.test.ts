/** Which events of a bus a filter keeps. */
import type { ReadEvent } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { createEventFilter } from './event-filter.ts';

const event = (type: string, certificateId: string, names?: readonly string[]): ReadEvent =>
  ({ type, event: { type, certificateId, ...(names ? { names } : {}) } }) as unknown as ReadEvent;

const EVENTS = [
  event('IssuanceStarted', 'one', ['a.test', 'xn--bcher-kva.test']),
  event('OrderCreated', 'one'),
  event('IssuanceStarted', 'two', ['b.test']),
  event('OrderCreated', 'two'),
  { type: 'FromTheFuture', event: undefined } as unknown as ReadEvent,
];

test.each([
  [{}, 5],
  [{ subject: 'two' }, 2],
  [{ subject: 'BÜCHER.test' }, 2],
  [{ types: ['OrderCreated'] }, 2],
  [{ types: ['OrderCreated', 'FromTheFuture'] }, 3],
  [{ types: ['OrderCreated'], subject: 'b.test' }, 1],
  [{ subject: 'c.test' }, 0],
])('%j keeps %i', (filter, count) => {
  expect(createEventFilter(filter)(EVENTS)).toHaveLength(count);
});
