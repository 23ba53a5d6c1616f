/** Decides whether a configuration replaces the one on the bus. */
import type { Decision } from '@certbus/store';
import { ManagerError } from '../errors.ts';
import type { ManagerState } from '../state/state.ts';

/**
 * Throws `CERTBUS_MANAGER_CONFIG_CHANGED` when the configuration on the bus is not the one of this position; 0 stands for none.
 */
export function checkUnchanged(state: ManagerState, expectPosition: number): void {
  const found = state.bus.config?.position ?? 0;
  if (expectPosition === found) return;
  throw new ManagerError(
    'CERTBUS_MANAGER_CONFIG_CHANGED',
    found === 0
      ? `The bus has no configuration, and the one of position ${expectPosition} was expected. To put a first one there, expect no position.`
      : `The configuration was changed at position ${found}, and position ${expectPosition} was expected. Look at it again with "certbus conf display".`,
  );
}

/** Puts a sealed configuration on the bus. Throws as {@link checkUnchanged}. */
export function configure(state: ManagerState, sealed: string, expectPosition: number): Decision<void> {
  checkUnchanged(state, expectPosition);
  return { events: [{ type: 'ConfigUpdated', sealed }], result: undefined };
}
