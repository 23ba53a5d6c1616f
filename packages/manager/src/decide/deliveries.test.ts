import { MAX_ALERTS, type NotedAlert, readEvent } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { ALERT_KINDS, type Alert } from './alert.ts';
import { planDeliveries, recordTold, tellsAt, withUnrecorded } from './deliveries.ts';
import { given } from './state.builders.ts';

const now = new Date('2026-11-29T12:00:00Z');
const since = new Date('2026-11-29T11:00:00Z');
const alert = (subject: string): Alert => ({ kind: 'failing', subject, detail: 'why', since });
const noted = (subject: string, more: Partial<NotedAlert> = {}): NotedAlert => ({
  alert: 'failing',
  subject,
  detail: 'why',
  since: since.toISOString(),
  pending: [],
  ...more,
});
const plan = (options: Partial<Parameters<typeof planDeliveries>[0]>) =>
  planDeliveries({ noted: [], found: [], kinds: ALERT_KINDS, places: ['a', 'b'], now, ...options }).map(
    ({ alert: { subject }, until, places }) => [subject, until !== undefined, places],
  );

test('what is new or over goes to every place, and what a place missed to that one', () => {
  expect(plan({ found: [alert('x')] })).toEqual([['x', false, ['a', 'b']]]);
  expect(plan({ found: [alert('x')], noted: [noted('x')] })).toEqual([]);
  expect(plan({ found: [alert('x')], noted: [noted('x', { pending: ['b', 'gone'] })] })).toEqual([['x', false, ['b']]]);
  expect(plan({ noted: [noted('x', { pending: ['b'] })] })).toEqual([['x', true, ['a', 'b']]]);
  const over = { until: '2026-11-29T11:30:00Z', pending: ['b'] };
  expect(plan({ noted: [noted('x', over)] })).toEqual([['x', true, ['b']]]);
  expect(plan({ found: [alert('x')], noted: [noted('x', over)] })).toEqual([['x', false, ['a', 'b']]]);
});

test('nothing is over of what was not looked for, of a later release, and nobody is told of what was over a week ago', () => {
  expect(plan({ noted: [noted('x')], kinds: ['expired'] })).toEqual([]);
  expect(plan({ noted: [noted('x', { alert: 'moon-phase' })] })).toEqual([]);
  expect(plan({ noted: [noted('x', { until: '2026-11-22T11:59:59Z', pending: ['b'] })] })).toEqual([['x', true, []]]);
});

test('what is recorded is what the bus does not say yet, also where another manager was quicker', () => {
  const raised = {
    type: 'AlertRaised' as const,
    alert: 'failing',
    subject: 'x',
    detail: 'why',
    since: since.toISOString(),
  };
  const cleared = { type: 'AlertCleared' as const, alert: 'failing', subject: 'x', until: now.toISOString() };
  const record = (state: ReturnType<typeof given>, pending: string[], until?: Date) =>
    recordTold(state, { alert: alert('x'), until, pending }).events;
  expect(record(given(), [])).toEqual([raised]);
  expect(record(given(), ['b'])).toEqual([{ ...raised, pending: ['b'] }]);
  expect(record(given([raised, now]), ['b'])).toEqual([]);
  const half = given([{ ...raised, pending: ['a', 'b'] }, now]);
  expect(record(half, ['b'])).toEqual([{ ...raised, pending: ['b'] }]);
  expect(record(half, ['a', 'b'])).toEqual([]);
  expect(record(given(), [], now)).toEqual([]);
  expect(record(half, ['b'], now)).toEqual([{ ...cleared, pending: ['b'] }]);
  const over = given([raised, now], [{ ...cleared, pending: ['a', 'b'] }, now]);
  expect(record(over, ['b'], now)).toEqual([{ ...cleared, pending: ['b'] }]);
  expect(record(over, ['a', 'b'], now)).toEqual([]);
  expect(record(over, [], now)).toEqual([cleared]);
});

test('a full list makes room for what this release finds, and says of what it does not take that it is not recorded', () => {
  const raise = (kind: string, subject: string) => ({
    type: 'AlertRaised' as const,
    alert: kind,
    subject,
    detail: '',
    since: since.toISOString(),
  });
  const full = (kind: string, others = MAX_ALERTS - 1) =>
    given(
      [raise(kind, 'first'), now],
      ...Array.from({ length: others }, (_, n) => [raise('failing', `n${n}`), now] as const),
    );
  const told = { alert: alert('x'), until: undefined, pending: [] };
  const isRaised = ({ bus }: ReturnType<typeof given>) => bus.alerts.some(({ subject }) => subject === 'x');
  for (const kind of ['moon-phase', 'archive-failing']) {
    const state = full(kind);
    const { events, result } = recordTold(state, told);
    expect([events[0], result]).toMatchObject([{ type: 'AlertCleared', alert: kind, subject: 'first' }, true]);
    state.apply(events.map(readEvent), { at: now, position: 999 });
    expect([isRaised(state), state.bus.alerts.length]).toEqual([true, MAX_ALERTS]);
    expect(recordTold(state, told)).toEqual({ events: [], result: true });
  }
  expect(recordTold(full('failing'), told)).toEqual({ events: [], result: false });
  expect(recordTold(full('moon-phase', MAX_ALERTS - 2), told)).toMatchObject({ events: [{ type: 'AlertRaised' }] });
  // What is raised already is changed where it stands.
  const known = { alert: alert('n0'), until: now, pending: [] };
  expect(recordTold(full('failing'), known)).toMatchObject({ events: [{ type: 'AlertCleared' }], result: true });
});

test('what could not be recorded counts as if it had been', () => {
  const told = (subject: string, pending: string[], until?: Date) => ({ alert: alert(subject), until, pending });
  const known = [noted('x'), noted('y'), noted('z')];
  const all = withUnrecorded(known, [told('x', [], now), told('y', ['b'], now), told('new', ['a'])]);
  expect(all).toEqual([
    noted('z'),
    noted('y', { pending: ['b'], until: now.toISOString() }),
    noted('new', { pending: ['a'] }),
  ]);
});

test('each manager leaves what others met to them for a time of its own, half a minute at most', () => {
  const seen = { ...alert('x'), seenAt: now };
  const waits = ['one', 'two', 'three'].map((holder) => (tellsAt(seen, holder)?.getTime() ?? 0) - now.getTime());
  expect(new Set(waits).size).toBe(3);
  for (const wait of waits) expect(wait >= 0 && wait < 30_000).toBe(true);
  expect(tellsAt(alert('x'), 'one')).toBeUndefined();
});
