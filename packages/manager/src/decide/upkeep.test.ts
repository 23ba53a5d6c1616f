/** Tests of heartbeats, archives and snapshots, given what the bus has recorded. */
import { EMPTY_BUS } from '@certbus/events/history';
import { expect, test } from 'vitest';
import type { ManagerState } from '../state/state.ts';
import { archived, heartbeat, snapshotTaken } from './upkeep.ts';

const NOW = new Date('2026-11-24T03:00:00Z');
const stateWith = (bus: Partial<typeof EMPTY_BUS>) => ({ bus: { ...EMPTY_BUS, ...bus } }) as ManagerState;
const hash = 'h'.repeat(43);
const range = { first: 1, last: 10_000, hash, manifest: hash, place: 'archives/x' };
const taken = { position: 7, hash, manifest: hash, place: 'snapshots/x' };

test.each([
  ['2026-11-23T03:00:00Z', true],
  ['2026-11-23T03:00:01Z', false],
  ['2026-11-25T03:00:00Z', false],
  ['2026-11-25T03:00:01Z', true],
  ['2031-11-24T03:00:00Z', true],
])('after a last word at %s a heartbeat is due: %s', (newestAt, isDue) => {
  const { events, result } = heartbeat(stateWith({ newestAt }), NOW);
  expect(result).toBe(isDue);
  expect(events).toEqual(isDue ? [{ type: 'Heartbeat' }] : []);
});

test('a clock that was years ahead once is answered by one heartbeat, not by one a run', () => {
  const ahead = stateWith({ newestAt: '2031-11-24T03:00:00Z' });
  expect(heartbeat(ahead, NOW).result).toBe(true);
  expect(heartbeat(stateWith({ newestAt: NOW.toISOString() }), new Date(NOW.getTime() + 60_000)).result).toBe(false);
});

test('an empty bus has no heart', () => {
  expect(heartbeat(stateWith({}), NOW).events).toEqual([]);
});

test('a range is said once, and only behind the one before it', () => {
  expect(archived(stateWith({}), range).events).toEqual([{ type: 'RangeArchived', ...range }]);
  expect(archived(stateWith({ archived: { position: 10_000, hash } }), range).events).toEqual([]);
});

test('a snapshot is said unless a newer one was', () => {
  expect(snapshotTaken(stateWith({}), taken).events).toEqual([{ type: 'SnapshotTaken', ...taken }]);
  expect(snapshotTaken(stateWith({ snapshots: [{ ...taken, position: 8 }] }), taken).events).toEqual([]);
});
