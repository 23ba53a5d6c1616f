/** What a manager does with the configuration of its bus. */
import { type Context, refresh } from '../context.ts';
import { checkDirectories } from './certificate-authorities.ts';
import {
  type ConfigureOptions,
  type ConfigureResult,
  readConfiguration,
  requireConfiguration,
  type StoredConfiguration,
  writeConfiguration,
} from './stored-configuration.ts';

/** A manager's operations on the configuration. */
export interface ConfigurationOperations {
  /** The CAs of the configuration. Rejects `CERTBUS_MANAGER_CONFIG_MISSING`. */
  authorities(): Promise<readonly { readonly name: string; readonly directory: string }[]>;
  /**
   * Replaces the configuration, and returns what that changes; `<redacted>` keeps the secret that is stored for the same owner. Rejects
   * `CERTBUS_MANAGER_CONFIG_INVALID`, and `CERTBUS_MANAGER_CONFIG_CHANGED` when the one on the bus is not of `expectPosition` (default:
   * any) or is replaced at the same moment, and with the signal's reason.
   */
  configure(json: unknown, options?: ConfigureOptions): Promise<ConfigureResult>;
  /** The stored JSON with its position; `undefined` before the first. */
  configuration(): Promise<StoredConfiguration | undefined>;
}

/** The operations of one manager. */
export function configurationOperations(context: Context): ConfigurationOperations {
  return {
    async authorities() {
      const { authorities } = await requireConfiguration(context);
      return Object.entries(authorities).map(([name, { directory }]) => ({ name, directory }));
    },
    async configure(json, options = {}) {
      await refresh(context, options);
      // One that is on the bus is read all the same, and sealed again to other managers: renewals go on.
      return writeConfiguration(context, json, { ...options, check: checkDirectories });
    },
    configuration: () => readConfiguration(context),
  };
}
