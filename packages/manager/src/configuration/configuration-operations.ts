/** What a manager does with the configuration of its bus. */
import { type Context, refresh } from '../context.ts';
import {
  readConfiguration,
  requireConfiguration,
  type StoredConfiguration,
  writeConfiguration,
} from './stored-configuration.ts';

/** A manager's operations on the configuration. */
export interface ConfigurationOperations {
  /** The CAs of the configuration. Rejects `CERTBUS_MANAGER_CONFIG_MISSING`. */
  authorities(): Promise<readonly { readonly name: string; readonly directory: string }[]>;
  /** Replaces the configuration; `<redacted>` keeps the stored secret. */
  configure(json: unknown, options?: { readonly expectPosition?: number }): Promise<{ position: number }>;
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
    async configure(json, { expectPosition } = {}) {
      await refresh(context);
      return writeConfiguration(context, json, expectPosition);
    },
    configuration: () => readConfiguration(context),
  };
}
