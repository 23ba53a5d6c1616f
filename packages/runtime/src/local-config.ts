/** What `certbus.json` and the environment's variables specify on this machine. */
import { existsSync } from 'node:fs';
import { dirname, isAbsolute, join, resolve } from 'node:path';
import { jsonFaultOf } from '@certbus/events';
import type { LocalFile } from '@certbus/manager';
import { parseArchiveAddress, resolveAddress } from '@certbus/store';
import { RuntimeError } from './errors.ts';
import { readKeyFile, readOwnFile } from './key-files.ts';
import { isReference } from './secrets/reference.ts';

/** The programs of this machine, unchecked: they are checked when one is needed. */
export interface LocalPrograms {
  readonly json: unknown;
  /** The file that defines them; it need not exist. */
  readonly file: string;
}

/** One bus, as `certbus.json` and the environment describe it on this machine. */
export interface LocalConfig {
  /** Address of the bus; a path in it is absolute. */
  readonly bus: string;
  /** Text of the trust file: one or two lines. */
  readonly trust: string;
  /** The file of that text; `undefined` where it is given as text. */
  readonly trustFile: string | undefined;
  /** Address of the archive, a path in it absolute; `undefined` where there is none. */
  readonly archive: string | undefined;
  /** Text of the root key, or a reference to it. Throws as {@link LocalConfig.managerKey}. */
  rootKey(): string;
  /** Text of the manager key, or a reference to it, which `readKey` reads. Throws where there is none, or others may read its file. */
  managerKey(): string;
  /** Text of a load balancer's identity, or a reference to it. Throws as {@link LocalConfig.managerKey}. */
  identity(): string;
  readonly programs: LocalPrograms;
  /** Hosts, `HOST` or `HOST:PORT`, at which secrets of the environment may be used, by the variable of the secret. */
  readonly secretHosts: Readonly<Record<string, readonly string[]>>;
  /** The files of all this, `certbus.json` among them; some need not be there. Programs are not among them. */
  readonly files: readonly LocalFile[];
}

type Env = Readonly<Record<string, string | undefined>>;
const FIELDS = [
  'bus',
  'trust',
  'archive',
  'managerKey',
  'rootKey',
  'identity',
  'backupKey',
  'programs',
  'secretHosts',
] as const;
type Fields = Partial<Record<(typeof FIELDS)[number], unknown>>;

/** Variables that have secrets of the configuration. */
export const SECRET: RegExp = /^CERTBUS_SECRET_\w+(?<!_HOSTS)$/;
/** A host, without what an address of a page has beside it. */
const HOST = /^[^\s,/?#@]+$/;

/** The name of the local configuration's file. */
export const CONFIG_FILE = 'certbus.json';

/** Where a local configuration is looked for, in this order: the current folder, the user's configuration, the machine's. */
export function configPlaces({ env, cwd }: { readonly env: Env; readonly cwd: string }): string[] {
  const ofUser = env['XDG_CONFIG_HOME'] || (env['HOME'] ? join(env['HOME'], '.config') : undefined);
  const folders = [cwd, ...(ofUser ? [join(ofUser, 'certbus')] : []), '/etc/certbus'];
  return folders.map((folder) => resolve(cwd, folder, CONFIG_FILE));
}

function parse(path: string): Fields {
  const text = readOwnFile(path, 'The configuration');
  const fault = jsonFaultOf(text);
  if (fault) throw new RuntimeError('CERTBUS_CLI_CONFIG_INVALID', `${path} cannot be read as JSON: ${fault}.`);
  const json: unknown = JSON.parse(text);
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new RuntimeError('CERTBUS_CLI_CONFIG_INVALID', `${path} is not a JSON object.`);
  const unknown = Object.keys(json).find((key) => !(FIELDS as readonly string[]).includes(key));
  if (unknown)
    throw new RuntimeError(
      'CERTBUS_CLI_CONFIG_INVALID',
      `${path} has the field "${unknown}", which is none of ${FIELDS.join(', ')}.`,
    );
  return json;
}

function textField(fields: Fields, name: (typeof FIELDS)[number], path: string): string | undefined {
  const value = fields[name];
  if (value === undefined || typeof value === 'string') return value;
  throw new RuntimeError('CERTBUS_CLI_CONFIG_INVALID', `${path}: "${name}" must be a string.`);
}

function hostsField({ secretHosts = {} }: Fields, path: string): LocalConfig['secretHosts'] {
  const isRecord = typeof secretHosts === 'object' && secretHosts !== null && !Array.isArray(secretHosts);
  const entries = isRecord ? Object.entries<unknown>({ ...secretHosts }) : [];
  const isValid = ([name, hosts]: readonly [string, unknown]) =>
    SECRET.test(name) && Array.isArray(hosts) && hosts.every((host) => typeof host === 'string' && HOST.test(host));
  const wrong = entries.find((entry) => !isValid(entry));
  if (isRecord && !wrong) return Object.fromEntries(entries as [string, string[]][]);
  const where = wrong ? `"secretHosts"."${wrong[0]}"` : '"secretHosts"';
  const what = `${path}: ${where} must be like { "CERTBUS_SECRET_X": ["ns1.example.com", "192.0.2.1:8081"] }: a list of HOST or HOST:PORT for each variable.`;
  throw new RuntimeError('CERTBUS_CLI_CONFIG_INVALID', what);
}

/** The archive's address with its path, if it has one, taken from a folder. */
function resolveArchive(address: string | undefined, folder: string): string | undefined {
  if (!address) return undefined;
  const place = parseArchiveAddress(address);
  return place.kind === 'folder' ? `file:${resolve(folder, place.path)}` : address;
}

/** Where a secret key is named. */
interface KeyName {
  readonly field: 'managerKey' | 'rootKey' | 'identity';
  readonly variable: string;
  readonly what: string;
}

const KEYS = {
  root: { field: 'rootKey', variable: 'CERTBUS_ROOT_KEY', what: 'The root key' },
  manager: { field: 'managerKey', variable: 'CERTBUS_MANAGER_KEY', what: 'The manager key' },
  identity: { field: 'identity', variable: 'CERTBUS_IDENTITY', what: 'The identity' },
} as const satisfies Record<string, KeyName>;

/** The variables that keys, or references to them, can be in. */
export const KEY_VARIABLES: readonly string[] = Object.values(KEYS).map(({ variable }) => variable);

/** The variable that each key, or a reference to it, can be in. */
export const KEY_VARIABLE: Readonly<Record<KeyName['field'], string>> = {
  rootKey: KEYS.root.variable,
  managerKey: KEYS.manager.variable,
  identity: KEYS.identity.variable,
};

/** What each key is called in messages. */
export const KEY_NAMES: Readonly<Record<KeyName['field'], string>> = {
  rootKey: KEYS.root.what,
  managerKey: KEYS.manager.what,
  identity: KEYS.identity.what,
};

function missing({ path, isThere, env, cwd }: Found, what: string, variables: readonly string[]): RuntimeError {
  const file = isThere
    ? `${path} does not name one`
    : `there is no ${CONFIG_FILE} (looked for ${configPlaces({ env, cwd }).join(', ')})`;
  const unset = variables.length > 1 ? `neither ${variables.join(' nor ')} is set` : `${variables.join()} is not set`;
  const message = `${what} is not configured: ${file}, and ${unset}. Run "certbus init" first, or name the file with --config.`;
  return new RuntimeError('CERTBUS_CLI_CONFIG_MISSING', message);
}

/** The local configuration as it was found: the fields of its file, and the variables that override them. */
interface Found {
  readonly fields: Fields;
  readonly path: string;
  readonly isThere: boolean;
  readonly env: Env;
  readonly cwd: string;
}

/** A path of the configuration, which is relative to the configuration's folder. */
const inFolder = ({ path }: Found, name: string): string => (isAbsolute(name) ? name : join(dirname(path), name));

/** Where a key is: its text or a reference to it, or its file, as the environment has it, else the configuration; `undefined` for nowhere. */
function keyPlace(
  found: Found,
  { field, variable }: KeyName,
): { readonly text: string } | { readonly file: string } | undefined {
  const { fields, path, env, cwd } = found;
  const text = env[variable];
  if (text) return { text };
  const ownFile = env[`${variable}_FILE`];
  if (ownFile) return { file: resolve(cwd, ownFile) };
  const fromConfig = textField(fields, field, path);
  if (!fromConfig) return undefined;
  return isReference(fromConfig) ? { text: fromConfig } : { file: inFolder(found, fromConfig) };
}

/** The text of a key, or a reference to it. */
function keyText(found: Found, key: KeyName): string {
  const { variable, what } = key;
  const place = keyPlace(found, key);
  if (!place) throw missing(found, what, [variable, `${variable}_FILE`]);
  return 'text' in place ? place.text : readKeyFile(place.file, what);
}

function busAddress(found: Found): string {
  const { fields, path, env, cwd } = found;
  const bus = env['CERTBUS_BUS'];
  const field = textField(fields, 'bus', path);
  if (!bus && !field) throw missing(found, 'The bus', ['CERTBUS_BUS']);
  return bus ? resolveAddress(bus, cwd) : resolveAddress(field ?? '', dirname(path));
}

/** The trust file: its text, or its path. */
function trustLine(found: Found): { readonly text: string } | { readonly file: string } {
  const { fields, path, env, cwd } = found;
  const field = textField(fields, 'trust', path);
  const trust = env['CERTBUS_TRUST'] || field;
  if (!trust) throw missing(found, 'The trust file', ['CERTBUS_TRUST']);
  // A byte order mark of Windows may come first.
  if (trust.trimStart().startsWith('certbus1 ')) return { text: trust };
  return { file: env['CERTBUS_TRUST'] ? resolve(cwd, trust) : inFolder(found, trust) };
}

/** The files that the configuration was read from, or can be. */
function filesOf(found: Found, trust: ReturnType<typeof trustLine>): LocalFile[] {
  const keys = Object.values(KEYS).flatMap((key) => {
    const place = keyPlace(found, key);
    return place && 'file' in place ? [{ what: key.what, path: place.file, isSecret: true }] : [];
  });
  return [
    { what: 'The configuration', path: found.path, isSecret: false },
    ...('file' in trust ? [{ what: 'The trust file', path: trust.file, isSecret: false }] : []),
    ...keys,
  ];
}

function archiveAddress({ fields, path, env, cwd }: Found): string | undefined {
  const archive = env['CERTBUS_ARCHIVE'];
  return archive ? resolveArchive(archive, cwd) : resolveArchive(textField(fields, 'archive', path), dirname(path));
}

/**
 * Reads `--config`, `$CERTBUS_CONFIG` or the first `certbus.json` of {@link configPlaces}; variables of the environment override
 * it, and an empty one counts as not set. Throws `CERTBUS_CLI_CONFIG_MISSING`, `CERTBUS_CLI_CONFIG_INVALID` or, where others can change it or the trust line's file,
 * `CERTBUS_CLI_CONFIG_OPEN`.
 */
export function readLocalConfig({
  file,
  env,
  cwd,
}: {
  readonly file: string | undefined;
  readonly env: Env;
  readonly cwd: string;
}): LocalConfig {
  const named = file ?? (env['CERTBUS_CONFIG'] || undefined);
  const existing = named ?? configPlaces({ env, cwd }).find((place) => existsSync(place));
  const path = resolve(cwd, existing ?? CONFIG_FILE);
  const fields = existing === undefined ? {} : parse(path);
  const found: Found = { fields, path, isThere: existing !== undefined, env, cwd };
  const bus = busAddress(found);
  const trust = trustLine(found);
  return {
    bus,
    trust: 'text' in trust ? trust.text : readOwnFile(trust.file, 'The trust file'),
    trustFile: 'file' in trust ? trust.file : undefined,
    archive: archiveAddress(found),
    rootKey: () => keyText(found, KEYS.root),
    managerKey: () => keyText(found, KEYS.manager),
    identity: () => keyText(found, KEYS.identity),
    programs: { json: fields.programs ?? {}, file: path },
    secretHosts: hostsField(fields, path),
    files: filesOf(found, trust),
  };
}
