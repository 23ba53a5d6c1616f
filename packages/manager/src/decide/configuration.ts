/** Decides whether a configuration replaces the one on the bus. */
import type { Decision } from '@certbus/store';
import { ManagerError } from '../errors.ts';
import type { ManagerState } from '../state/state.ts';

/** Puts a sealed configuration on the bus. Throws `CERTBUS_MANAGER_CONFIG_CHANGED` when the one on it is not the expected one. */
export function configure(state: ManagerState, sealed: string, expectPosition: number | undefined): Decision<void> {
  const found = state.bus.config?.position ?? 0;
  if (expectPosition !== undefined && expectPosition !== found) {
    throw new ManagerError(
      'CERTBUS_MANAGER_CONFIG_CHANGED',
      `The configuration was changed at position ${found}, and position ${expectPosition} was expected. Look at it again with "certbus conf display".`,
    );
  }
  return { events: [{ type: 'ConfigUpdated', sealed }], result: undefined };
}
