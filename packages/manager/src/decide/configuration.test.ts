import { EMPTY_BUS } from '@certbus/events/history';
import { expect, test } from 'vitest';
import type { ManagerState } from '../state/state.ts';
import { configure } from './configuration.ts';

const stateWith = (bus: Partial<typeof EMPTY_BUS>) => ({ bus: { ...EMPTY_BUS, ...bus } }) as ManagerState;
const empty = stateWith({});
const configured = stateWith({ config: { position: 2, sealed: 'the first' } });

test('a configuration replaces the one that was expected, or none where none was', () => {
  const decision = { events: [{ type: 'ConfigUpdated', sealed: 'the next' }], result: undefined };
  expect(configure(configured, 'the next', 2)).toEqual(decision);
  expect(configure(empty, 'the next', 0)).toEqual(decision);
});

test.each([
  ['a newer one is', configured, 1, /changed at position 2, and position 1 was expected/],
  ['one is for the first time', configured, 0, /changed at position 2, and position 0 was expected/],
  ['none is', empty, 2, /has no configuration, and the one of position 2 was expected/],
])('where %s there, not the expected one, nothing is put on the bus', (_, state, expected, message) => {
  expect(() => configure(state, 'the next', expected)).toThrow(
    expect.objectContaining({ code: 'CERTBUS_MANAGER_CONFIG_CHANGED', message: expect.stringMatching(message) }),
  );
});
