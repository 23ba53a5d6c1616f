/** What a manager's program knows of its machine: the local configuration, the environment's variables, and where state is kept. */
import { EventsError } from '@certbus/events';
import { ownFolder, stateDirectoryOf } from '@certbus/replica';
import { createOutgoing, type Outgoing } from '@certbus/store/outgoing';
import { KEY_NAMES, KEY_VARIABLE, KEY_VARIABLES, type LocalConfig, readLocalConfig, SECRET } from './local-config.ts';
import type { WriteLine } from './logger.ts';
import { isReference } from './secrets/reference.ts';
import { createReferences, type References } from './secrets/references.ts';

/** Variables of the environment, by name. */
export type Variables = Readonly<Record<string, string | undefined>>;

/** One bus, as this machine knows it. */
export interface Environment {
  readonly config: LocalConfig;
  readonly variables: Variables;
  /** The way to other hosts through the proxy that the variables name; `undefined` where they name none. */
  readonly outgoing: Outgoing | undefined;
  /** The secrets that keys and variables refer to. */
  readonly references: References;
  /** The state directory of this machine, as it is named. */
  readonly namedStateDirectory: string;
  /** Where replicas are kept: the state directory, or this user's own folder in it. */
  readonly stateDirectory: string;
  /** Whether a manager signs although the newest commit is older than 48 hours and this machine has not read the bus before. */
  readonly acceptStale: boolean;
  /** Takes lines of the log. */
  readonly writeLine: WriteLine;
}

/**
 * The secrets of an environment: its variables, of which an empty one is not set, and, for a secret's variable with `_HOSTS` behind it, the hosts of the local configuration
 * as well. Throws for a secret whose reference {@link readReferences} could not read what that failed with.
 */
export function secretsOf({ config, variables, references }: Environment): (name: string) => string | undefined {
  return (name) => {
    const [, variable = ''] = /^(.+)_HOSTS$/.exec(name) ?? [];
    const hosts = config.secretHosts[variable] ?? [];
    const value = variables[name] ?? '';
    if (hosts.length > 0) return [value, ...hosts].join(' ');
    return isReference(value) ? references.known(value) : value || undefined;
  };
}

/**
 * Reads the secrets that the variables `CERTBUS_SECRET_…` refer to, all at once. One that cannot be read fails what needs it, and nothing else.
 * Rejects with the signal's reason.
 */
export async function readReferences(
  { variables, references }: Environment,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<void> {
  const secrets = Object.entries(variables).filter(([name]) => SECRET.test(name));
  await Promise.allSettled(secrets.map(([name, value = '']) => references.read(value, { what: name, signal })));
  signal?.throwIfAborted();
}

/** The text of a key of the local configuration, wherever it is kept. Rejects as the accessor throws, and as {@link References} do. */
export async function readKey(
  { config, references }: Pick<Environment, 'config' | 'references'>,
  name: 'managerKey' | 'rootKey' | 'identity',
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<string> {
  return references.read(config[name](), { what: KEY_NAMES[name], signal });
}

/** A message about the text of a key, with the place that the text is from. */
function placed(
  { config, variables }: Pick<Environment, 'config' | 'variables'>,
  name: 'managerKey' | 'rootKey' | 'identity',
  { message }: Error,
): string {
  const what = KEY_NAMES[name];
  const source = config[name]();
  if (isReference(source)) return `What ${source} holds is not ${what.toLowerCase()}. ${message}`;
  const variable = KEY_VARIABLE[name];
  if (variables[variable])
    return `${variable}: ${message} The variable has the text of a key; ${variable}_FILE names a file.`;
  const file = config.files.find((each) => each.what === what)?.path;
  return file === undefined ? message : `${file}: ${message}`;
}

/**
 * A key of the local configuration, wherever it is kept. Rejects as {@link readKey}, and as `parse` throws, with the file, variable or reference that
 * the text is from.
 */
export async function readParsedKey<T>(
  environment: Pick<Environment, 'config' | 'references' | 'variables'>,
  name: 'managerKey' | 'rootKey' | 'identity',
  { parse, signal }: { readonly parse: (text: string) => T | Promise<T>; readonly signal?: AbortSignal | undefined },
): Promise<T> {
  const text = await readKey(environment, name, { signal });
  try {
    return await parse(text);
  } catch (cause) {
    if (!(cause instanceof EventsError)) throw cause;
    throw new EventsError(cause.code, placed(environment, name, cause), { cause });
  }
}

/**
 * The variables that hold a key, or a secret of the configuration, and do not refer to it: where anyone who sees the settings of a program sees its
 * variables, that is too many.
 */
export function plainSecrets(variables: Variables): {
  readonly keys: readonly string[];
  readonly others: readonly string[];
} {
  const plain = Object.keys(variables).filter((name) => variables[name] && !isReference(variables[name]));
  return {
    keys: plain.filter((name) => KEY_VARIABLES.includes(name)),
    others: plain.filter((name) => SECRET.test(name)),
  };
}

/** The parts of an environment that have defaults. */
export interface EnvironmentOptions {
  /** Default: the process's. */
  readonly variables?: Variables;
  /** Default: whether the variable `CERTBUS_ACCEPT_STALE` is `1` or `true`. */
  readonly acceptStale?: boolean | undefined;
  /** Default: standard error. */
  readonly writeLine?: WriteLine;
}

/** Where a program keeps what is its own on this machine, without a local configuration. Default: the process's variables. */
export const ownStateDirectory = (variables: Variables = process.env): string => ownFolder(stateDirectoryOf(variables));

/** The environment of a local configuration. */
export function environmentOf(config: LocalConfig, options: EnvironmentOptions = {}): Environment {
  const { variables = process.env, writeLine = (line) => void process.stderr.write(`${line}\n`) } = options;
  const { acceptStale = /^(?:1|true)$/.test(variables['CERTBUS_ACCEPT_STALE'] ?? '') } = options;
  const namedStateDirectory = stateDirectoryOf(variables);
  const stateDirectory = ownFolder(namedStateDirectory);
  const outgoing = createOutgoing({ environment: variables });
  const references = createReferences({ outgoing });
  return { config, variables, outgoing, references, namedStateDirectory, stateDirectory, acceptStale, writeLine };
}

/**
 * Reads the local configuration `file` (default `$CERTBUS_CONFIG`, else `certbus.json` in the current folder) and its environment.
 * Throws a `RuntimeError` that says which file or variable is missing or wrong.
 */
export function readEnvironment({
  file,
  ...options
}: EnvironmentOptions & { readonly file?: string | undefined } = {}): Environment {
  const { variables = process.env } = options;
  return environmentOf(readLocalConfig({ file, env: variables, cwd: process.cwd() }), options);
}
