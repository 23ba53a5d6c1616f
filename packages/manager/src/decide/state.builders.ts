/** Makes a state from events, for tests of decisions. */
import { EMPTY_BUS, readEvent, type WrittenEvent } from '@certbus/events/history';
import { NOTHING_SPENT } from '../state/spending.ts';
import { type Layer, layerOn, type ManagerState } from '../state/state.ts';

const NOTHING: ManagerState = {
  bus: { ...EMPTY_BUS, recipientsPosition: 1 },
  certificate: () => undefined,
  withNames: () => [],
  due: () => [],
  nextDue: () => undefined,
  paused: () => [],
  all: () => [],
  listed: () => [],
  retired: () => [],
  lostSince: () => [],
  issuer: () => undefined,
  spending: () => NOTHING_SPENT,
};

/** A state after these events, each at its instant. */
export function given(...events: readonly (readonly [WrittenEvent, Date])[]): Layer {
  const layer = layerOn(NOTHING);
  events.forEach(([event, at], index) => {
    layer.apply([readEvent(event)], { at, position: index + 2 });
  });
  return layer;
}
