/** Reads and writes the configuration that is on the bus, sealed to the managers. */
import { type ManagerKey, open, seal } from '@certbus/events';
import { type Context, decide, refresh } from '../context.ts';
import { checkUnchanged, configure } from '../decide/configuration.ts';
import { ManagerError } from '../errors.ts';
import { type ConfigurationChanges, changesBetween } from './changes.ts';
import { type Configuration, parseConfiguration } from './configuration.ts';
import { hasRedacted, mergeRedacted } from './redaction.ts';

/** A configuration as it is on the bus, and the position it was written at. */
export interface StoredConfiguration {
  readonly json: unknown;
  readonly position: number;
}

/** How a configuration is replaced. */
export interface ConfigureOptions {
  /** The position of the one on the bus, where that matters. Default: any. */
  readonly expectPosition?: number | undefined;
  /** Ends it, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** How a configuration is written. */
interface WriteOptions extends ConfigureOptions {
  /** Throws where a new one is refused that would be read. Default: none is. */
  readonly check?: (configuration: Configuration) => void;
}

/** A configuration that was put on the bus. */
export interface ConfigureResult {
  readonly position: number;
  /** What differs from the one that was there; every field is added where there was none. */
  readonly changes: ConfigurationChanges;
}

/** What each key opened last. */
const lastOpened = new WeakMap<ManagerKey, { readonly sealed: string; readonly text: Promise<string> }>();

/** Opens a configuration; of a thousand issuances, the first one does. */
function openOnce(sealed: string, key: ManagerKey): Promise<string> {
  const last = lastOpened.get(key);
  if (last?.sealed === sealed) return last.text;
  const text = open(sealed, key.identity);
  lastOpened.set(key, { sealed, text });
  // A failure is not kept: it can be of this moment.
  text.catch(() => lastOpened.delete(key));
  return text;
}

/** The configuration on the bus; `undefined` before the first. */
export async function readConfiguration({
  view,
  key,
}: Pick<Context, 'view' | 'key'>): Promise<StoredConfiguration | undefined> {
  const { config } = view.state.bus;
  if (!config) return undefined;
  const json: unknown = JSON.parse(await openOnce(config.sealed, key));
  return { json, position: config.position };
}

/** The configuration, checked. Rejects `CERTBUS_MANAGER_CONFIG_MISSING` and `CERTBUS_MANAGER_CONFIG_INVALID`. */
export async function requireConfiguration(context: Context): Promise<Configuration> {
  const stored = await readConfiguration(context);
  if (stored) return parseConfiguration(stored.json);
  const what = 'The bus has no configuration yet. Put one on it with "certbus conf update < FILE".';
  throw new ManagerError('CERTBUS_MANAGER_CONFIG_MISSING', what);
}

/**
 * Adds the configuration at the head of the bus to the options of an operation that signs. Rejects as {@link requireConfiguration}, and
 * `CERTBUS_MANAGER_BUS_STALE` before anything is asked of a CA.
 */
export async function withConfiguration<T extends { readonly signal: AbortSignal }>(
  context: Context,
  options: T,
): Promise<T & { readonly config: Configuration }> {
  await refresh(context, options);
  context.freshness.check();
  return { ...options, config: await requireConfiguration(context) };
}

/**
 * The JSON of the configuration that is replaced; `undefined` before the first, and for one that this manager cannot read, sealed to
 * others or to nobody, where nothing is to be taken from it: a manager's stolen key could otherwise put a dead end on the bus.
 */
async function readReplaced(context: Context, next: unknown): Promise<unknown> {
  try {
    return (await readConfiguration(context))?.json;
  } catch (error) {
    if (hasRedacted(next)) throw error;
    return undefined;
  }
}

/**
 * Replaces the configuration; `<redacted>` keeps the secret that is stored for the same owner. Rejects `CERTBUS_MANAGER_CONFIG_CHANGED`
 * when the one on the bus is not of `expectPosition`, with the signal's reason, and as {@link mergeRedacted}, {@link parseConfiguration} and
 * `check` throw.
 */
export async function writeConfiguration(
  context: Context,
  json: unknown,
  { expectPosition, signal, check = () => {} }: WriteOptions,
): Promise<ConfigureResult> {
  // What is merged in comes from this position; a configuration that arrives meanwhile must not be lost.
  const expected = expectPosition ?? context.view.state.bus.config?.position ?? 0;
  checkUnchanged(context.view.state, expected);
  const stored = await readReplaced(context, json);
  const merged = mergeRedacted(json, stored);
  check(parseConfiguration(merged));
  const text = JSON.stringify(merged);
  const readers = context.view.checkpoint.managers.map(({ name, recipient }) => ({ name, recipient }));
  const sealed = await seal(text, readers);
  await decide(context, (state) => configure(state, sealed, expected), { signal });
  const position = context.view.state.bus.config?.position ?? 0;
  return { position, changes: changesBetween(stored ?? {}, JSON.parse(text)) };
}
