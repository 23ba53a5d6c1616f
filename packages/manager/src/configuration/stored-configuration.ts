/** Reads and writes the configuration that is on the bus, sealed to the managers. */
import { open, seal } from '@certbus/events';
import { type Context, decide, refresh } from '../context.ts';
import { configure } from '../decide/configuration.ts';
import { ManagerError } from '../errors.ts';
import { type Configuration, parseConfiguration } from './configuration.ts';
import { mergeRedacted } from './redaction.ts';

/** A configuration as it is on the bus, and the position it was written at. */
export interface StoredConfiguration {
  readonly json: unknown;
  readonly position: number;
}

/** The configuration on the bus; `undefined` before the first. */
export async function readConfiguration({ view, key }: Context): Promise<StoredConfiguration | undefined> {
  const { config } = view.state.bus;
  if (!config) return undefined;
  const json: unknown = JSON.parse(await open(config.sealed, key.identity));
  return { json, position: config.position };
}

/** The configuration, checked. Rejects `CERTBUS_MANAGER_CONFIG_MISSING` and `CERTBUS_MANAGER_CONFIG_INVALID`. */
export async function requireConfiguration(context: Context): Promise<Configuration> {
  const stored = await readConfiguration(context);
  if (stored) return parseConfiguration(stored.json);
  const what = 'The bus has no configuration yet. Put one on it with "certbus conf update < FILE".';
  throw new ManagerError('CERTBUS_MANAGER_CONFIG_MISSING', what);
}

/** Adds the configuration at the head of the bus to the options of an operation. Rejects as {@link requireConfiguration}. */
export async function withConfiguration<T extends { readonly signal: AbortSignal }>(
  context: Context,
  options: T,
): Promise<T & { readonly config: Configuration }> {
  await refresh(context, options);
  return { ...options, config: await requireConfiguration(context) };
}

/** Replaces the configuration; `<redacted>` keeps the stored secret. Rejects `CERTBUS_MANAGER_CONFIG_CHANGED` and as {@link parseConfiguration} throws. */
export async function writeConfiguration(
  context: Context,
  json: unknown,
  expectPosition: number | undefined,
): Promise<{ position: number }> {
  const stored = await readConfiguration(context);
  const merged = mergeRedacted(json, stored?.json);
  parseConfiguration(merged);
  const readers = context.view.checkpoint.managers.map(({ name, recipient }) => ({ name, recipient }));
  const sealed = await seal(JSON.stringify(merged), readers);
  // What was merged in came from this position; a configuration that arrived since must not be lost.
  const expected = expectPosition ?? stored?.position ?? 0;
  await decide(context, (state) => configure(state, sealed, expected));
  return { position: context.view.state.bus.config?.position ?? 0 };
}
